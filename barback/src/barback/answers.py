"""What an enqueue answers (P5)."""

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "delayed", "prioritized", "active", "completed", "failed", "waiting-children", "unknown"]
"""BullMQ's states. A paused queue's jobs are waiting. `unknown`: the job is gone."""


@dataclass(frozen=True, slots=True)
class Created:
    """The job was made and is durable (P1)."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Swallowed:
    """No new job was made: job `by`, in `state` a moment later, stands for it.

    With `keep_last` deduplication and a `by` that is active the payload is kept and runs after it (P4).
    """

    by: str
    state: State


Answer = Created | Swallowed
