"""What can be said of one job when it is declared or enqueued. Pure values; durations are seconds."""

import json
import re
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any, Literal, TypedDict

from barback.errors import InvalidOptions
from barback.retry import Backoff

HIGHEST_PRIORITY_NUMBER = 2_097_151
"""BullMQ: priorities go from 1 (runs first) to 2**21 - 1 (runs last); 0 is none, which runs before all of them."""

RESERVED_JOB_IDS = frozenset(
    {"active", "wait", "waiting", "waiting-children", "paused", "completed", "failed", "delayed", "prioritized"}
    | {"repeat", "stalled", "stalled-check", "limiter", "id", "meta", "pc", "events", "marker", "de", "dn"}
    | {"priority", "metrics", "barback-cancels", "barback-checked"}
)
"""Suffixes of BullMQ's own keys, and of ours: a job with such an id would overwrite the queue itself."""

OnFailure = Literal["fail-parent", "continue-parent", "ignore", "remove"]
"""What a child's final failure does to its parent; None leaves the parent waiting (BullMQ's rule)."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which finished jobs are kept: at most `count`, none older than `age_s`. None: no bound of that kind.

    `remove_at_most`: with each job that finishes at most so many are removed for their age, the youngest of them first.
    """

    count: int | None = None
    age_s: float | None = None
    remove_at_most: int = 1_000

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 0:
            raise InvalidOptions(f"Retention.count: expected 0 or more, or None, got {self.count}.")
        if self.age_s is not None and not self.age_s > 0:
            raise InvalidOptions(f"Retention.age_s: expected more than 0, or None, got {self.age_s}.")
        if self.remove_at_most < 0:
            raise InvalidOptions(f"Retention.remove_at_most: expected 0 or more, got {self.remove_at_most}.")


KEEP_COMPLETED = Retention(count=1_000, age_s=24 * 3600)
KEEP_FAILED = Retention(count=10_000, age_s=14 * 24 * 3600)


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Adds that share `id` are swallowed by the first one. Use the four named constructors.

    `ttl_s` None: until that job has finished. `extend`: each swallowed add starts the time anew. `replace`: a newer add
    replaces one that is still delayed. `keep_last_if_active`: an add while the first one runs is kept for after it.
    """

    id: str
    ttl_s: float | None = None
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidOptions("Deduplication.id: expected a text, got an empty one.")
        if self.ttl_s is not None and not self.ttl_s > 0:
            raise InvalidOptions(f"Deduplication.ttl_s: expected more than 0, or None, got {self.ttl_s}.")

    @classmethod
    def simple(cls, key: str) -> "Deduplication":
        """Swallow adds until the first job has finished."""
        return cls(key)

    @classmethod
    def throttle(cls, key: str, ttl_s: float) -> "Deduplication":
        """Swallow adds for `ttl_s` seconds after the first one."""
        return cls(key, ttl_s=ttl_s)

    @classmethod
    def debounce(cls, key: str, ttl_s: float) -> "Deduplication":
        """Let each add replace the one before while it is delayed: it runs once no add has come for `ttl_s` seconds.

        A job enqueued without a `delay_s` gets one as long as `ttl_s`; what is not delayed cannot be replaced.
        """
        return cls(key, ttl_s=ttl_s, extend=True, replace=True)

    @classmethod
    def keep_last(cls, key: str) -> "Deduplication":
        """Swallow adds while one waits; keep the last one added while one runs (what `Payload.unique` uses)."""
        return cls(key, keep_last_if_active=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """How a job is to be worked. Checked on construction.

    :raises InvalidOptions: names the option, what was expected, and what was given.
    """

    job_id: str | None = None
    """None: BullMQ counts one up. A kept job with the same id swallows the add, whatever its state."""
    priority: int = 0
    delay_s: float = 0.0
    attempts: int = 1
    """In total, the first included."""
    backoff: Backoff | None = None
    """None: the next attempt follows at once."""
    lifo: bool = False
    deduplicate: Deduplication | None = None
    keep_completed: Retention = KEEP_COMPLETED
    keep_failed: Retention = KEEP_FAILED
    on_failure: OnFailure | None = None
    keep_logs: int = 1_000
    keep_stacktraces: int = 10
    schema_hash: str | None = None
    """Which schema of the payload the TypeScript client knew that enqueued it; None: nobody said."""

    def __post_init__(self) -> None:
        if self.job_id is not None:
            check_job_id(self.job_id)
        if not 0 <= self.priority <= HIGHEST_PRIORITY_NUMBER:
            raise InvalidOptions(f"priority: expected 0 to {HIGHEST_PRIORITY_NUMBER}, got {self.priority!r}.")
        if not isfinite(self.delay_s) or self.delay_s < 0:
            raise InvalidOptions(f"delay_s: expected a finite number of 0 or more, got {self.delay_s!r}.")
        if self.attempts < 1:
            raise InvalidOptions(f"attempts: expected 1 or more, got {self.attempts!r}.")
        if self.keep_logs < 1 or self.keep_stacktraces < 0:
            raise InvalidOptions("keep_logs: expected 1 or more; keep_stacktraces: 0 or more.")


class Overrides(TypedDict, total=False):
    """The options that one enqueue may set differently from the job's declaration. Same meaning as in `JobOptions`."""

    job_id: str | None
    priority: int
    delay_s: float
    attempts: int
    backoff: Backoff | None
    lifo: bool
    deduplicate: Deduplication | None
    keep_completed: Retention
    keep_failed: Retention
    on_failure: OnFailure | None
    keep_logs: int
    keep_stacktraces: int


def override(options: JobOptions, overrides: Overrides) -> JobOptions:
    """The declared options with those of one enqueue laid over them.

    :raises InvalidOptions: the result is not allowed.
    """
    return replace(options, **overrides) if overrides else options


def options_json(options: JobOptions) -> dict[str, Any]:
    """What differs from an option's default, JSON-able."""
    usual = asdict(JobOptions())
    changed = {name: value for name, value in asdict(options).items() if value != usual[name]}
    plain: dict[str, Any] = json.loads(json.dumps(changed, default=str))
    return plain


def check_job_id(job_id: str) -> None:
    """Refuse ids that BullMQ refuses or that would break its queue.

    BullMQ: a custom id may not be an integer (the automatic ids are), nor contain ':' (it parts the keys).

    :raises InvalidOptions: says which rule it breaks.
    """
    if not job_id:
        reason = "it is empty"
    elif re.fullmatch(r"-?\d+", job_id):
        reason = "it is an integer, and BullMQ's automatic ids are integers: it would be overwritten"
    elif ":" in job_id:
        reason = "it contains ':', which parts BullMQ's keys"
    elif job_id in RESERVED_JOB_IDS:
        reason = "it is the name of one of BullMQ's own keys, which it would overwrite"
    elif len(job_id) > 512 or any(ord(c) < 32 for c in job_id):
        reason = "it is longer than 512 characters or holds control characters"
    else:
        return
    raise InvalidOptions(f"Job id {job_id[:80]!r} cannot be used: {reason}.")
