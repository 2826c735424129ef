"""One queue's loop: write what became of jobs, fetch as many as there are free slots, rest until something changes.

While one exchange is on its way the outcomes of finishing jobs gather: batches form by themselves under load, and a
lone job is settled at once. Outcomes that could not be written are kept and written when the broker is back.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

import structlog

from barback.broker import (
    Broker,
    Completed,
    Exchange,
    Failed,
    FetchedJob,
    HandedBack,
    Lease,
    Outcome,
    Retry,
    Settled,
    Settlement,
)
from barback.errors import BarbackError
from barback.executor import Attempt, Executor
from barback.locks import LockKeeper
from barback.outage import Outage
from barback.outcomes import describe
from barback.quarantine import Quarantine

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

RETRY_S = (0.05, 0.1, 0.2, 0.4)
"""How long to rest after each failed exchange in a row, the last one from then on."""

UNWRITABLE = Failed("What became of it could not be written; the worker's log says why.")
"""The last resort (B10): if not even this can be written, the job stalls and its crashes are counted."""


Count = Literal["completed", "failed", "retried", "handed_back", "refused"]


@dataclass(slots=True)
class Running:
    """A job being worked."""

    job: FetchedJob
    attempt: Attempt
    task: asyncio.Task[Outcome]


@dataclass(slots=True)
class Pump:
    """Keeps up to `concurrency` jobs of one queue running until it is told to drain."""

    broker: Broker
    queue: str
    concurrency: int
    lease: Lease
    executor: Executor
    locks: LockKeeper
    quarantine: Quarantine
    outage: Outage = field(default_factory=Outage)
    grace_s: float = 25.0
    """How much longer than its `timeout_s` the lock of a job that does not end is kept."""
    counts: Counter[Count] = field(default_factory=Counter[Count])
    _outbox: list[Settlement] = field(default_factory=list[Settlement])
    _running: dict[str, Running] = field(default_factory=dict[str, Running])
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: asyncio.Task[None] | None = None
    _draining: bool = False
    _failures: int = 0
    _suspicious: bool = False
    """The last fetch gave a job that must run alone. More may follow: one at a time, then."""

    def __post_init__(self) -> None:
        self.quarantine.when_open(self._wake.set)

    @property
    def busy(self) -> bool:
        """A job runs."""
        return bool(self._running)

    @property
    def idle(self) -> bool:
        """Nothing runs, and nothing is left to be written."""
        return not self.busy and not self._outbox

    def names(self) -> list[str]:
        """The jobs that run now, by name and id. May be called from any thread."""
        return [f"{running.job.name} {running.job.id}" for running in list(self._running.values())]

    async def run(self) -> None:
        """Work until drained: told to, and idle."""
        try:
            while not (self._draining and self.idle):
                await self._turn()
        finally:
            await self._stop_waiting()

    def drain(self) -> None:
        """Fetch no more; `run` returns once what runs has ended and is written."""
        self._draining = True
        self._wake.set()

    def take_back(self) -> None:
        """Cancel what runs and hand it back (P9)."""
        for running in self._running.values():
            self._cancel(running)

    def abandon(self) -> None:
        """Hand back what does not end although it was cancelled: handlers that swallow it, threads."""
        abandoned, self._running = self._running, {}
        for running in abandoned.values():
            log.warning("job abandoned", queue=self.queue, job=running.job.name, job_id=running.job.id)
            self._settle(running.job, HandedBack())

    async def flush(self) -> None:
        """One more try to write what is left, once `run` has ended."""
        if self._outbox:
            settlements, self._outbox = self._outbox, []
            await self._exchange(settlements, 0)

    def lost(self, job: FetchedJob) -> None:
        """Cancel a job whose lock is lost: another worker may have it."""
        if running := self._of(job):
            log.warning("lock lost", queue=self.queue, job=job.name, job_id=job.id)
            self._cancel(running)

    def cancel(self, job: FetchedJob, reason: str) -> None:
        """End a job that somebody wants to end: it fails with that reason."""
        if running := self._of(job):
            log.warning("job cancelled", queue=self.queue, job=job.name, job_id=job.id, reason=reason)
            running.attempt.cancel_reason = reason
            self._cancel(running)

    def _of(self, job: FetchedJob) -> Running | None:
        # The job may be settled by now, and its token hold the next one.
        running = self._running.get(job.token)
        return running if running is not None and running.job is job else None

    async def _turn(self) -> None:
        self._wake.clear()
        settlements, self._outbox = self._outbox, []
        free = self._free()
        if not settlements and not free:
            # Who has no slot free must not take the wake-ups that idle workers need.
            await self._stop_waiting()
            await self._wake.wait()
            return
        try:
            with self.quarantine.fetching() if free else contextlib.nullcontext():
                exchange = await self._exchange(settlements, free)
                if free:
                    self._take_all(exchange.jobs)
        except BarbackError as error:
            await self._rest_after(error)
            return
        if len(exchange.jobs) < free and not self._outbox:
            await self._rest(exchange)

    async def _exchange(self, settlements: list[Settlement], free: int) -> Exchange:
        """Write these and fetch so many; what could not be written is kept."""
        try:
            exchange = await self.broker.exchange(self.queue, settlements, free, self.lease)
        except BaseException:
            # Also if we are cancelled: whether they are written is not known then, and a second time is refused.
            self._outbox = settlements + self._outbox
            raise
        self._failures = 0
        self.outage.end()
        for settlement, settled in zip(settlements, exchange.settled, strict=True):
            self._written(settlement, settled)
        return exchange

    def _free(self) -> int:
        """How many jobs to fetch."""
        if self._draining or self.quarantine.closed:
            return 0
        return min(self.concurrency - len(self._running), 1 if self._suspicious else self.concurrency)

    def _take_all(self, jobs: Sequence[FetchedJob]) -> None:
        refused = [job for job in jobs if not self._take(job)]
        self._suspicious = any(job.crashes for job in jobs)
        # Another worker may be free for them, and ours will be. Each goes to the very front: the last one first.
        for job in reversed(refused):
            self._settle(job, HandedBack(begun=False))

    def _take(self, job: FetchedJob) -> bool:
        """Start it; False: it is to run alone, and another one does."""
        self.locks.hold(job)
        if not job.crashes or self.executor.refuses(job):
            self.quarantine.enter()
            self._start(job, self._execute)
        elif self.quarantine.admit(job):
            self._start(job, self._execute_alone)
        else:
            return False
        return True

    def _start(self, job: FetchedJob, execute: Callable[[FetchedJob, Attempt], Coroutine[Any, Any, Outcome]]) -> None:
        attempt = Attempt()
        task = asyncio.create_task(execute(job, attempt), name=f"{job.name} {job.id}")
        running = self._running[job.token] = Running(job, attempt, task)
        running.task.add_done_callback(lambda task: self._ended(running, task))

    async def _execute_alone(self, job: FetchedJob, attempt: Attempt) -> Outcome:
        async with self.quarantine.alone(job):
            return await self._execute(job, attempt)

    async def _execute(self, job: FetchedJob, attempt: Attempt) -> Outcome:
        longest_s = self.executor.longest_s(job)
        if longest_s is not None:
            # What does not obey its timeout must not keep its job for ever.
            self.locks.bound(job, longest_s + self.grace_s)
        return await self.executor.execute(job, attempt)

    def _ended(self, running: Running, task: asyncio.Task[Outcome]) -> None:
        self.quarantine.leave(running.job)
        # What has ended may wait for a broker that is away.
        self.locks.bound(running.job, inf)
        if task.cancelled():
            # Before its handler was called: an attempt that runs makes an outcome of its cancellation.
            reason = running.attempt.cancel_reason
            outcome: Outcome = HandedBack() if reason is None else Failed(f"Cancelled: {reason}")
        elif error := task.exception():
            log.error("executor failed", queue=self.queue, job=running.job.name, job_id=running.job.id, exc_info=error)
            outcome = Failed(f"The worker failed on it: {describe(error)}")
        else:
            outcome = task.result()
        # One that was abandoned has been handed back already.
        if self._running.get(running.job.token) is running:
            del self._running[running.job.token]
            self._settle(running.job, outcome)

    def _settle(self, job: FetchedJob, outcome: Outcome) -> None:
        self._outbox.append(Settlement(job, outcome))
        self._wake.set()

    def _written(self, settlement: Settlement, settled: Settled) -> None:
        job, outcome = settlement.job, settlement.outcome
        if settled is Settled.CHILDREN:
            self._settle(job, Failed("It cannot complete: a child job is still pending, or has failed."))
            return
        if settled is Settled.BROKEN and not job.damaged:
            # Plainer first; then as a job that the broker's own scripts cannot take.
            job.damaged = outcome == UNWRITABLE
            self._settle(job, UNWRITABLE)
            return
        self.locks.release(job)
        if settled is not Settled.WRITTEN:
            log.warning("outcome refused", queue=self.queue, job=job.name, job_id=job.id, reason=settled.value)
            self.counts["refused"] += 1
            return
        if outcome != HandedBack(begun=False):
            self.counts[_count_of(outcome)] += 1
        if isinstance(outcome, Failed):
            log.error("job failed", queue=self.queue, job=job.name, job_id=job.id, reason=outcome.reason)
        elif isinstance(outcome, Retry):
            log.warning(
                "job will be retried",
                queue=self.queue,
                job=job.name,
                job_id=job.id,
                attempt=job.attempt,
                after_s=round(outcome.after_s, 3),
                reason=outcome.reason,
            )

    async def _rest(self, exchange: Exchange) -> None:
        """Until an outcome is there, a job may have come, the next delayed one is due, or the rate limit ends."""
        if exchange.limited_until is not None:
            # The marker is set as long as jobs wait: blocking on it would spin.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, exchange.limited_until - self.broker.now())):
                    await self._wake.wait()
            return
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._wait_for_jobs(exchange.next_at))
        await self._wake.wait()

    async def _wait_for_jobs(self, until: float | None) -> None:
        try:
            await self.broker.wait_for_jobs(self.queue, until)
        except BarbackError as error:
            await self._rest_after(error)
        finally:
            self._waiting = None
            self._wake.set()

    async def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait([self._waiting])

    async def _rest_after(self, error: BarbackError) -> None:
        rest_s = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        self.outage.failed("exchange", error, queue=self.queue)
        await asyncio.sleep(rest_s)

    @staticmethod
    def _cancel(running: Running) -> None:
        running.attempt.taken_back = True
        running.attempt.cancelled.set()
        running.task.cancel()


def _count_of(outcome: Outcome) -> Count:
    match outcome:
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Retry():
            return "retried"
        case HandedBack():
            return "handed_back"
