"""One queue's loop: write what became of jobs, fetch as many as there are free slots, rest until something changes.

While one exchange is on its way the outcomes of finishing jobs gather: batches form by themselves under load, and a
lone job is settled at once. If the outcomes of half the slots gather, a second exchange is sent meanwhile: the broker
works on one half while this process works on the other. Outcomes that could not be written are kept and written when
the broker is back.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

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
from barback.outage import Outage
from barback.running import RunningJobs
from barback.telemetry.meter import Outcomes
from barback.told_attempt import ToldAttempt, with_attempt

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

RETRY_S = (0.05, 0.1, 0.2, 0.4)
"""How long to rest after each failed exchange in a row, the last one from then on."""
SMALLEST_SHARE, LARGEST_SHARE = 5, 100
"""Outcomes in one exchange. With fewer, two at a time would cost more than they save; with more, the broker would serve
nobody else for long."""

UNWRITABLE = Failed("What became of it could not be written; the worker's log says why.")
"""The last resort (B10): if not even this can be written, the job stalls and its crashes are counted."""


class Pump:
    """Keeps up to `concurrency` jobs of one queue running until it is told to drain."""

    def __init__(
        self, broker: Broker, queue: str, concurrency: int, lease: Lease, running: RunningJobs, outage: Outage
    ) -> None:
        self.queue = queue
        self.running = running
        self._broker = broker
        self._concurrency = concurrency
        self._lease = lease
        self._outage = outage
        self._outbox: list[Settlement] = []
        half = -(-concurrency // 2)
        self._share = min(half if half >= SMALLEST_SHARE else concurrency, LARGEST_SHARE)
        self._on_their_way = 0
        self._asked_for = 0
        """Jobs, by the exchanges on their way."""
        self._wake = asyncio.Event()
        self._crowded = asyncio.Event()
        """A second exchange is worth while."""
        self._waiting: asyncio.Task[None] | None = None
        self._draining = False
        self._failures = 0
        self._suspicious = False
        """The last jobs fetched were such as must run alone. More may follow: one at a time, then."""
        running.tell(self._ended, self._wake.set)

    @property
    def counts(self) -> Counter[Outcomes]:
        """What became of jobs so far."""
        return self.running.meter.outcomes

    @property
    def busy(self) -> bool:
        """A job runs."""
        return len(self.running) > 0

    @property
    def idle(self) -> bool:
        """Nothing runs, and nothing is left to be written."""
        return not self.busy and not self._outbox and not self._on_their_way

    async def run(self) -> None:
        """Work until drained: told to, and idle."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            overlapping = group.create_task(self._overlap())
            try:
                while not (self._draining and self.idle):
                    await self._turn()
            finally:
                overlapping.cancel()
                await self._stop_waiting()

    def drain(self) -> None:
        """Fetch no more; `run` returns once what runs has ended and is written."""
        self._draining = True
        self._wake.set()

    async def flush(self) -> None:
        """One more try to write what is left, once `run` has ended."""
        if self._outbox:
            settlements, self._outbox = self._outbox, []
            await self._exchange(settlements, 0)

    async def _turn(self) -> None:
        self._wake.clear()
        settlements, free = self._take_share()
        if not settlements and not free:
            # Who has no slot free must not take the wake-ups that idle workers need.
            await self._stop_waiting()
            await self._wake.wait()
            return
        try:
            exchange = await self._exchange(settlements, free)
        except BarbackError as error:
            await self._rest_after(error)
            return
        if len(exchange.jobs) < free and not self._outbox:
            await self._rest(exchange)

    async def _overlap(self) -> None:
        """A second exchange whenever there is enough for one while the first is on its way."""
        while True:
            self._crowded.clear()
            if not self._is_crowded():
                await self._crowded.wait()
                continue
            try:
                await self._exchange(*self._take_share())
            except BarbackError as error:
                await self._rest_after(error)
            finally:
                self._wake.set()

    def _is_crowded(self) -> bool:
        return self._on_their_way == 1 and len(self._outbox) >= self._share < self._concurrency

    def _take_share(self) -> tuple[list[Settlement], int]:
        """Outcomes for one exchange, and how many jobs to fetch by it: the slots of other outcomes are another's."""
        settlements, self._outbox = self._outbox[: self._share], self._outbox[self._share :]
        if self._draining or self.running.closed:
            return settlements, 0
        free = self._concurrency - len(self.running) - self._asked_for - len(self._outbox)
        return settlements, max(0, min(free, 1) if self._suspicious else free)

    async def _exchange(self, settlements: list[Settlement], free: int) -> Exchange:
        """Write these, fetch so many and start them."""
        with self.running.fetching() if free else contextlib.nullcontext():
            exchange = await self._send(settlements, free)
            self._failures = 0
            self._outage.end()
            for settlement, settled in zip(settlements, exchange.settled, strict=True):
                self._written(settlement, settled)
            if free:
                self._take_all(exchange.jobs)
        return exchange

    async def _send(self, settlements: list[Settlement], free: int) -> Exchange:
        """The broker's answer; what could not be written is kept."""
        self._on_their_way += 1
        self._asked_for += free
        if self._is_crowded():
            self._crowded.set()
        try:
            return await self._broker.exchange(self.queue, settlements, free, self._lease)
        except BaseException:
            # Also if we are cancelled: whether they are written is not known then, and a second time is refused.
            self._outbox = settlements + self._outbox
            raise
        finally:
            self._on_their_way -= 1
            self._asked_for -= free

    def _take_all(self, jobs: Sequence[FetchedJob]) -> None:
        # Told to drain while they were on their way: they are begun by whoever fetches them next.
        refused = list(jobs) if self._draining else [job for job in jobs if not self.running.take(job)]
        if jobs:
            self._suspicious = any(job.crashes for job in jobs)
        # Another worker may be free for them, and ours will be. Each goes to the very front: the last one first.
        for job in reversed(refused):
            self._settle(job, HandedBack(begun=False))

    def _ended(self, job: FetchedJob, outcome: Outcome) -> None:
        if isinstance(outcome, Failed | Retry) and outcome.stacktrace:
            now = self._broker.now()
            told = ToldAttempt(job.attempt, self._lease.worker, max(0.0, now - job.started_at), now)
            outcome = replace(outcome, stacktrace=with_attempt(outcome.stacktrace, told))
        self._settle(job, outcome)

    def _settle(self, job: FetchedJob, outcome: Outcome) -> None:
        self._outbox.append(Settlement(job, outcome))
        self._wake.set()
        if self._is_crowded():
            self._crowded.set()

    def _written(self, settlement: Settlement, settled: Settled) -> None:
        job, outcome = settlement.job, settlement.outcome
        if settled is Settled.WRITTEN and isinstance(outcome, Completed):
            # Most are.
            self.running.release(job)
            self.running.meter.count(job, "completed")
            return
        if settled is Settled.UNTRIED:
            self._settle(job, outcome)
            return
        if settled is Settled.CHILDREN:
            self._settle(job, Failed("It cannot complete: a child job is still pending, or has failed."))
            return
        if settled is Settled.BROKEN and not job.damaged:
            # Plainer first; then as a job that the broker's own scripts cannot take.
            job.damaged = outcome == UNWRITABLE
            self._settle(job, UNWRITABLE)
            return
        self.running.release(job)
        if settled is not Settled.WRITTEN:
            log.warning("outcome refused", queue=self.queue, job=job.name, job_id=job.id, reason=settled.value)
            self.running.meter.count(job, "refused")
        elif (count := _count_of(outcome)) is not None:
            self.running.meter.count(job, count)
            _tell(job, outcome)

    async def _rest(self, exchange: Exchange) -> None:
        """Until an outcome is there, a job may have come, the next delayed one is due, or the rate limit ends."""
        if exchange.limited_until is not None:
            # The marker is set as long as jobs wait: blocking on it would spin.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, exchange.limited_until - self._broker.now())):
                    await self._wake.wait()
            return
        if self._waiting is None:
            self._waiting = self._group.create_task(self._wait_for_jobs(exchange.next_at))
            self._waiting.add_done_callback(self._waited)
        await self._wake.wait()

    async def _wait_for_jobs(self, until: float | None) -> None:
        try:
            await self._broker.wait_for_jobs(self.queue, until)
        except BarbackError as error:
            await self._rest_after(error)

    def _waited(self, waiting: asyncio.Task[None]) -> None:
        if self._waiting is waiting:
            self._waiting = None
        self._wake.set()

    async def _stop_waiting(self) -> None:
        if (waiting := self._waiting) is not None:
            # Not left to the task: one that is cancelled before its first step never runs, not even its `finally`.
            self._waiting = None
            waiting.cancel()
            await asyncio.wait([waiting])

    async def _rest_after(self, error: BarbackError) -> None:
        rest_s = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        self._outage.failed("exchange", error, queue=self.queue)
        await asyncio.sleep(rest_s)


def _count_of(outcome: Outcome) -> Outcomes | None:
    """None: it was never begun."""
    match outcome:
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Retry():
            return "retried"
        case HandedBack():
            return "handed_back" if outcome.begun else None


def _tell(job: FetchedJob, outcome: Outcome) -> None:
    if isinstance(outcome, Failed):
        log.error("job failed", queue=job.queue, job=job.name, job_id=job.id, reason=outcome.reason)
    elif isinstance(outcome, Retry):
        log.warning(
            "job will be retried",
            queue=job.queue,
            job=job.name,
            job_id=job.id,
            attempt=job.attempt,
            after_s=round(outcome.after_s, 3),
            reason=outcome.reason,
        )
