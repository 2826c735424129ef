"""What a batch does with the jobs that are held: how each ends, and what befell it before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from barback.broker import Completed, Failed, FetchedJob, HandedBack, Outcome, Retry
from barback.retry import wait_after

from .keyspace import Keyspace
from .wire import dumps

# ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Completes:
    value: Any = None


@dataclass(frozen=True, slots=True)
class Fails:
    """And runs again if attempts are left, unless it is `final`."""

    reason: str = "no milk"
    stacktrace: str = "Error: no milk"
    final: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """It asks to run again."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GoesBack:
    """It was not finished."""


Ending = Completes | Fails | Later | GoesBack


def call_of(ending: Ending, at_ms: int) -> dict[str, Any]:
    """What `by_hand.cjs` is told of it."""
    match ending:
        case Completes(value):
            return {"how": "complete", "value": value}
        case Fails(reason, stacktrace, final):
            return {"how": "fail", "error": {"reason": reason, "stack": stacktrace, "unrecoverable": final}}
        case Later(after_s):
            return {"how": "delay", "at": at_ms + max(1, round(after_s * 1000))}
        case GoesBack():
            return {"how": "wait"}


def outcome_of(job: FetchedJob, ending: Ending) -> Outcome:
    match ending:
        case Completes(value):
            return Completed(dumps(value))
        case Fails(reason, stacktrace, final):
            if final or job.attempt >= job.options.attempts:
                return Failed(reason, stacktrace)
            after_s = wait_after(job.options.backoff, job.attempt, Exception(reason), 0.0)
            assert after_s is not None
            return Retry(after_s, reason, stacktrace)
        case Later(after_s):
            return Retry(after_s, "later", uses_attempt=False)
        case GoesBack():
            return HandedBack()


# ── what befell it ─────────────────────────────────────────────────────────────────────────────────

Spoil = Callable[[Keyspace, str], Sequence[Sequence[Any]]]
"""The commands that do it to the job of this id."""

SPOILS: dict[str, Spoil] = {
    "lock is another's": lambda at, job_id: [("SET", at.key(f"{job_id}:lock"), "somebody's")],
    "lock ran out": lambda at, job_id: [("DEL", at.key(f"{job_id}:lock"))],
    "hash was removed": lambda at, job_id: [("DEL", at.key(job_id))],
    "is not active": lambda at, job_id: [("LREM", at.key("active"), 0, job_id)],
    "field is damaged": lambda at, job_id: [("HSET", at.key(job_id), "atm", "many")],
    "hash is a string": lambda at, job_id: [("DEL", at.key(job_id)), ("SET", at.key(job_id), "not a hash")],
    "became unique": lambda at, job_id: [("HSET", at.key(job_id), "deid", "late")],
    "got a child": lambda at, job_id: [("SADD", at.key(f"{job_id}:dependencies"), "a child")],
    "has a failed child": lambda at, job_id: [("ZADD", at.key(f"{job_id}:unsuccessful"), 1, "a child")],
    "is looked at for stalling": lambda at, job_id: [("SADD", at.key("stalled"), job_id)],
    "has a failure to come": lambda at, job_id: [("HSET", at.key(job_id), "defa", "a child failed")],
}
DAMAGE = ("field is damaged", "hash is a string")
"""BullMQ's script breaks on it, and leaves the job in no list."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of a batch: the place of a held job, how it ends, and what is done to it before (one of `SPOILS`)."""

    place: int
    ending: Ending
    spoil: str | None = None
