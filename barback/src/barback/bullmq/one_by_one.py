"""Settling and fetching by BullMQ's own scripts, one job a call: whatever `lua/exchange.lua` leaves to them."""

from itertools import count
from typing import Any, NamedTuple, cast

from barback.broker import Completed, Failed, FetchedJob, HandedBack, Lease, Retry, Settlement
from barback.bullmq.codec import decode_fetched, encode_stacktraces, keep_jobs, ms, pairs
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.packing import pack
from barback.bullmq.tending import fail_unreadable, unreadable
from barback.errors import BrokerError

_tokens = count(1)
"""A worker that gets a job a second time must not settle it with the token of the first."""


def new_token(lease: Lease) -> str:
    """A token no other lock ever had."""
    return f"{lease.worker}:{next(_tokens)}"


class Fetch(NamedTuple):
    """What a script that may fetch gave."""

    job: FetchedJob | None = None
    next_at: float | None = None
    limited_until: float | None = None


class OneByOne:
    """BullMQ's scripts for the jobs of one queue and one worker."""

    def __init__(self, connection: Connection, keys: Keys, lease: Lease, now: float) -> None:
        self._connection = connection
        self._keys = keys
        self._lease = lease
        self._now = now

    def settle(self, settlement: Settlement) -> Command:
        """The command that writes one outcome."""
        job, outcome = settlement.job, settlement.outcome
        if is_damaged(settlement):
            reason = outcome.reason if isinstance(outcome, Failed) else str(job.unreadable)
            held = [(job.id, job.token, reason, job.starts)]
            return unreadable(self._connection, self._keys, self._now, held=held)
        match outcome:
            case Completed():
                return self._finish(job, "completed", "returnvalue", outcome.result)
            case Failed():
                return self._finish(job, "failed", "failedReason", outcome.reason, outcome.stacktrace)
            case Retry() if _delay_ms(outcome) > 0:
                return self._delay(job, outcome)
            case Retry():
                return self._retry(job, outcome)
            case HandedBack():
                return self._hand_back(job)

    async def fetch(self, fetches: list[Fetch], wanted: int) -> None:
        """Add to `fetches` in rounds that double, until there are as many as wanted or one finds no job."""
        size = 1
        while len(fetches) < wanted and all(f.job for f in fetches):
            tokens = [new_token(self._lease) for _ in range(min(size, wanted - len(fetches)))]
            commands = [self.move_to_active(token) for token in tokens]
            answers = await run_keeping_layout(self._connection, self._keys, commands, errors_as_answers=True)
            fetches += [
                self._fetched(cast("list[Any]", answer), token)
                for token, answer in zip(tokens, answers, strict=True)
                if not isinstance(answer, BrokerError)
            ]
            broken = {t: a for t, a in zip(tokens, answers, strict=True) if isinstance(a, BrokerError)}
            if broken and not await fail_unreadable(self._connection, self._keys, self._now, tokens=list(broken)):
                raise next(iter(broken.values()))
            size *= 2

    def move_to_active(self, token: str) -> Command:
        """The command that fetches one job."""
        names = self._keys.many(
            "wait", "active", "prioritized", "events", "stalled", "limiter", "delayed", "paused", "meta", "pc", "marker"
        )
        return self._connection.script(
            "moveToActive", names, self._keys.base, ms(self._now), self._lease_options(token)
        )

    def _finish(self, job: FetchedJob, target: str, field: str, value: str, stacktrace: str | None = None) -> Command:
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
            "moveToFinished", names, job.id, ms(self._now), field, value, target, "", keys.base, pack(options), fields
        )

    def _delay(self, job: FetchedJob, outcome: Retry) -> Command:
        keys = self._keys
        names = [
            *keys.many("marker", "active", "prioritized", "delayed"),
            keys.job(job.id),
            *keys.many("events", "meta", "stalled", "wait", "limiter", "pc"),
        ]
        return self._connection.script(
            "moveToDelayed", names, keys.base, ms(self._now), job.id, job.token, _delay_ms(outcome),
            "0" if outcome.uses_attempt else "1", _failure_fields(job, outcome.reason, outcome.stacktrace), "0",
            self._lease_options(job.token),
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

    def _lease_options(self, token: str) -> bytes:
        return pack({"token": token, "lockDuration": ms(self._lease.lock_s), "name": self._lease.worker})

    def _fetched(self, answer: list[Any], token: str) -> Fetch:
        fields, job_id, limited_ms, next_ms = answer
        if job_id:
            return Fetch(job=decode_fetched(self._keys.queue, str(job_id), token, pairs(fields or [])))
        return Fetch(
            next_at=float(next_ms) / 1000 if next_ms else None,
            limited_until=self._now + float(limited_ms) / 1000 if limited_ms else None,
        )


def is_damaged(settlement: Settlement) -> bool:
    """BullMQ's scripts would break on it half-way: ours fails it."""
    return settlement.job.damaged and not isinstance(settlement.outcome, HandedBack)


def _delay_ms(outcome: Retry) -> int:
    # A retry that was asked for goes through the delayed set even at 0 s: only that script leaves the attempt unused.
    return max(1, ms(outcome.after_s)) if not outcome.uses_attempt else ms(outcome.after_s)


def _failure_fields(job: FetchedJob, reason: str, stacktrace: str) -> bytes:
    stacktraces = encode_stacktraces(job.stacktraces, stacktrace, job.options.keep_stacktraces)
    fields = ["failedReason", reason, "stacktrace", stacktraces]
    return pack(fields)
