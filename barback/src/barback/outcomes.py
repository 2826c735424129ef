"""What becomes of a job when its handler has returned or raised. The same in a coroutine, a thread and a process.

Whatever the handler made, what comes out can be written: reasons and stack traces are texts that UTF-8 can hold, of a
length that people read; a result is JSON. Nothing here raises.
"""

import json
import re
import traceback
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import structlog

from barback.broker import Completed, Failed, Retry
from barback.errors import BarbackError, BrokerUnavailable, RetryLater, Unrecoverable
from barback.job import AnyJob
from barback.payload import write_value
from barback.retry import UNDECLARED, Backoff, asked_for_after, is_unrecoverable, wait_after

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.outcomes")

OUTAGE_RETRY_S = 1.0
LONGEST_REASON = 4_000
LONGEST_STACKTRACE = 15_700
"""Characters kept of each: what is stored with a job is read by people, and over the network. A line of ours follows
the stack trace (`told_attempt`): 16,000 in all."""
LONGEST_FORMATTED = 1_000_000
LARGEST_RESULT = 8_000_000
"""Bytes of JSON. All of Redis waits while one is written or read."""
LONGEST_CHAIN = 1_000
"""Errors that caused each other; of a longer chain the last alone is shown."""
LARGEST_EXACT_INT = 2**53
"""What JavaScript, and so npm `bullmq`, reads without rounding."""

OUR_MODULES = frozenset({"barback.executor", "barback.processes.child"})
"""They call handlers: their frames are left out of stack traces."""


@dataclass(frozen=True, slots=True)
class Chance:
    """What is left to a job that fails now. `draw` in [0, 1): for the jitter."""

    attempt: int
    attempts: int
    backoff: Backoff | None
    draw: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How a handler ended, and what becomes of its job if nobody told it to end."""

    outcome: Completed | Retry | Failed
    raised: bool = False
    unrecoverable: bool = False
    """It said itself that it cannot be done."""
    inexact: str | None = None
    """A number in its result that JavaScript rounds."""


DONE = Ending(Completed())
"""The handler returned nothing."""


def after_return(job: AnyJob, result: Any) -> Ending:
    """`Completed`; `Failed` if the result cannot be kept: its effects are done, and a retry would do them twice."""
    if result is None:
        return DONE
    try:
        encoded = write_value(result)
        if len(encoded) > LARGEST_RESULT:
            return _lost(
                job,
                f"is {len(encoded) / 1e6:.1f} MB of JSON, and {LARGEST_RESULT / 1e6:g} MB are kept at most. "
                "Store it elsewhere, and return where it is.",
            )
        text = encoded.decode()
        return Ending(Completed(text), inexact=_inexact_int(text))
    except BaseException as error:  # noqa: BLE001 — what is encoded may run code of the handler's, and raise anything
        return _lost(job, f"cannot be written as JSON: {describe(error)}")


def after_error(job: AnyJob, chance: Chance, error: BaseException) -> Ending:
    """`Retry` while attempts are left and the job's rule allows it; else `Failed`."""
    try:
        reason, stacktrace = describe(error), format_stacktrace(error)
    except BaseException:  # noqa: BLE001 — an error may be so odd that nothing of it can be read
        reason, stacktrace = f"{type(error).__name__} (it cannot be read)", ""
    try:
        outcome = _retry(job, chance, error, reason, stacktrace)
        unrecoverable = is_unrecoverable(error)
    except BaseException as broken:  # noqa: BLE001 — a job's own function may raise anything
        # Not log.exception: rendering a megabyte of message takes minutes.
        log.error("backoff failed", job=job.name, stacktrace=format_stacktrace(broken))
        reason, outcome, unrecoverable = f"{reason} (and its backoff raised {describe(broken)})", None, False
    return Ending(outcome or Failed(reason[:LONGEST_REASON], stacktrace), raised=True, unrecoverable=unrecoverable)


def describe(error: BaseException) -> str:
    """One line for `failedReason`: the type and the message; never empty (B22)."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 — a __str__ that raises must not hide the job's own error
        message = ""
    if message and isinstance(error, BarbackError | Unrecoverable | RetryLater):
        return writable(message, LONGEST_REASON)
    name = type(error).__name__
    return writable(f"{name}: {message}" if message else f"{name}()", LONGEST_REASON)


def format_stacktrace(error: BaseException) -> str:
    """The traceback from the handler on, its middle cut out if it is very long."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__") in OUR_MODULES:
        frames = frames.tb_next
    text = writable(_format(error, frames))
    if len(text) <= LONGEST_STACKTRACE:
        return text
    half = LONGEST_STACKTRACE // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"


def writable(text: str, longest: int | None = None) -> str:
    """The first `longest` characters; what UTF-8 cannot hold is written as JSON writes it (\\udNNN) (B10)."""
    return text[:longest].encode("utf-8", "backslashreplace").decode()[:longest]


def _retry(job: AnyJob, chance: Chance, error: BaseException, reason: str, stacktrace: str) -> Retry | None:
    asked_s = asked_for_after(error)
    if asked_s is not None:
        return Retry(asked_s, reason, uses_attempt=False)
    if isinstance(error, BrokerUnavailable):
        # Of `ctx.enqueue` and the like: an outage of ours is no failure of the job's.
        return Retry(OUTAGE_RETRY_S, reason, uses_attempt=False)
    if chance.attempt >= chance.attempts or not job.retry_rule.allows(error):
        return None
    after_s = wait_after(_backoff(job, chance), chance.attempt, error, chance.draw)
    return None if after_s is None else Retry(after_s, reason, stacktrace)


def _backoff(job: AnyJob, chance: Chance) -> Backoff | None:
    """As enqueued; a strategy that is only named there is looked up in the declaration."""
    declared = job.options.backoff
    return declared if chance.backoff is UNDECLARED and declared is not None else chance.backoff


def _lost(job: AnyJob, why: str) -> Ending:
    return Ending(Failed(f"Job '{job.name}' ran, but what it returned {why}"[:LONGEST_REASON]))


def _format(error: BaseException, frames: TracebackType | None) -> str:
    try:
        if _length(error) > LONGEST_FORMATTED:
            # To format it takes seconds, in which nothing else runs.
            return "".join(traceback.format_tb(frames)) + describe(error)
        return "".join(traceback.format_exception(type(error), error, frames, chain=not _is_long_chain(error)))
    except Exception:  # noqa: BLE001 — a SyntaxError whose parts are not what they should be breaks the formatting
        return "".join(traceback.format_tb(frames)) + describe(error)


def _length(error: BaseException) -> int:
    try:
        return len(str(error))
    except BaseException:  # noqa: BLE001 — see describe
        return 0


def _is_long_chain(error: BaseException) -> bool:
    one: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        one = (one.__cause__ or one.__context__) if one is not None else None
    return one is not None


def _inexact_int(text: str) -> str | None:
    """An integer in JSON that JavaScript cannot hold.

    :raises ValueError: it has more digits than Python itself would read again.
    """
    found: list[str] = []

    def look(digits: str) -> int:
        if abs(int(digits)) > LARGEST_EXACT_INT:
            found.append(digits[:40])
        return 0

    # Few results have such digits at all; only those are read again.
    if len(text) >= 16 and re.search(r"\d{16}", text):
        json.loads(text, parse_int=look)
    return found[0] if found else None
