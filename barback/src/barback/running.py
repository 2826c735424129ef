"""The jobs of one queue that run: how they start, and that each ends with one outcome, whatever happens to it.

take ──► runs, or runs alone ──► ends ──► its outcome is told ──► release, once that is written
                             ──► cancelled: told to end, and handed back or failed
                             ──► abandoned: handed back while it goes on
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import monotonic

import structlog

from barback.broker import Failed, FetchedJob, HandedBack, Outcome
from barback.current import CURRENT
from barback.executor import Attempt, Executor
from barback.locks import LockKeeper
from barback.outcomes import describe
from barback.quarantine import Quarantine
from barback.telemetry.meter import Meter

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

Execute = Callable[[FetchedJob, Attempt], Awaitable[Outcome]]
Watch = Callable[[FetchedJob, Callable[[], Awaitable[Outcome]]], Awaitable[Outcome]]


@dataclass(slots=True)
class Running:
    """A job being worked."""

    job: FetchedJob
    attempt: Attempt
    task: asyncio.Task[None] = field(init=False)
    begun: bool = False
    """Its task has made its first step: one that has not, and is cancelled, never makes it. (Whoever else cancels it
    before that step keeps its slot occupied: nobody has a reason to.)"""


class RunningJobs:
    """The jobs of one queue that this worker runs.

    `grace_s`: how much longer than its `timeout_s` the lock of a job that does not end is kept. `watch`: through it the
    jobs of schedules are run.
    """

    def __init__(
        self,
        queue: str,
        executor: Executor,
        locks: LockKeeper,
        quarantine: Quarantine,
        grace_s: float = 25.0,
        watch: Watch | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._queue = queue
        self._executor = executor
        self._locks = locks
        self._quarantine = quarantine
        self._grace_s = grace_s
        self._watch = watch
        self.meter = meter or Meter()
        self._by_token: dict[str, Running] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def tell(self, ended: Callable[[FetchedJob, Outcome], object], may_start: Callable[[], object]) -> None:
        """Whom to tell what became of a job, and that jobs may start again."""
        self._ended = ended
        self._quarantine.when_open(may_start)

    @property
    def closed(self) -> bool:
        """No job may start: one of this worker's runs alone."""
        return self._quarantine.closed

    def fetching(self) -> AbstractContextManager[None]:
        """Jobs are being fetched, and may be taken before the body ends."""
        return self._quarantine.fetching()

    def jobs(self) -> list[FetchedJob]:
        """Those that run now. May be called from any thread."""
        return [running.job for running in list(self._by_token.values())]

    def take(self, job: FetchedJob) -> bool:
        """Start it; False: it is to run alone, and another one does. Its lock is kept until `release`, in any case."""
        self._locks.hold(job)
        if not job.crashes or self._executor.refuses(job):
            self._quarantine.enter()
            self._start(job, self._execute if self._executor.longest_s(job) else self._executor.execute)
        elif self._quarantine.admit(job):
            self._start(job, self._execute_alone)
        else:
            return False
        return True

    def release(self, job: FetchedJob) -> None:
        """Its outcome is written, or refused: its lock is nobody's business any more."""
        self._locks.release(job)

    def lost(self, job: FetchedJob) -> None:
        """Cancel a job whose lock is lost: another worker may have it."""
        if running := self._of(job):
            log.warning("lock lost", queue=self._queue, job=job.name, job_id=job.id)
            self._cancel(running)

    def cancel(self, job: FetchedJob, reason: str) -> None:
        """End a job that somebody wants to end: it fails with that reason."""
        if running := self._of(job):
            log.warning("job cancelled", queue=self._queue, job=job.name, job_id=job.id, reason=reason)
            running.attempt.cancel_reason = reason
            self._cancel(running)

    def take_back(self) -> None:
        """Cancel what runs and hand it back (P9)."""
        for running in list(self._by_token.values()):
            self._cancel(running)

    def abandon(self) -> None:
        """Hand back what does not end although it was cancelled: handlers that swallow it, threads."""
        abandoned, self._by_token = self._by_token, {}
        for running in abandoned.values():
            log.warning("job abandoned", queue=self._queue, job=running.job.name, job_id=running.job.id)
            self._ended(running.job, HandedBack())

    def _of(self, job: FetchedJob) -> Running | None:
        # The job may be settled by now, and its token hold the next one, as Node's do.
        running = self._by_token.get(job.token)
        return running if running is not None and running.job is job else None

    def _start(self, job: FetchedJob, execute: Execute) -> None:
        self.meter.started(job)
        running = self._by_token[job.token] = Running(job, Attempt())
        running.task = asyncio.create_task(self._run(running, execute), name=f"{job.name} {job.id}")

    async def _run(self, running: Running, execute: Execute) -> None:
        running.begun = True
        CURRENT.set(running.job)
        job, began_at = running.job, monotonic()
        try:
            if job.schedule_id is None or self._watch is None:
                outcome = await execute(job, running.attempt)
            else:
                outcome = await self._watch(job, partial(execute, job, running.attempt))
        except asyncio.CancelledError:
            # Before its handler was called: an attempt that runs makes an outcome of its cancellation.
            outcome = _cancelled(running)
        except BaseException as error:
            log.error("executor failed", queue=self._queue, job=job.name, job_id=job.id, exc_info=error)
            outcome = Failed(f"The worker failed on it: {describe(error)}")
        self.meter.ran(monotonic() - began_at)
        self._end(running, outcome)

    async def _execute_alone(self, job: FetchedJob, attempt: Attempt) -> Outcome:
        async with self._quarantine.alone(job):
            return await self._execute(job, attempt)

    async def _execute(self, job: FetchedJob, attempt: Attempt) -> Outcome:
        longest_s = self._executor.longest_s(job)
        if longest_s is None:
            return await self._executor.execute(job, attempt)
        # What does not obey its timeout must not keep its job for ever.
        self._locks.bound(job, longest_s + self._grace_s)
        try:
            return await self._executor.execute(job, attempt)
        finally:
            # What has ended may wait for a broker that is away.
            self._locks.bound(job, inf)

    def _end(self, running: Running, outcome: Outcome) -> None:
        job = running.job
        self._quarantine.leave(job)
        # One that was abandoned has been handed back already.
        if self._by_token.get(job.token) is running:
            del self._by_token[job.token]
            self._ended(job, outcome)

    def _cancel(self, running: Running) -> None:
        running.attempt.taken_back = True
        running.attempt.cancelled.set()
        running.task.cancel()
        if not running.begun:
            self._end(running, _cancelled(running))


def _cancelled(running: Running) -> Outcome:
    reason = running.attempt.cancel_reason
    return HandedBack() if reason is None else Failed(f"Cancelled: {reason}")
