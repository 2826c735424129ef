"""A job's story, from what is stored of it. Pure.

BullMQ keeps when a job was added, when and by whom its last attempt started, and when it finished; of failed attempts
it keeps the newest stack traces. Who made those, and when, our workers write in them (`told_attempt`); Node's do not.
What is not kept is said to be unknown, never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from barback.broker import JobRecord
from barback.control.why import describe_s
from barback.told_attempt import split_attempt

Kind = Literal["added", "earlier", "failed-attempt", "interrupted", "waiting", "running", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, in the order of happening."""

    kind: Kind
    text: str
    at: float | None = None
    """Epoch seconds; None: not stored."""
    attempt: int | None = None
    """Counted from 1."""
    lasted_s: float | None = None
    detail: str = ""
    """A stack trace, a reason or a result."""


def tell(record: JobRecord, due_at: float | None = None) -> list[Moment]:
    """What is known, the oldest first. `due_at`: when it is due, if it is delayed."""
    return [_added(record), *_attempts(record), *_interruptions(record), *_now(record, due_at)]


def _added(record: JobRecord) -> Moment:
    by = f" by schedule '{record.schedule_id}'" if record.schedule_id else ""
    child = f", a child of {record.parent}" if record.parent else ""
    delay_s = record.options.delay_s
    delayed = f", to run {describe_s(delay_s)} later" if delay_s else ""
    return Moment("added", f"Added{by}{child}{delayed}", record.added_at or None)


def _attempts(record: JobRecord) -> Iterator[Moment]:
    """The attempts that failed before the one that settled it, or that runs or waits now."""
    failed = max(0, record.attempts_made - (record.state in ("completed", "failed")))
    traces = list(record.stacktraces)
    # The last trace of a failed job is that of its end.
    if record.state == "failed" and traces:
        traces.pop()
    before, own = (traces[:-failed], traces[-failed:]) if failed else (traces, list[str]())
    if before:
        # They stay when a person retries a job, while its attempts are counted anew.
        attempts = "an attempt" if len(before) == 1 else f"{len(before)} attempts"
        yield Moment("earlier", f"Failed in {attempts} before it was retried", detail="\n\n".join(before))
    lost = failed - len(own)
    for attempt in range(1, failed + 1):
        yield _failed(attempt, own[attempt - 1 - lost] if attempt > lost else "")


def _failed(attempt: int, stacktrace: str) -> Moment:
    if not stacktrace:
        return Moment("failed-attempt", f"Attempt {attempt} failed (its error is not kept)", attempt=attempt)
    detail, told = split_attempt(stacktrace)
    if told is None:
        return Moment("failed-attempt", f"Attempt {attempt} failed", attempt=attempt, detail=detail)
    what = f"Attempt {attempt} failed on {told.worker}"
    return Moment("failed-attempt", what, told.ended_at, attempt, told.lasted_s, detail)


def _interruptions(record: JobRecord) -> Iterator[Moment]:
    """Starts that used up no attempt. A retry by a person keeps the count of starts, and counts attempts anew."""
    more = record.starts - record.attempts_made - (record.state == "active")
    if record.crashes:
        times = "once" if record.crashes == 1 else f"{record.crashes} times"
        yield Moment("interrupted", f"Its worker died or stood still {times} while it ran")
    others = more - record.crashes
    if others > 0:
        starts = "1 more start" if others == 1 else f"{others} more starts"
        yield Moment("interrupted", f"{starts} used up no attempt: handed back, put off, or before a retry by hand")


def _now(record: JobRecord, due_at: float | None) -> Iterator[Moment]:
    attempt = record.attempts_made + 1
    match record.state:
        case "completed" | "failed":
            yield _finished(record)
        case "active":
            yield Moment("running", f"Attempt {attempt} runs{_on(record)}", record.started_at, attempt)
        case "delayed":
            what = f"Waits for attempt {attempt}" if record.attempts_made else "Waits"
            yield Moment("waiting", f"{what} until it is due", due_at)
        case "waiting-children":
            yield Moment("waiting", "Waits for its children")
        case "waiting" | "prioritized":
            yield Moment("waiting", f"Waits for attempt {attempt} of {record.options.attempts}")
        case "unknown":
            return


def _finished(record: JobRecord) -> Moment:
    attempt = record.attempts_made or None
    lasted_s = _between(record.started_at, record.finished_at)
    if record.state == "completed":
        return Moment(
            "completed", f"Completed{_on(record)}", record.finished_at, attempt, lasted_s, record.result or ""
        )
    of = f" after {record.attempts_made} of {record.options.attempts} attempts" if attempt else ""
    return Moment(
        "failed", f"Failed for good{of}{_last_on(record)}", record.finished_at, attempt, lasted_s, _error(record)
    )


def _error(record: JobRecord) -> str:
    newest = split_attempt(record.stacktraces[-1])[0] if record.stacktraces else ""
    return newest or record.failed_reason or ""


def _on(record: JobRecord) -> str:
    # The name stays when a person retries the job; its start does not.
    return f" on {record.worker}" if record.worker and record.started_at is not None else ""


def _last_on(record: JobRecord) -> str:
    on = _on(record)
    return f", the last one{on}" if on else ""


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def waited_s(record: JobRecord) -> float | None:
    """From its addition (or from the end of its delay) to its start, if it was started once only; else not known."""
    if record.starts != 1 or record.started_at is None:
        return None
    return max(0.0, record.started_at - record.added_at - record.options.delay_s)
