"""What authors of apps test with: a handler called as the function it is, or a whole app worked in memory.

A handler alone, with a context that records what it does:

>>> import asyncio
>>> from barback import App, Context, Payload, job, no_services
>>> class Greet(Payload, frozen=True):
...     name: str
>>> @job("greet", queue="greetings", attempts=3)
... async def greet(payload: Greet, ctx: Context[None]) -> str:
...     await ctx.log(f"greeting {payload.name}")
...     return f"Hello, {payload.name}"
>>> ctx = make_context(None)
>>> asyncio.run(greet(Greet(name="Ada"), ctx))
'Hello, Ada'
>>> ctx.lines
['greeting Ada']

The app with its queues, attempts, delays and schedules, in a time that passes only when told to:

>>> async def a_day_later() -> list[str]:
...     async with InMemory(App(jobs=[greet], services=no_services)) as h:
...         await h.enqueue(greet, Greet(name="Ada"), delay_s=24 * 3600)
...         assert await h.drain() == []
...         await h.move_clock(24 * 3600)
...         return [worked.name for worked in await h.drain()]
>>> asyncio.run(a_day_later())
['greet']
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Generic, Self, TypeVar, Unpack

from barback.answers import Answer, Created
from barback.app import App
from barback.broker import Failed, FetchedJob, Lease, Outcome, Settled, Settlement
from barback.contexts import ContextMaker
from barback.executor import Attempt, Executor
from barback.job import AnyJob, Context, Job, Reply
from barback.memory import MemoryBroker
from barback.memory.broker import NEW_YEAR_2026
from barback.options import Overrides
from barback.payload import Payload, PayloadT
from barback.processes import Processes
from barback.producer import Producer, new_job
from barback.schedules.scheduler import Scheduler
from barback.threads import make_threads

ServicesT = TypeVar("ServicesT")

LEASE = Lease("in-memory", lock_s=3600.0)


# ── a handler alone ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that a handler enqueued. `overrides`: the options it gave, by name."""

    job: AnyJob
    payload: Payload
    overrides: Overrides


@dataclass(slots=True)
class RecordedContext(Context[ServicesT], Generic[ServicesT]):
    """A context without a broker. Make one with `make_context`."""

    reports: list[Any]
    """What was reported as progress, in order."""
    lines: list[str]
    """What was logged."""
    enqueued: list[Enqueued]
    """What was enqueued; each was answered `Created`, with ids that count up from 1."""
    cancel: Callable[[], None]
    """Let `cancelled` be set, as it is when the worker stops."""


def make_context(  # noqa: PLR0913 — what a handler may look at
    services: ServicesT,
    *,
    attempt: int = 1,
    attempts: int = 1,
    starts: int | None = None,
    job_id: str = "1",
    job_name: str = "a-job",
    queue: str = "a-queue",
    children: Mapping[str, Any] | None = None,
) -> RecordedContext[ServicesT]:
    """A context to call a handler with, no broker needed; what the handler does with it is recorded in it.

    `attempt` counts from 1, `attempts` is their total. `starts` None: as many as attempts. `children`: results of
    finished children by `queue:job id`. Overrides that BullMQ would refuse raise `InvalidOptions`, as they would there.
    """
    reports: list[Any] = []
    lines: list[str] = []
    enqueued: list[Enqueued] = []
    cancelled = Event()

    def enqueue(job: Job[PayloadT, Any, Any], payload: PayloadT, /, **overrides: Unpack[Overrides]) -> Reply[Answer]:
        new_job(job, payload, overrides)  # for its checks
        enqueued.append(Enqueued(job, payload, overrides))
        return Reply.done(Created(str(len(enqueued))))

    def results() -> Reply[Mapping[str, Any]]:
        return Reply.done(dict(children or {}))

    return RecordedContext(
        services=services,
        job_id=job_id,
        job_name=job_name,
        queue=queue,
        attempt=attempt,
        attempts=attempts,
        starts=attempt if starts is None else starts,
        cancelled=cancelled,
        enqueue=enqueue,
        progress=_recorder(reports),
        log=_recorder(lines),
        children=results,
        reports=reports,
        lines=lines,
        enqueued=enqueued,
        cancel=cancelled.set,
    )


