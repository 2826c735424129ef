"""Runs a job that was running when a worker died alone in its worker: if that dies too, it is known who did it (P8).

found active without a lock ──► the next worker that fetches it starts no other job, lets those that run end
──► runs it alone ──► it ends: all goes on as before
                  ──► the worker dies: the crash is counted as the job's own
                  ──► it lives longer than its probation: others run beside it again, and a crash is nobody's
──► those that run do not end in that time either: it runs beside them, and a crash is nobody's
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

import structlog

from barback.broker import Broker, FetchedJob
from barback.errors import BarbackError
from barback.outage import Outage

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.quarantine")

PROBATION_S = 10.0
LONGEST_PROBATION_S = 3600.0
RETRY_S = 0.5


def probation_s(stalls: int) -> float:
    """How long a job found without a lock so often may wait to be alone, and then be so.

    Six times as long each time: one that kills its worker late, or beside long ones, is caught in the end, and one
    that only was beside it holds up nobody for long.
    """
    return min(PROBATION_S * 6 ** min(stalls - 1, 10), LONGEST_PROBATION_S)


class Quarantine:
    """One worker's: at most one suspect at a time, and beside it no other job of this process, whatever its queue."""

    def __init__(self, broker: Broker, outage: Outage | None = None) -> None:
        self._broker = broker
        self._outage = outage or Outage()
        self._suspect: FetchedJob | None = None
        self._others = 0
        self._changed = asyncio.Event()
        self._when_open: list[Callable[[], object]] = []

    @property
    def closed(self) -> bool:
        """A suspect runs alone, or waits to: no other job may start."""
        return self._suspect is not None

    def when_open(self, call: Callable[[], object]) -> None:
        """Call this each time that other jobs may start again."""
        self._when_open.append(call)

    def enter(self) -> None:
        """A job starts that is no suspect. `leave` when it ended."""
        self._others += 1

    @contextmanager
    def fetching(self) -> Generator[None]:
        """Jobs are being fetched, and may start before the body ends: nobody is alone meanwhile."""
        self._others += 1
        try:
            yield
        finally:
            self._others -= 1
            self._changed.set()

    def admit(self, job: FetchedJob) -> bool:
        """Take a suspect in, to be run with `alone`, and to `leave` when it ended; False: there is one already."""
        if self._suspect is not None:
            return False
        self._suspect = job
        return True

    def leave(self, job: FetchedJob) -> None:
        """It ended."""
        if self._suspect is job:
            self._open()
        else:
            self._others -= 1
            self._changed.set()

    def _open(self) -> None:
        self._suspect = None
        for call in self._when_open:
            call()

    @asynccontextmanager
    async def alone(self, job: FetchedJob) -> AsyncGenerator[None]:
        """Wait until no other job runs, and run the body; others stay out until it ends or its probation does."""
        if not await self._others_ended(probation_s(job.stalls)):
            log.warning("job does not run alone: others do not end", queue=job.queue, job=job.name, job_id=job.id)
            self._join()
            yield
            return
        if not await self._write(job, alone=True):
            # Its lock is lost, or ran out in an outage: it goes back, if it is still ours.
            raise asyncio.CancelledError
        log.info("job runs alone", queue=job.queue, job=job.name, job_id=job.id, crashes=job.crashes)
        probation = asyncio.create_task(self._end_probation(job))
        try:
            yield
        finally:
            probation.cancel()

    async def _others_ended(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while self._others:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _end_probation(self, job: FetchedJob) -> None:
        await asyncio.sleep(probation_s(job.stalls))
        await self._write(job, alone=False)
        self._join()

    def _join(self) -> None:
        """The suspect is one of the others from now on."""
        self._others += 1
        self._open()

    async def _write(self, job: FetchedJob, *, alone: bool) -> bool:
        """Try until there is an answer; False: nothing was written, its lock being lost."""
        while True:
            try:
                return await self._broker.set_alone(job, alone)
            except BarbackError as error:
                self._outage.failed("write down that a job runs alone", error, queue=job.queue, job_id=job.id)
                await asyncio.sleep(RETRY_S)
