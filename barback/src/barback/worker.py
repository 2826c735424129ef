"""A worker: opens the app's services, runs one pump a queue, keeps locks, recovers stalled jobs, ticks schedules.

worker.run()  ──► works until worker.stop() (drain: no more fetching, `grace_s` for what runs, then handed back)
run(until_drained=True)  ──► returns when no job waits, runs, or is delayed
recycle_after_…  ──► it drains by itself, for whoever started it to start another
"""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from barback.app import AnyApp
from barback.broker import Broker, FetchedJob, Lease
from barback.contexts import ContextMaker
from barback.errors import BarbackError
from barback.executor import Executor
from barback.locks import LockKeeper
from barback.loop_watch import LoopWatch
from barback.outage import Outage
from barback.processes import Processes
from barback.producer import Producer
from barback.pulse import Pulse
from barback.pump import Count, Pump
from barback.quarantine import Quarantine
from barback.recovery import Recovery
from barback.recycling import Bounds, resident_mb
from barback.scheduler import Scheduler
from barback.threads import make_threads

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

DRAINED_CHECK_S = 0.05
RECYCLE_CHECK_S = 0.25
TAKE_BACK_S = 0.3
"""How long cancelled handlers have to end."""
WRITE_S = 0.3
"""How long the broker has to take what was handed back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works. Durations are seconds.

    `queues`: which of the app's; None: all. `concurrency`: jobs in flight, by queue; a queue that is not named gets
    `default_concurrency`. `lock_s`: how long a crashed worker's jobs stay locked. `schedules`: tick the app's.
    `recycle_after_mb`, `recycle_after_jobs`: drain and end once it holds so much memory (MB of 2**20 bytes) or has
    written so many outcomes; looked at four times a second. None: never.
    """

    queues: tuple[str, ...] | None = None
    concurrency: Mapping[str, int] = field(default_factory=dict[str, int])
    default_concurrency: int = 20
    lock_s: float = 10.0
    stalled_check_s: float = 5.0
    crash_limit: int = 3
    grace_s: float = 25.0
    schedules: bool = True
    recycle_after_mb: float | None = None
    recycle_after_jobs: int | None = None


