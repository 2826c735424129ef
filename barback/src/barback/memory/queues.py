"""What a broker in memory holds: jobs, the place each is in, locks, and what the queue itself remembers.

Only moves and look-ups that every other module here needs; the rules are theirs.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from barback.answers import State
from barback.broker import LISTED_STATES, JobRecord, ListedState, NewJob, QueueLimits, StoredSchedule
from barback.options import JobOptions


class JobKey(NamedTuple):
    """Names a job over all queues."""

    queue: str
    id: str

    def __str__(self) -> str:
        return f"{self.queue}:{self.id}"


@dataclass(slots=True)
class StoredJob:
    """One job, with what BullMQ keeps in its hash and in the keys beside it."""

    key: JobKey
    name: str
    data: str
    options: JobOptions
    added_at: float
    delay_s: float
    """0 once it was due or promoted, unlike the one in `options`."""
    parent: JobKey | None = None
    schedule_id: str | None = None
    attempts_made: int = 0
    starts: int = 0
    stalls: int = 0
    crashes_alone: int = 0
    """One more while it runs alone: what stands there when its worker dies is counted."""
    progress: str = "0"
    result: str | None = None
    failed_reason: str | None = None
    deferred_failure: str | None = None
    stacktraces: tuple[str, ...] = ()
    started_at: float | None = None
    worker: str | None = None
    finished_at: float | None = None
    logs: list[str] = field(default_factory=list[str])
    pending: dict[JobKey, None] = field(default_factory=dict[JobKey, None])
    """Children that the job still waits for."""
    results: dict[JobKey, str] = field(default_factory=dict[JobKey, str])
    failures: dict[JobKey, str] = field(default_factory=dict[JobKey, str])
    """Reasons of failed children that it goes on without."""
    fatal: dict[JobKey, None] = field(default_factory=dict[JobKey, None])
    """Failed children that it must fail with."""

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def crashes(self) -> int:
        return min(self.stalls, 1) + self.crashes_alone

    @property
    def deduplication_id(self) -> str | None:
        return self.options.deduplicate.id if self.options.deduplicate else None


class Place:
    """The jobs in one state, lowest order first."""

    def __init__(self) -> None:
        self._rows: list[tuple[tuple[float, ...], str]] = []
        self._orders: dict[str, tuple[float, ...]] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._orders

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter([job_id for _, job_id in self._rows])

    def put(self, job_id: str, *order: float) -> None:
        self._orders[job_id] = order
        insort(self._rows, (order, job_id))

    def take(self, job_id: str) -> bool:
        """Remove it; False if it is not here."""
        order = self._orders.pop(job_id, None)
        if order is None:
            return False
        del self._rows[bisect_left(self._rows, (order, job_id))]
        return True

    def take_first(self) -> str | None:
        if not self._rows:
            return None
        _, job_id = self._rows.pop(0)
        del self._orders[job_id]
        return job_id

    def first_order(self) -> tuple[float, ...] | None:
        return self._rows[0][0] if self._rows else None


@dataclass(slots=True)
class Lock:
    token: str
    until: float


@dataclass(slots=True)
class DeduplicationKey:
    """Which job stands for an id. `until` None: until that job has finished."""

    job_id: str
    until: float | None


@dataclass(frozen=True, slots=True)
class KeptAdd:
    """An add that waits for the running job of its deduplication id to finish."""

    job: NewJob
    job_id: str
    parent: JobKey | None


@dataclass(slots=True)
class Queue:
    """All of one queue."""

    name: str
    jobs: dict[str, StoredJob] = field(default_factory=dict[str, StoredJob])
    places: dict[ListedState, Place] = field(default_factory=lambda: {state: Place() for state in LISTED_STATES})
    locks: dict[str, Lock] = field(default_factory=dict[str, Lock])
    suspects: dict[str, None] = field(default_factory=dict[str, None])
    """Active when somebody last looked for stalled jobs, and with no sign of life since."""
    next_check_at: float = 0.0
    checked_at: float = -inf
    deduplications: dict[str, DeduplicationKey] = field(default_factory=dict[str, DeduplicationKey])
    kept: dict[str, KeptAdd] = field(default_factory=dict[str, KeptAdd])
    cancels: dict[str, str] = field(default_factory=dict[str, str])
    """Why running jobs shall end, by the token of their lock, until their worker was told."""
    schedules: dict[str, StoredSchedule] = field(default_factory=dict[str, StoredSchedule])
    notes: dict[str, str] = field(default_factory=dict[str, str])
    limits: QueueLimits = field(default_factory=QueueLimits)
    rate_used: int = 0
    rate_until: float = 0.0
    paused: bool = False
    last_id: int = 0
    tokens: int = 0
    _moves: int = 0

    def next_id(self) -> str:
        self.last_id += 1
        return str(self.last_id)

    def state(self, job_id: str) -> State:
        for state, place in self.places.items():
            if job_id in place:
                return state
        return "unknown"

    def take(self, job_id: str) -> State:
        """Out of whatever place it is in; which one that was."""
        state = self.state(job_id)
        if state != "unknown":
            self.places[state].take(job_id)
        return state

    def to_front(self, job: StoredJob) -> None:
        self.places["waiting"].put(job.id, -self._move())

    def to_back(self, job: StoredJob) -> None:
        self.places["waiting"].put(job.id, self._move())

    def to_priority(self, job: StoredJob, *, first: bool = False) -> None:
        """Behind its equals; `first`: before them."""
        self.places["prioritized"].put(job.id, job.options.priority, 0 if first else self._move())

    def to_ready(self, job: StoredJob, *, lifo: bool = False) -> None:
        """Where it waits to be fetched: by its priority, else at the back, or at the front for `lifo`."""
        if job.options.priority:
            self.to_priority(job)
        elif lifo:
            self.to_front(job)
        else:
            self.to_back(job)

    def to_delayed(self, job: StoredJob, due_at: float) -> None:
        self.places["delayed"].put(job.id, moment(due_at), self._move())

    def to_active(self, job: StoredJob) -> None:
        self.places["active"].put(job.id, self._move())

    def to_waiting_children(self, job: StoredJob) -> None:
        self.places["waiting-children"].put(job.id, self._move())

    def to_finished(self, job: StoredJob, state: ListedState) -> None:
        """The newest first."""
        self.places[state].put(job.id, -self._move())

    def held(self, job_id: str, now: float) -> Lock | None:
        """The lock of a job, if it has not expired."""
        lock = self.locks.get(job_id)
        return lock if lock and lock.until > now else None

    def blocked(self) -> bool:
        """Paused, or as many jobs active as its limit allows."""
        limit = self.limits.concurrency
        return self.paused or (limit is not None and len(self.places["active"]) >= limit)

    def limited_until(self, now: float) -> float | None:
        """Not None: the rate limit is used up until then."""
        rate = self.limits.rate
        used_up = rate is not None and self.rate_until > now and self.rate_used >= rate[0]
        return self.rate_until if used_up else None

    def next_due_at(self) -> float | None:
        order = self.places["delayed"].first_order()
        return order[0] if order else None

    def _move(self) -> int:
        self._moves += 1
        return self._moves


@dataclass(slots=True)
class Queues:
    """All queues, made when first named, and the clock they share."""

    now: float
    by_name: dict[str, Queue] = field(default_factory=dict[str, Queue])

    def __getitem__(self, name: str) -> Queue:
        return self.by_name.setdefault(name, Queue(name))

    def find(self, key: JobKey) -> StoredJob | None:
        return self[key.queue].jobs.get(key.id)


def moment(at: float) -> float:
    """To the millisecond, as BullMQ keeps time: three steps of 0.1 s are one of 0.3 s."""
    return round(at, 3)


def record(queue: Queue, job: StoredJob) -> JobRecord:
    return JobRecord(
        queue=queue.name,
        id=job.id,
        name=job.name,
        state=queue.state(job.id),
        data=job.data,
        options=job.options,
        added_at=job.added_at,
        attempts_made=job.attempts_made,
        starts=job.starts,
        crashes=job.crashes,
        progress=job.progress,
        result=job.result,
        failed_reason=job.failed_reason,
        stacktraces=job.stacktraces,
        started_at=job.started_at,
        finished_at=job.finished_at,
        deduplication_id=job.deduplication_id,
        schedule_id=job.schedule_id,
        parent=str(job.parent) if job.parent else None,
        worker=job.worker or None,
    )
