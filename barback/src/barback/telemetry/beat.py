"""What a worker says of itself every few seconds."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from heapq import nsmallest

from pydantic import TypeAdapter, ValidationError

from barback.broker import FetchedJob

KIND = "worker"
"""Of document, by the worker's name."""
MOST_RUNNING = 100


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that runs, and since when."""

    queue: str
    id: str
    name: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBeat:
    """A worker that lived at `at`; moments are epoch seconds of its broker's clock."""

    name: str
    host: str
    pid: int
    version: str
    """Of barback."""
    release: str
    app: str
    started_at: float
    at: float
    queues: Mapping[str, int]
    """Concurrency by queue."""
    running: tuple[RunningJob, ...] = ()
    """Those that run longest, `MOST_RUNNING` at most."""
    jobs_running: int = 0
    """All of them."""
    memory_mb: float = 0.0
    """MB of 2**20 bytes."""
    loop_lag_s: float = 0.0
    """How late the event loop was at worst since the beat before."""
    draining: bool = False

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))


_BEAT = TypeAdapter(WorkerBeat)


def decode_beat(text: str) -> WorkerBeat | None:
    """None: it cannot be read."""
    try:
        return _BEAT.validate_json(text)
    except ValidationError:
        return None


def longest_running(jobs: Iterable[FetchedJob]) -> tuple[RunningJob, ...]:
    """What a beat tells of the jobs that run."""
    longest = nsmallest(MOST_RUNNING, jobs, key=lambda job: job.started_at)
    return tuple(RunningJob(job.queue, job.id, job.name, job.started_at) for job in longest)
