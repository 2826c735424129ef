"""What a worker measures of itself, for whoever asks from outside, and how it is. Read from any thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from barback.telemetry.histogram import Durations
from barback.telemetry.meter import Meter


@dataclass(frozen=True, slots=True)
class Readings:
    """Counted since the worker started. `meters`: by queue.

    `loop_lag`: how late the event loop came to what was due. `redis_latency`: how long the question took that is asked
    each second. `schedule_lateness`: how long after its slot a schedule's next job was made by this worker.
    """

    meters: Mapping[str, Meter]
    loop_lag: Durations = field(default_factory=Durations)
    redis_latency: Durations = field(default_factory=Durations)
    schedule_lateness: Durations = field(default_factory=Durations)


@dataclass(frozen=True, slots=True)
class Condition:
    """How a worker is. `concurrency`, `running`: jobs by queue. `silent_s`: since the event loop was seen to go on."""

    name: str
    app: str
    release: str
    started: bool
    draining: bool
    redis_is_there: bool
    silent_s: float
    patience_s: float
    """How long the loop may be silent and still be called alive."""
    concurrency: Mapping[str, int]
    running: Mapping[str, int]

    def why_not_live(self) -> Sequence[str]:
        """Nothing: it lives."""
        if self.silent_s > self.patience_s:
            return (f"the event loop has stood still for {self.silent_s:.1f} s",)
        return ()

    def why_not_ready(self) -> Sequence[str]:
        """Nothing: it takes jobs."""
        reasons = list(self.why_not_live())
        reasons += [] if self.started else ["it has not begun to work"]
        reasons += [] if self.redis_is_there else ["Redis does not answer"]
        reasons += ["it drains"] if self.draining else []
        return reasons