Ended = Literal["stopped", "recycled", "drained"]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker did, and why it ended. `refused`: outcomes that came too late, the lock being lost (P10)."""

    completed: int = 0
    failed: int = 0
    retried: int = 0
    handed_back: int = 0
    refused: int = 0
    ended: Ended = field(default="stopped", compare=False)
    """Told to, by its own bounds, or with nothing left to do. Reports of the same work are equal."""


class Worker:
    """Works the jobs of an app through an open broker.

    :raises DeclarationError: a job runs in a process, which could not import it.
    """

    def __init__(self, app: AnyApp, broker: Broker, options: WorkerOptions | None = None) -> None:
        self._app = app
        self._broker = broker
        self._options = options or WorkerOptions()
        self._queues = tuple(app.registry.check_queue(q) for q in self._options.queues or app.registry.queues)
        self._bounds = Bounds(self._options.recycle_after_mb, self._options.recycle_after_jobs)
        self._processes = Processes(app.registry)
        self.started = asyncio.Event()
        """Set once it works: the broker is checked and the services are open."""
        self._stop_asked = asyncio.Event()
        self._stop_at_once = asyncio.Event()
        self._told_to_stop = False
        self._ended: Ended = "stopped"
        self.name = f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"

    def drain(self) -> None:
        """Fetch no more, let jobs run for `grace_s`, then hand them back. A second call changes nothing."""
        self._end("stopped")

    def stop(self) -> None:
        """Drain. A second call hands back at once."""
        if self._told_to_stop:
            self._stop_at_once.set()
        self._told_to_stop = True
        self.drain()

    def _end(self, why: Ended) -> None:
        if not self._stop_asked.is_set():
            self._ended = why
        self._stop_asked.set()

    async def run(self, *, until_drained: bool = False) -> WorkerReport:
        """Work until stopped, or with `until_drained` until no job is left.

        :raises InvalidOptions: `recycle_after_mb` is less than what it holds before its first job.
        :raises BrokerUnfit: it would lose jobs, or run them wrongly.
        :raises BarbackError: the broker cannot be used at start.
        """
        await self._broker.check(self._queues)
        async with self._app.services() as services:
            self._bounds.check(resident_mb())
            loop = asyncio.get_running_loop()
            pumps: list[Pump] = []
            outage = Outage()
            locks = LockKeeper(
                self._broker,
                self._options.lock_s,
                lambda job: loop.call_soon_threadsafe(_lost, pumps, job),
                lambda job, reason: loop.call_soon_threadsafe(_cancelled, pumps, job, reason),
                outage,
            )
            threads = make_threads(sum(map(self._concurrency, self._queues)))
            pumps += self._make_pumps(services, locks, threads, outage)
            scheduler = Scheduler(self._broker, self._schedules(), outage)
            try:
                await self._prepare(scheduler)
                locks.start()
                self.started.set()
                await self._work(pumps, scheduler, outage, until_drained)
            finally:
                locks.stop()
                self._processes.close()
                threads.shutdown(wait=False, cancel_futures=True)
            return WorkerReport(**_sum(pumps), ended=self._ended)

    async def _prepare(self, scheduler: Scheduler) -> None:
        for queue in self._queues:
            limits = self._app.limits.get(queue)
            if limits is not None:
                await self._broker.set_limits(queue, limits)
        await scheduler.apply()

    async def _work(self, pumps: list[Pump], scheduler: Scheduler, outage: Outage, until_drained: bool) -> None:
        """Run the pumps, and beside them what keeps the queues going; if any of it breaks, all of it ends."""
        try:
            await self._run_all(pumps, scheduler, outage, until_drained)
        finally:
            # Broken or cancelled: no handler may go on once its services are closed (B21).
            if not all(pump.idle for pump in pumps):
                await asyncio.shield(_leave(pumps))

    async def _run_all(self, pumps: list[Pump], scheduler: Scheduler, outage: Outage, until_drained: bool) -> None:
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(pump.run()) for pump in pumps]
            beside = [group.create_task(self._recovery(queue, outage).run()) for queue in self._queues]
            beside.append(group.create_task(scheduler.run()))
            beside.append(group.create_task(Pulse(self._broker, self._queues, outage).run()))
            beside.append(group.create_task(LoopWatch(self._options.lock_s, lambda: _names(pumps)).run()))
            beside.append(group.create_task(self._wait_for_stop(pumps, working)))
            if self._bounds.any:
                beside.append(group.create_task(self._recycle_when_due(pumps)))
            if until_drained:
                beside.append(group.create_task(self._stop_when_drained(pumps)))
            await asyncio.wait(working)
            for one in beside:
                one.cancel()

    async def _wait_for_stop(self, pumps: list[Pump], working: list[asyncio.Task[None]]) -> None:
        """Drain, take back, abandon, give up: each step for what the one before did not end. Over at `grace_s` + 1."""
        await self._stop_asked.wait()
        for pump in pumps:
            pump.drain()
        try:
            async with asyncio.timeout(self._options.grace_s):
                await self._stop_at_once.wait()
        except TimeoutError:
            pass
        for pump in pumps:
            pump.take_back()
        await asyncio.sleep(TAKE_BACK_S)
        for pump in pumps:
            pump.abandon()
        await asyncio.sleep(WRITE_S)
        log.error("stopped without writing every outcome: the broker does not answer")
        for one in working:
            one.cancel()

    async def _stop_when_drained(self, pumps: list[Pump]) -> None:
        # Jobs of other workers and producers count too: nothing here could tell us of them.
        while not await self._drained(pumps):  # noqa: ASYNC110
            await asyncio.sleep(DRAINED_CHECK_S)
        self._end("drained")

    async def _recycle_when_due(self, pumps: list[Pump]) -> None:
        while not (reason := self._bounds.exceeded(_written(pumps), resident_mb())):  # noqa: ASYNC110 — it is measured
            await asyncio.sleep(RECYCLE_CHECK_S)
        log.info("worker recycles", worker=self.name, reason=reason)
        self._end("recycled")

    async def _drained(self, pumps: list[Pump]) -> bool:
        """No job is left, and none ended while the queues were counted: it may have added to one already counted."""
        ended_before = [pump.counts.total() for pump in pumps]
        nothing_left = all(pump.idle for pump in pumps) and await self._nothing_left()
        return nothing_left and ended_before == [pump.counts.total() for pump in pumps]

    async def _nothing_left(self) -> bool:
        try:
            counts = [await self._broker.counts(queue) for queue in self._queues]
            scheduled = [len(await self._broker.schedules(queue)) for queue in self._queues]
        except BarbackError:
            return False
        # Each schedule always has one delayed job: the one of its next slot.
        return all(
            count["waiting"] + count["prioritized"] + count["active"] + max(0, count["delayed"] - due) == 0
            for count, due in zip(counts, scheduled, strict=True)
        )

    def _recovery(self, queue: str, outage: Outage) -> Recovery:
        return Recovery(self._broker, queue, self._options.stalled_check_s, outage)

    def _make_pumps(self, services: Any, locks: LockKeeper, threads: ThreadPoolExecutor, outage: Outage) -> list[Pump]:
        contexts = ContextMaker(self._broker, Producer(self._broker), services)
        executor = Executor(
            self._app.registry,
            contexts.make,
            threads,
            crash_limit=self._options.crash_limit,
            processes=self._processes,
        )
        lease = Lease(self.name, self._options.lock_s)
        quarantine = Quarantine(self._broker, outage)
        grace_s = self._options.grace_s
        return [
            Pump(self._broker, queue, self._concurrency(queue), lease, executor, locks, quarantine, outage, grace_s)
            for queue in self._queues
        ]

    def _concurrency(self, queue: str) -> int:
        return self._options.concurrency.get(queue, self._options.default_concurrency)

    def _schedules(self) -> list[Any]:
        if not self._options.schedules:
            return []
        return [schedule for schedule in self._app.schedules if schedule.job.queue in self._queues]


def _sum(pumps: list[Pump]) -> Counter[Count]:
    return sum((pump.counts for pump in pumps), Counter[Count]())


def _written(pumps: list[Pump]) -> int:
    return sum(count for name, count in _sum(pumps).items() if name != "refused")


async def _leave(pumps: list[Pump]) -> None:
    """Hand back what runs, and write it if the broker answers."""
    for pump in pumps:
        pump.take_back()
    if any(pump.busy for pump in pumps):
        await asyncio.sleep(TAKE_BACK_S)
    for pump in pumps:
        pump.abandon()
    with contextlib.suppress(BarbackError, TimeoutError):
        async with asyncio.timeout(WRITE_S):
            for pump in pumps:
                await pump.flush()


def _names(pumps: list[Pump]) -> list[str]:
    """The jobs that run now, by name and id. Called from another thread."""
    return [name for pump in pumps for name in pump.names()]


def _cancelled(pumps: list[Pump], job: FetchedJob, reason: str) -> None:
    for pump in pumps:
        if pump.queue == job.queue:
            pump.cancel(job, reason)


def _lost(pumps: list[Pump], job: FetchedJob) -> None:
    for pump in pumps:
        if pump.queue == job.queue:
            pump.lost(job)
