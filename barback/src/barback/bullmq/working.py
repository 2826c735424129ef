"""Fetching jobs, writing what became of them, and keeping their locks."""

import contextlib
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple, cast

import structlog

from barback.broker import (
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
    crashes_kept,
)
from barback.bullmq.codec import decode_fetched, encode_stacktraces, keep_jobs, ms, pairs
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.packing import pack
from barback.bullmq.tending import fail_unreadable, renew_locks, set_alone, unreadable
from barback.errors import BarbackError, BrokerError

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.bullmq")

_tokens = count(1)
"""A worker that gets a job a second time must not settle it with the token of the first."""

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


class _Fetch(NamedTuple):
    """What a script that may fetch gave."""

    job: FetchedJob | None = None
    next_at: float | None = None
    limited_until: float | None = None


class Exchanger:
    """Writes outcomes and fetches jobs of one queue for one worker.

    A finished job's script fetches the next one in the same call. Slots that are free beyond that are filled in rounds
    that double while each of them finds jobs, so that an empty queue costs one call.
    """

    def __init__(self, connection: Connection, keys: Keys, lease: Lease, now: float) -> None:
        self._connection = connection
        self._keys = keys
        self._lease = lease
        self._now = now

    async def exchange(self, settlements: Sequence[Settlement], fetch: int) -> Exchange:
        """Write all outcomes, then fetch up to `fetch` jobs."""
        settled: list[Settled] = []
        fetches: list[_Fetch] = []
        if settlements:
            chain = [i < fetch and _can_fetch(s) for i, s in enumerate(settlements)]
            before = self._clear_alone(settlements)
            commands = [self._settle(s, fetch_next) for s, fetch_next in zip(settlements, chain, strict=True)]
            if len(settlements) > fetch:
                # A slot is freed that we do not take. Where a limit held other workers back, no script tells them (B6).
                commands.append(("ZADD", self._keys["marker"], 0, "0"))
            answers = (await self._run([*before, *commands]))[len(before) :]
            with contextlib.suppress(BarbackError):
                # What was written and fetched before must be told; what had no lock stays refused.
                await self._try_again(settlements, commands, answers)
            for settlement, fetch_next, answer in zip(settlements, chain, answers, strict=False):
                settled.append(_settled(settlement, answer))
                if fetch_next and isinstance(answer, list):
                    # BullMQ locks the next job with the finished one's token; a token never holds two jobs at once.
                    fetches.append(self._fetched(cast("list[Any]", answer), settlement.job.token))
        try:
            await self._fill(fetches, fetch)
        except BarbackError:
            # What was written and fetched before must be told; the next exchange will meet the error again.
            if not settled and not fetches:
                raise
        last = fetches[-1] if fetches else _Fetch()
        return Exchange(settled, [f.job for f in fetches if f.job], last.next_at, last.limited_until)

    async def _try_again(
        self, settlements: Sequence[Settlement], commands: Sequence[Command], answers: list[Any]
    ) -> None:
        """Settle once more what had no lock, if the lock can be taken up again: it ran out in an outage."""
        without = [i for i, answer in enumerate(answers[: len(settlements)]) if answer == MISSING_LOCK]
        if not without:
            return
        jobs = [settlements[i].job for i in without]
        lost = await self._connection.run(*renew_locks(self._connection, self._keys, jobs, self._lease.lock_s))
        again = [i for i, job in zip(without, jobs, strict=True) if job.id not in lost]
        before = self._clear_alone([settlements[i] for i in again])
        later = (await self._run([*before, *(commands[i] for i in again)]))[len(before) :]
        for i, answer in zip(again, later, strict=True):
            answers[i] = answer

    def _clear_alone(self, settlements: Sequence[Settlement]) -> list[Command]:
        """What takes back, before a job is settled, that its worker's death would be counted."""
        return [set_alone(self._connection, self._keys, s.job, _kept(s)) for s in settlements if s.job.crashes]

    async def _fill(self, fetches: list[_Fetch], wanted: int) -> None:
        """Fetch in rounds until there are as many as wanted, or one finds no job."""
        size = 1
        while len(fetches) < wanted and all(f.job for f in fetches):
            tokens = [self._token() for _ in range(min(size, wanted - len(fetches)))]
            answers = await self._run([self._move_to_active(token) for token in tokens])
            fetches += [
                self._fetched(cast("list[Any]", answer), token)
                for token, answer in zip(tokens, answers, strict=True)
                if not isinstance(answer, BrokerError)
            ]
            broken = {t: a for t, a in zip(tokens, answers, strict=True) if isinstance(a, BrokerError)}
            if broken and not await fail_unreadable(self._connection, self._keys, self._now, tokens=list(broken)):
                raise next(iter(broken.values()))
            size *= 2

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """The answers (or errors) of scripts that may let jobs wait: a retried one, a due one, a child's parent."""
        return await run_keeping_layout(self._connection, self._keys, commands, errors_as_answers=True)

    def _token(self) -> str:
        return f"{self._lease.worker}:{next(_tokens)}"

    def _settle(self, settlement: Settlement, fetch_next: bool) -> Command:
        job, outcome = settlement.job, settlement.outcome
        if _is_damaged(settlement):
            reason = outcome.reason if isinstance(outcome, Failed) else str(job.unreadable)
            held = [(job.id, job.token, reason, job.starts)]
            return unreadable(self._connection, self._keys, self._now, held=held)
        match outcome:
            case Completed():
                return self._finish(job, "completed", "returnvalue", outcome.result, fetch_next)
            case Failed():
                return self._finish(job, "failed", "failedReason", outcome.reason, fetch_next, outcome.stacktrace)
            case Retry() if _delay_ms(outcome) > 0:
                return self._delay(job, outcome, fetch_next)
            case Retry():
                return self._retry(job, outcome)
            case HandedBack():
                return self._hand_back(job)

    def _finish(
        self, job: FetchedJob, target: str, field: str, value: str, fetch_next: bool, stacktrace: str | None = None
    ) -> Command:
        keys = self._keys
        names = keys.many(
            "wait", "active", "prioritized", "events", "stalled", "limiter", "delayed", "paused", "meta", "pc", target
        )
        names += [keys.job(job.id), f"{keys.base}metrics:{target}", keys["marker"]]
        retention = job.options.keep_completed if target == "completed" else job.options.keep_failed
        options: dict[str, Any] = {
            "token": job.token,
            "keepJobs": keep_jobs(retention),
            "lockDuration": ms(self._lease.lock_s),
            "attempts": job.options.attempts,
            "maxMetricsSize": "",
            "name": self._lease.worker,
        }
        fields = _failure_fields(job, value, stacktrace) if stacktrace is not None else b""
        return self._connection.script(
            "moveToFinished", names, job.id, ms(self._now), field, value, target,
            "1" if fetch_next else "", keys.base, pack(options), fields,
        )  # fmt: skip

    def _delay(self, job: FetchedJob, outcome: Retry, fetch_next: bool) -> Command:
        keys = self._keys
        names = [
            *keys.many("marker", "active", "prioritized", "delayed"),
            keys.job(job.id),
            *keys.many("events", "meta", "stalled", "wait", "limiter", "pc"),
        ]
        return self._connection.script(
            "moveToDelayed", names, keys.base, ms(self._now), job.id, job.token, _delay_ms(outcome),
            "0" if outcome.uses_attempt else "1", _failure_fields(job, outcome.reason, outcome.stacktrace),
            "1" if fetch_next else "0", self._lease_options(job.token),
        )  # fmt: skip

    def _retry(self, job: FetchedJob, outcome: Retry) -> Command:
        keys = self._keys
        names = [
            *keys.many("active", "wait", "paused"),
            keys.job(job.id),
            *keys.many("meta", "events", "delayed", "prioritized", "pc", "marker", "stalled"),
        ]
        push = "RPUSH" if job.options.lifo else "LPUSH"
        fields = _failure_fields(job, outcome.reason, outcome.stacktrace)
        return self._connection.script("retryJob", names, keys.base, ms(self._now), push, job.id, job.token, fields)

    def _hand_back(self, job: FetchedJob) -> Command:
        names = self._keys.many(
            "active", "wait", "stalled", "paused", "meta", "limiter", "prioritized", "marker", "events"
        )
        return self._connection.script("moveJobFromActiveToWait", names, job.id, job.token, self._keys.job(job.id))

    def _move_to_active(self, token: str) -> Command:
        names = self._keys.many(
            "wait", "active", "prioritized", "events", "stalled", "limiter", "delayed", "paused", "meta", "pc", "marker"
        )
        return self._connection.script(
            "moveToActive", names, self._keys.base, ms(self._now), self._lease_options(token)
        )

    def _lease_options(self, token: str) -> bytes:
        return pack({"token": token, "lockDuration": ms(self._lease.lock_s), "name": self._lease.worker})

    def _fetched(self, answer: list[Any], token: str) -> _Fetch:
        fields, job_id, limited_ms, next_ms = answer
        if job_id:
            return _Fetch(job=decode_fetched(self._keys.queue, str(job_id), token, pairs(fields or [])))
        return _Fetch(
            next_at=float(next_ms) / 1000 if next_ms else None,
            limited_until=self._now + float(limited_ms) / 1000 if limited_ms else None,
        )


