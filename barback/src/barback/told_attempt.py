"""Who made an attempt that failed, and how long it took: the last line of its stack trace. Pure.

    at attempt 2, worker bar-77-3f1c, 3.520 s, until 2026-11-27T10:30:15.123Z

BullMQ keeps the stack trace of each failed attempt and nothing else of it; a later start overwrites the rest. The line
costs no key and no call, a job that succeeds has none, and what reads stacks as texts (Node) shows one more frame.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

LONGEST_NAME = 100
"""Characters of a worker's name."""
_LINE = re.compile(
    r"\n    at attempt ([0-9]{1,9}), worker (\S{1,100}), ([0-9]{1,12}\.[0-9]{3}) s, "
    r"until ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3})Z$"
)


@dataclass(frozen=True, slots=True)
class ToldAttempt:
    """One attempt that failed. `number` counts from 1; it lasted from its start, as it is stored, to `ended_at`."""

    number: int
    worker: str
    lasted_s: float
    ended_at: float


def with_attempt(stacktrace: str, attempt: ToldAttempt) -> str:
    """The stack trace with its last line. An empty one stays empty: BullMQ would keep one more."""
    if not stacktrace:
        return ""
    worker = re.sub(r"\s", "_", attempt.worker)[:LONGEST_NAME] or "unnamed"
    until = datetime.fromtimestamp(attempt.ended_at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    line = f"    at attempt {attempt.number}, worker {worker}, {attempt.lasted_s:.3f} s, until {until}Z"
    return f"{stacktrace.rstrip()}\n{line}"


def split_attempt(stacktrace: str) -> tuple[str, ToldAttempt | None]:
    """The stack trace alone, and what its last line tells; None: Node wrote it, or an older release of ours."""
    # Only its end is looked at: a stack may be long, and have many lines.
    end = stacktrace[-300:]
    found = _LINE.search(end)
    if found is None:
        return stacktrace, None
    number, worker, lasted_s, until = found.groups()
    try:
        ended_at = datetime.fromisoformat(f"{until}+00:00").timestamp()
    except ValueError:
        return stacktrace, None
    alone = stacktrace[: len(stacktrace) - len(end) + found.start()]
    return alone, ToldAttempt(int(number), worker, float(lasted_s), ended_at)
