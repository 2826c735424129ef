"""Writing what became of jobs and fetching the next ones: by one script for most, by BullMQ's own for the others."""

from collections.abc import Sequence
from typing import Any

import structlog

from barback.broker import Exchange, Lease, Settled, Settlement, crashes_kept
from barback.bullmq.batch import (
    BATCH,
    BROKEN_QUEUE,
    DAMAGED,
    FOR_BULLMQ,
    Batch,
    all_for_bullmq,
    decode,
    exchange_command,
    fits,
)
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.one_by_one import Fetch, OneByOne, is_damaged, new_token
from barback.bullmq.tending import renew_locks, set_alone
from barback.errors import BarbackError, BrokerError, BrokerUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.bullmq")

MISSING_LOCK = -2
_SETTLED = {
    -1: Settled.GONE,
    MISSING_LOCK: Settled.LOCK_LOST,
    -3: Settled.LOCK_LOST,
    -4: Settled.CHILDREN,
    -6: Settled.LOCK_LOST,
    -9: Settled.CHILDREN,
}
"""BullMQ's error codes."""

_SETTLED_LATE = (FOR_BULLMQ, DAMAGED, MISSING_LOCK)
"""What has these answers is settled, if at all, after our script fetched."""


class Exchanger:
    """Writes outcomes and fetches jobs of one queue for one worker, 100 of each in one call.

    Outcomes that our script does not cover go in the same `MULTI`, before it, so that it fetches for their slots too.
    What it finds to be BullMQ's follows in a second call.
    """

    def __init__(self, connection: Connection, keys: Keys, lease: Lease, now: float) -> None:
        self._connection = connection
        self._keys = keys
        self._lease = lease
        self._now = now
        self._one_by_one = OneByOne(connection, keys, lease, now)

    async def exchange(self, settlements: Sequence[Settlement], fetch: int) -> Exchange:
        """Write all outcomes, then fetch up to `fetch` jobs."""
        if not settlements and not fetch:
            return Exchange([], [])
        settled: list[Settled] = []
        # A slot is freed that we do not take. Where a limit held other workers back, no script tells them (B6).
        wake = len(settlements) > fetch
        last = max(0, len(settlements) - 1) // BATCH * BATCH
        # Nothing is fetched before the last call that settles: if that failed, what was fetched would be lost.
        for start in range(0, last, BATCH):
            settled += (await self._call(settlements[start : start + BATCH], 0, wake))[0]
        answers, batch = await self._call(settlements[last:], min(fetch, BATCH), wake)
        settled += answers
        fetches = list(batch.fetches)
        try:
            await self._fill(fetches, batch, fetch)
        except BarbackError:
            # What was written and fetched before must be told; the next exchange will meet the error again.
            if not settled and not fetches:
                raise
        rest = fetches[-1] if fetches else Fetch()
        return Exchange(settled, [f.job for f in fetches if f.job], rest.next_at, rest.limited_until)

    async def _fill(self, fetches: list[Fetch], batch: Batch, wanted: int) -> None:
        """Fetch until there are as many as wanted, or there are no more."""
        while not batch.next_for_bullmq and len(fetches) < wanted and all(f.job for f in fetches):
            _, batch = await self._call([], min(wanted - len(fetches), BATCH), wake=False)
            fetches += batch.fetches
        if batch.next_for_bullmq:
            await self._one_by_one.fetch(fetches, wanted)

    async def _call(self, settlements: Sequence[Settlement], fetch: int, wake: bool) -> tuple[list[Settled], Batch]:
        """Settle and fetch up to `BATCH` each."""
        fitting = [fits(s) for s in settlements]
        ours = [s for s, fit in zip(settlements, fitting, strict=True) if fit]
        others = [s for s, fit in zip(settlements, fitting, strict=True) if not fit]
        tokens = [new_token(self._lease) for _ in range(fetch)]
        exchange = exchange_command(self._connection, self._keys, self._lease, self._now, ours, tokens, wake=wake)
        # Theirs first: our script fetches for the slots that they free, too.
        if others:
            *answers, answer = await self._run([*self._own_commands(others), exchange])
        else:
            answers, answer = [], await self._connection.run_script(exchange)
        if isinstance(answer, BrokerError) and BROKEN_QUEUE in str(answer):
            # BullMQ's scripts would lose the jobs: they stay active until somebody has mended the key.
            raise answer
        batch = (
            decode(self._keys.queue, tokens, self._now, answer)
            if isinstance(answer, list)
            else all_for_bullmq(len(ours))
        )
        theirs, codes = iter(answers[len(answers) - len(others) :]), iter(batch.codes)
        told: list[Any] = [next(codes) if fit else next(theirs) for fit in fitting]
        if any(answer in _SETTLED_LATE for answer in told):
            batch = batch.to_be_continued()
        try:
            await self._settle_left(settlements, told)
            await self._settle_unlocked(settlements, told)
        except BrokerUnavailable:
            # What was written and fetched before must be told all the same. About the others the next exchange asks.
            told = [FOR_BULLMQ if answer in _SETTLED_LATE else answer for answer in told]
        return [_settled(s, answer) for s, answer in zip(settlements, told, strict=True)], batch

    async def _settle_left(self, settlements: Sequence[Settlement], told: list[Any]) -> None:
        """By BullMQ's scripts what ours found to be theirs, and by `failUnreadable` what they would break on."""
        left = [i for i, answer in enumerate(told) if answer in (FOR_BULLMQ, DAMAGED)]
        if not left:
            return
        for i in left:
            if told[i] == DAMAGED:
                settlements[i].job.damaged = True
                settlements[i].job.unreadable = "Job cannot be read: its hash was damaged while it ran"
        await self._settle_again(settlements, told, left)

    async def _settle_unlocked(self, settlements: Sequence[Settlement], told: list[Any]) -> None:
        """Once more what had no lock, if the lock can be taken up again: it ran out in an outage."""
        without = [i for i, answer in enumerate(told) if answer == MISSING_LOCK]
        if not without:
            return
        jobs = [settlements[i].job for i in without]
        renew = renew_locks(self._connection, self._keys, jobs, self._lease.lock_s)
        lost = await self._connection.run_script(renew)
        if isinstance(lost, BrokerError):
            log.error("locks not taken up again", queue=self._keys.queue, jobs=len(jobs), error=str(lost))
            return
        await self._settle_again(settlements, told, [i for i in without if settlements[i].job.token not in lost])

    async def _settle_again(self, settlements: Sequence[Settlement], told: list[Any], which: Sequence[int]) -> None:
        answers = await self._run(self._own_commands([settlements[i] for i in which]))
        for i, answer in zip(which, answers[len(answers) - len(which) :], strict=True):
            told[i] = answer

    def _own_commands(self, settlements: Sequence[Settlement]) -> list[Command]:
        """A command for each; before them those that write how often they crashed alone."""
        alone = [set_alone(self._connection, self._keys, s.job, _kept(s)) for s in settlements if s.job.crashes]
        return [*alone, *(self._one_by_one.settle(s) for s in settlements)]

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """The answers (or errors) of scripts that may let jobs wait: a retried one, a due one, a child's parent."""
        return await run_keeping_layout(self._connection, self._keys, commands, errors_as_answers=True)


def _settled(settlement: Settlement, answer: Any) -> Settled:
    if answer == 0:
        return Settled.WRITTEN
    if answer in (FOR_BULLMQ, DAMAGED):
        return Settled.UNTRIED
    if isinstance(answer, list) and is_damaged(settlement):
        return Settled.WRITTEN if settlement.job.id in answer else Settled.LOCK_LOST
    if isinstance(answer, BrokerError) or (isinstance(answer, int) and answer not in _SETTLED and answer < 0):
        log.error("outcome not written", queue=settlement.job.queue, job_id=settlement.job.id, error=str(answer))
        return Settled.BROKEN
    return _SETTLED.get(answer, Settled.WRITTEN) if isinstance(answer, int) else Settled.WRITTEN


def _kept(settlement: Settlement) -> int:
    return crashes_kept(settlement.job, settlement.outcome)
