"""A worker: opens the app's services, runs one pump a queue, keeps locks, recovers stalled jobs, ticks schedules.

worker.run()  ──► works until worker.stop() (drain: no more fetching, `grace_s` for what runs, then handed back)
run(until_drained=True)  ──► returns when no job waits, runs, or is delayed
recycle_after_…  ──► it drains by itself, for whoever started it to start another
"""

import asyncio
import os
import socket
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from barback.app import AnyApp
from barback.broker import Broker, Lease
from barback.contexts import ContextMaker
from barback.errors import DeclarationError
from barback.executor import Executor
from barback.locks import LockKeeper
from barback.loop_watch import LoopWatch
from barback.outage import Outage
from barback.payload_limits import PayloadLimits
from barback.processes import Processes
from barback.producer import Producer
from barback.pulse import Pulse
from barback.pump import Pump
from barback.pumps import Pumps
from barback.quarantine import Quarantine
from barback.recovery import Recovery
from barback.recycling import Bounds, resident_mb
from barback.release import release_of
from barback.running import RunningJobs
from barback.schedules.runs import Runs
from barback.schedules.scheduler import Scheduler
from barback.telemetry.heartbeat import Heartbeat
from barback.telemetry.meter import Meter
from barback.telemetry.published import publish, schemas_of
from barback.threads import make_threads
from barback.vitals import Vitals

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

RECYCLE_CHECK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works. Durations are seconds.

    `queues`: which of the app's; None: all. `concurrency`: jobs in flight, by queue; a queue that is not named gets
    `default_concurrency`. `lock_s`: how long a crashed worker's jobs stay locked. `schedules`: tick the app's.
    `payload_limits`: for what handlers and schedules enqueue.
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
    payload_limits: PayloadLimits = field(default_factory=PayloadLimits)


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

    :raises DeclarationError: a job runs in a process, which could not import it; or all jobs are external.
    """

    def __init__(self, app: AnyApp, broker: Broker, options: WorkerOptions | None = None) -> None:
        self._app = app
        self._broker = broker
        self._options = options or WorkerOptions()
        self._queues = tuple(app.registry.check_worked_queue(q) for q in self._options.queues or app.registry.queues)
        if not self._queues:
            raise DeclarationError(f"App '{app.name}' has no queue that Python works: all its jobs are external.")
        self._bounds = Bounds(self._options.recycle_after_mb, self._options.recycle_after_jobs)
        self._processes = Processes(app.registry)
        self._meters = {queue: Meter(schemas_of(app, queue)) for queue in self._queues}
        self._release = release_of(app)
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
            outage = Outage()
            threads = make_threads(sum(map(self._concurrency, self._queues)))
            locks = LockKeeper(self._broker, self._options.lock_s, outage)
            pumps = self._make_pumps(services, locks, threads, outage)
            scheduler = self._make_scheduler(outage)
            try:
                await self._prepare(scheduler)
                locks.start(pumps.lost, pumps.cancel)
                self.started.set()
                await self._work(pumps, scheduler, outage, until_drained)
            finally:
                locks.stop()
                self._processes.close()
                threads.shutdown(wait=False, cancel_futures=True)
            return WorkerReport(**pumps.counts, ended=self._ended)

    async def _prepare(self, scheduler: Scheduler | None) -> None:
        for queue in self._queues:
            limits = self._app.limits.get(queue)
            if limits is not None:
                await self._broker.set_limits(queue, limits)
        if scheduler is not None:
            await scheduler.apply()

    async def _work(self, pumps: Pumps, scheduler: Scheduler | None, outage: Outage, until_drained: bool) -> None:
        """Run the pumps, and beside them what keeps the queues going; if any of it breaks, all of it ends."""
        loop_watch = LoopWatch(self._options.lock_s, pumps.names)
        heartbeat = self._make_heartbeat(pumps, loop_watch, outage)
        beside: list[Coroutine[Any, Any, object]] = [
            Pulse(self._broker, self._queues, outage).run(),
            loop_watch.run(),
            heartbeat.run(),
            *(self._make_recovery(queue, outage).run() for queue in self._queues),
        ]
        if scheduler is not None:
            beside.append(scheduler.run())
        if self._bounds.any:
            beside.append(self._recycle_when_due(pumps))
        if until_drained:
            beside.append(self._end_when_drained(pumps))
        try:
            async with asyncio.TaskGroup() as group:
                working = pumps.start(group)
                running = [group.create_task(one) for one in (*beside, self._stop_when_asked(pumps, working))]
                await asyncio.wait(working)
                for one in running:
                    one.cancel()
        finally:
            # Broken or cancelled: no handler may go on once its services are closed (B21). Side by side: while Redis is
            # away each waits for it in vain, and the second of P22 is for both.
            await asyncio.shield(asyncio.gather(pumps.leave(), heartbeat.leave()))

    async def _stop_when_asked(self, pumps: Pumps, working: Sequence[asyncio.Task[None]]) -> None:
        await self._stop_asked.wait()
        await pumps.stop(self._options.grace_s, self._stop_at_once, working)

    async def _end_when_drained(self, pumps: Pumps) -> None:
        await pumps.wait_until_drained(self._broker)
        self._end("drained")

    async def _recycle_when_due(self, pumps: Pumps) -> None:
        while not (reason := self._bounds.exceeded(_written(pumps), resident_mb())):  # noqa: ASYNC110 — it is measured
            await asyncio.sleep(RECYCLE_CHECK_S)
        log.info("worker recycles", worker=self.name, reason=reason)
        self._end("recycled")

    def _make_pumps(self, services: Any, locks: LockKeeper, threads: ThreadPoolExecutor, outage: Outage) -> Pumps:
        contexts = ContextMaker(self._broker, Producer(self._broker, self._options.payload_limits), services)
        executor = Executor(
            self._app.registry,
            contexts.make,
            threads,
            crash_limit=self._options.crash_limit,
            processes=self._processes,
        )
        lease = Lease(self.name, self._options.lock_s)
        quarantine = Quarantine(self._broker, outage)
        watch = Runs(self._broker).watch
        running = [
            RunningJobs(queue, executor, locks, quarantine, self._options.grace_s, watch, meter)
            for queue, meter in self._meters.items()
        ]
        return Pumps(
            [
                Pump(self._broker, queue, self._concurrency(queue), lease, jobs, outage)
                for queue, jobs in zip(self._queues, running, strict=True)
            ]
        )

    def _concurrency(self, queue: str) -> int:
        return self._options.concurrency.get(queue, self._options.default_concurrency)

    def _make_scheduler(self, outage: Outage) -> Scheduler | None:
        if not self._options.schedules:
            return None
        schedules = [schedule for schedule in self._app.schedules if schedule.job.queue in self._queues]
        limits = self._options.payload_limits
        return Scheduler(self._broker, self._app.name, self._release, self._queues, schedules, outage, limits)

    def _make_recovery(self, queue: str, outage: Outage) -> Recovery:
        return Recovery(self._broker, queue, self._options.stalled_check_s, outage, self._meters[queue])

    def _make_heartbeat(self, pumps: Pumps, loop_watch: LoopWatch, outage: Outage) -> Heartbeat:
        app = publish(self._app, self._release, self._broker.now())
        queues = {queue: self._concurrency(queue) for queue in self._queues}
        vitals = Vitals(self.name, app, queues, self._broker, pumps, loop_watch, self._stop_asked.is_set)
        return Heartbeat(self._broker.board, vitals.look, app, self._meters, outage)


def _written(pumps: Pumps) -> int:
    return sum(count for name, count in pumps.counts.items() if name != "refused")
