"""How a worker works, and what it says when it has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from barback.payload_limits import PayloadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker works. Durations are seconds.

    `queues`: which of the app's; None: all. `concurrency`: jobs in flight, by queue; a queue that is not named gets
    `default_concurrency`. `lock_s`: how long a crashed worker's jobs stay locked. `schedules`: tick the app's.
    `payload_limits`: for what handlers and schedules enqueue.
    `recycle_after_mb`, `recycle_after_jobs`: drain and end once it holds so much memory (MB of 2**20 bytes) or has
    written so many outcomes; looked at four times a second. None: never.
    """

    queues: tuple[str, ...] | None = None
    concurrency: Mapping[str, int] = field(default_factory=dict[str, int])
    default_concurrency: int = 20
    lock_s: float = 10.0
    stalled_check_s: float = 5.0
    crash_limit: int = 3
    grace_s: float = 25.0
    schedules: bool = True
    recycle_after_mb: float | None = None
    recycle_after_jobs: int | None = None
    payload_limits: PayloadLimits = field(default_factory=PayloadLimits)


Ended = Literal["stopped", "recycled", "drained"]


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker did, and why it ended. `refused`: outcomes that came too late, the lock being lost (P10)."""

    completed: int = 0
    failed: int = 0
    retried: int = 0
    handed_back: int = 0
    refused: int = 0
    ended: Ended = field(default="stopped", compare=False)
    """Told to, by its own bounds, or with nothing left to do. Reports of the same work are equal."""