def _settled(settlement: Settlement, answer: Any) -> Settled:
    if isinstance(answer, list) and _is_damaged(settlement):
        return Settled.WRITTEN if settlement.job.id in answer else Settled.LOCK_LOST
    if isinstance(answer, BrokerError) or (isinstance(answer, int) and answer not in _SETTLED and answer < 0):
        log.error("outcome not written", queue=settlement.job.queue, job_id=settlement.job.id, error=str(answer))
        return Settled.BROKEN
    return _SETTLED.get(answer, Settled.WRITTEN) if isinstance(answer, int) else Settled.WRITTEN


def _is_damaged(settlement: Settlement) -> bool:
    """BullMQ's scripts would break on it half-way: ours fails it."""
    return settlement.job.damaged and not isinstance(settlement.outcome, HandedBack)


def _kept(settlement: Settlement) -> int:
    return crashes_kept(settlement.job, settlement.outcome)


def _can_fetch(settlement: Settlement) -> bool:
    """Only the scripts that finish or delay a job fetch the next one."""
    outcome = settlement.outcome
    return not _is_damaged(settlement) and _finishes_or_delays(outcome)


def _finishes_or_delays(outcome: Outcome) -> bool:
    return isinstance(outcome, Completed | Failed) or (isinstance(outcome, Retry) and _delay_ms(outcome) > 0)


def _delay_ms(outcome: Retry) -> int:
    # A retry that was asked for goes through the delayed set even at 0 s: only that script leaves the attempt unused.
    return max(1, ms(outcome.after_s)) if not outcome.uses_attempt else ms(outcome.after_s)


def _failure_fields(job: FetchedJob, reason: str, stacktrace: str) -> bytes:
    stacktraces = encode_stacktraces(job.stacktraces, stacktrace, job.options.keep_stacktraces)
    fields = ["failedReason", reason, "stacktrace", stacktraces]
    return pack(fields)