def _recorder(into: list[Any]) -> Callable[[Any], Awaitable[None]]:
    def record(value: Any) -> Awaitable[None]:
        # At once, not when awaited: a plain `def` handler cannot await.
        into.append(value)
        return Reply.done(None)

    return record


# ── a whole app ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Worked:
    """One attempt that `drain` ran, and what became of it."""

    name: str
    job_id: str
    attempt: int
    outcome: Outcome


@dataclass(slots=True)
class InMemory(Generic[ServicesT]):
    """An app worked in memory, one job at a time, by a clock moved by hand: `async with InMemory(app) as h`.

    The app's services are opened on entering; `dataclasses.replace(app, services=…)` gives it others. Its limits and
    schedules are applied. `now`: epoch seconds at which the clock starts.
    """

    app: App[ServicesT]
    now: float = NEW_YEAR_2026
    broker: MemoryBroker = field(init=False)
    """To look and act: counts, records, pause, promote, …"""
    enqueue: Producer = field(init=False)
    """`await h.enqueue(job, payload, **overrides)`; also `h.enqueue.many(…)` and `h.enqueue.flow(…)`."""
    services: ServicesT = field(init=False)
    _executor: Executor = field(init=False)
    _scheduler: Scheduler = field(init=False)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(self.now)
        self.enqueue = Producer(self.broker)
        queues = self.app.registry.queues
        self._scheduler = Scheduler(self.broker, self.app.name, "", queues, self.app.schedules)

    async def __aenter__(self) -> Self:
        self.services = await self._stack.enter_async_context(self.app.services())
        threads = make_threads(1)
        self._stack.callback(threads.shutdown, wait=False)
        processes = Processes(self.app.registry)
        self._stack.callback(processes.close)
        contexts = ContextMaker(self.broker, self.enqueue, self.services)
        # The longest that jitter allows: what is due by then is due.
        self._executor = Executor(self.app.registry, contexts.make, threads, draw=lambda: 1.0, processes=processes)
        for queue, limits in self.app.limits.items():
            await self.broker.set_limits(queue, limits)
        await self._scheduler.apply()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def drain(self, at_most: int = 10_000) -> list[Worked]:
        """Work until no job is ready; all attempts that ran, in order. What is delayed waits for `move_clock`.

        :raises RuntimeError: more than `at_most` attempts ran, as when jobs enqueue each other for ever.
        """
        worked: list[Worked] = []
        while fetched := await self._fetch():
            if len(worked) >= at_most:
                raise RuntimeError(f"drain: still not drained after {at_most} attempts; the last was {worked[-1]}.")
            worked.append(await self._work(fetched))
        return worked

    async def move_clock(self, by_s: float) -> None:
        """Let `by_s` seconds pass. Jobs that become due, those of schedules too, are ready for `drain`.

        :raises ValueError: time does not run backwards.
        """
        end = self.broker.now() + by_s
        slots: list[float] = []
        # Slot by slot, as a worker that never sleeps would meet them.
        while (slot := await self._next_slot(slots[-1] if slots else 0.0)) is not None and slot <= end:
            slots.append(slot)
            await self.broker.move_clock(max(0.0, slot - self.broker.now()))
            await self._scheduler.tick()
        await self.broker.move_clock(end - self.broker.now() if slots else by_s)

    async def _next_slot(self, after: float) -> float | None:
        """One that is over keeps its last slot."""
        stored = [s for queue in self.app.registry.queues for s in await self.broker.schedules(queue)]
        return min((schedule.next_at for schedule in stored if schedule.next_at > after), default=None)

    async def _fetch(self) -> FetchedJob | None:
        for queue in self.app.registry.queues:
            jobs = (await self.broker.exchange(queue, [], 1, LEASE)).jobs
            if jobs:
                return jobs[0]
        return None

    async def _work(self, fetched: FetchedJob) -> Worked:
        outcome = await asyncio.create_task(self._executor.execute(fetched, Attempt()))
        if await self._settle(fetched, outcome) is Settled.CHILDREN:
            outcome = Failed("It cannot complete: a child job is still pending, or has failed.")
            await self._settle(fetched, outcome)
        return Worked(fetched.name, fetched.id, fetched.attempt, outcome)

    async def _settle(self, fetched: FetchedJob, outcome: Outcome) -> Settled:
        return (await self.broker.exchange(fetched.queue, [Settlement(fetched, outcome)], 0, LEASE)).settled[0]
