"""A worker: opens the app's services, runs one pump a queue, keeps locks, recovers stalled jobs, ticks schedules.

worker.run()  ──► works until worker.stop() (drain: no more fetching, `grace_s` for what runs, then handed back)
run(until_drained=True)  ──► returns when no job waits, runs, or is delayed
recycle_after_…  ──► it drains by itself, for whoever started it to start another
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import structlog

from barback.app import AnyApp
from barback.broker import Broker, Lease
from barback.contexts import ContextMaker
from barback.errors import DeclarationError
from barback.executor import Executor
from barback.limits import Limits
from barback.locks import LockKeeper
from barback.loop_watch import LoopWatch
from barback.outage import Outage
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
from barback.telemetry.readings import Condition, Readings
from barback.threads import make_threads
from barback.vitals import Vitals
from barback.worker_options import Ended, WorkerOptions, WorkerReport

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

RECYCLE_CHECK_S = 0.25


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
        self.readings = Readings({queue: Meter(schemas_of(app, queue)) for queue in self._queues})
        """What it measures of itself; from any thread."""
        self._outage = Outage()
        self._pumps: Pumps | None = None
        self._loop_watch: LoopWatch | None = None
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

    def condition(self) -> Condition:
        """How it is now. From any thread: also while the event loop stands still."""
        running = Counter(job.queue for job in self._pumps.jobs()) if self._pumps else Counter[str]()
        return Condition(
            name=self.name,
            app=self._app.name,
            release=self._release,
            started=self.started.is_set(),
            draining=self._stop_asked.is_set(),
            redis_is_there=self._outage.over,
            silent_s=self._loop_watch.silent_s() if self._loop_watch else 0.0,
            patience_s=self._options.lock_s,
            concurrency={queue: self._concurrency(queue) for queue in self._queues},
            running={queue: running[queue] for queue in self._queues},
        )

    async def run(self, *, until_drained: bool = False) -> WorkerReport:
        """Work until stopped, or with `until_drained` until no job is left.

        :raises InvalidOptions: `recycle_after_mb` is less than what it holds before its first job.
        :raises BrokerUnfit: it would lose jobs, or run them wrongly.
        :raises BarbackError: the broker cannot be used at start.
        """
        await self._broker.check(self._queues)
        async with self._app.services() as services:
            self._bounds.check(resident_mb())
            outage = self._outage
            threads = make_threads(sum(map(self._concurrency, self._queues)))
            locks = LockKeeper(self._broker, self._options.lock_s, outage)
            pumps = self._pumps = self._make_pumps(services, locks, threads, outage)
            declared = {queue: self._app.limits[queue] for queue in self._queues if queue in self._app.limits}
            limits = Limits(self._broker, declared, outage)
            scheduler = self._make_scheduler(outage)
            try:
                await limits.apply()
                if scheduler is not None:
                    await scheduler.apply()
                locks.start(pumps.lost, pumps.cancel)
                self.started.set()
                await self._work(pumps, limits, scheduler, outage, until_drained)
            finally:
                locks.stop()
                self._processes.close()
                threads.shutdown(wait=False, cancel_futures=True)
            return WorkerReport(**pumps.counts, ended=self._ended)

    async def _work(
        self, pumps: Pumps, limits: Limits, scheduler: Scheduler | None, outage: Outage, until_drained: bool
    ) -> None:
        """Run the pumps, and beside them what keeps the queues going; if any of it breaks, all of it ends."""
        loop_watch = LoopWatch(self._options.lock_s, pumps.names, lags=self.readings.loop_lag)
        self._loop_watch = loop_watch
        heartbeat = self._make_heartbeat(pumps, loop_watch, outage)
        beside: list[Coroutine[Any, Any, object]] = [
            Pulse(self._broker, self._queues, outage, self.readings.redis_latency).run(),
            loop_watch.run(),
            heartbeat.run(),
            limits.run(),
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
            for queue, meter in self.readings.meters.items()
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
        scheduler = Scheduler(self._broker, self._app.name, self._release, self._queues, schedules, outage, limits)
        self.readings = replace(self.readings, schedule_lateness=scheduler.lateness)
        return scheduler

    def _make_recovery(self, queue: str, outage: Outage) -> Recovery:
        return Recovery(self._broker, queue, self._options.stalled_check_s, outage, self.readings.meters[queue])

    def _make_heartbeat(self, pumps: Pumps, loop_watch: LoopWatch, outage: Outage) -> Heartbeat:
        app = publish(self._app, self._release, self._broker.now())
        queues = {queue: self._concurrency(queue) for queue in self._queues}
        vitals = Vitals(self.name, app, queues, self._broker, pumps, loop_watch, self._stop_asked.is_set)
        return Heartbeat(self._broker.board, vitals.look, app, self.readings.meters, outage)


def _written(pumps: Pumps) -> int:
    return sum(count for name, count in pumps.counts.items() if name != "refused")
