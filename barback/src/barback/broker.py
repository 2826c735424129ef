"""What barback asks of a queue: a Protocol of values, no clock but the broker's own, no keys, no milliseconds.

    enqueue ──► waiting | delayed | prioritized | waiting-children
    exchange(fetch) ──► active, with a lock ──► exchange(outcomes):
        Completed ──► completed      Retry ──► delayed or waiting
        Failed ──► failed            HandedBack ──► the front of waiting, attempt not used up
    active without a lock, twice seen ──► recover_stalled ──► waiting, stalls + 1

`bullmq/` implements it over Redis, `memory/` in dictionaries; both pass `tests/contract/`.
Every method may raise `BrokerUnavailable` (nothing known to be written) and `BrokerError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Literal, Protocol, get_args

from barback.answers import Answer, State
from barback.board import Board
from barback.cron import Timing
from barback.errors import DeclarationError
from barback.options import JobOptions
from barback.slots import slot_id

# ── adding ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to add. `data` is JSON text as it shall stand on the wire."""

    queue: str
    name: str
    data: str
    options: JobOptions = field(default_factory=JobOptions)


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A job that waits for its children, added with all of them or not at all."""

    job: NewJob
    children: Sequence["NewFlow"] = ()


@dataclass(frozen=True, slots=True)
class AddedFlow:
    """The answers for a flow, in the shape of the flow."""

    answer: Answer
    children: Sequence["AddedFlow"] = ()


# ── working ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Lease:
    """On whose behalf jobs are fetched: each job's token is made of `worker` and a count."""

    worker: str
    lock_s: float = 10.0


@dataclass(slots=True)
class FetchedJob:
    """A job this worker now holds the lock of."""

    queue: str
    id: str
    token: str
    name: str
    data: str
    options: JobOptions
    attempt: int = 1
    """The attempt this run is, counted from 1."""
    starts: int = 1
    crashes: int = 0
    """How often its worker died under it: the first time, and then each time that it ran alone (P8)."""
    stalls: int = 0
    """How often it was found active without a lock, whoever was to blame."""
    added_at: float = 0.0
    started_at: float = 0.0
    stacktraces: Sequence[str] = ()
    """Of earlier attempts, oldest first."""
    schedule_id: str | None = None
    deferred_failure: str | None = None
    """Not None: fail it with this reason without running it (a failed child; another worker's stall limit)."""
    is_child: bool = False
    """Another job waits for it: what becomes of it concerns its parent, too."""
    unreadable: str | None = None
    """Not None: its hash cannot be decoded, for this reason; only queue, id and token can be trusted."""
    fresh: bool = field(default=False, compare=False)
    """A broker's own note: when it was fetched, nothing but its addition was stored of it."""
    damaged: bool = False
    """The broker's own scripts would break on it half-way: it can only be failed, and no parent of it be told."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The job is done. `result` is JSON text."""

    result: str = "null"


@dataclass(frozen=True, slots=True)
class Retry:
    """This attempt failed; run again after `after_s`. `uses_attempt` False: it was asked for (RetryLater)."""

    after_s: float
    reason: str
    stacktrace: str = ""
    uses_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed for good."""

    reason: str
    stacktrace: str = ""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """Not finished here: back to the front of waiting, the attempt not used up (P9)."""

    begun: bool = True
    """False: its handler was never called."""


Outcome = Completed | Retry | Failed | HandedBack


def crashes_kept(job: FetchedJob, outcome: Outcome) -> int:
    """How many crashes that it was alone in stay counted of a job that is settled so.

    One that failed for good and is put back by a person starts anew, whether it failed for them or not.
    """
    return 0 if isinstance(outcome, Failed) else job.crashes - 1


@dataclass(frozen=True, slots=True)
class Settlement:
    """A held job and what became of it."""

    job: FetchedJob
    outcome: Outcome


class Settled(Enum):
    """How the broker answered a settlement."""

    WRITTEN = "written"
    LOCK_LOST = "lock lost"
    """The lock is gone or another worker's: nothing was written (P10)."""
    CHILDREN = "children"
    """It cannot complete: a child is pending, or failed. Nothing was written; fail it instead."""
    BROKEN = "broken"
    """The broker failed on it, and said so in the log. Nothing was written; a plainer outcome may be."""
    UNTRIED = "untried"
    """The broker failed before it came to this one: settle it again."""
    GONE = "gone"
    """The job was removed meanwhile: nothing was written."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one `exchange` gave: an answer for each settlement, in order, and the jobs fetched."""

    settled: Sequence[Settled] = ()
    jobs: Sequence[FetchedJob] = ()
    next_at: float | None = None
    """Not None, if no job was left: when the next delayed job is due."""
    limited_until: float | None = None
    """Not None: the queue's rate limit allows no job before."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Over all workers of a queue. None: no limit. `rate` is (jobs, seconds).

    :raises DeclarationError: a limit under which no job would ever run, or which is none.
    """

    concurrency: int | None = None
    rate: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise DeclarationError(f"QueueLimits(concurrency=…): expected 1 or more, got {self.concurrency}.")
        if self.rate is None:
            return
        jobs, seconds = self.rate
        if jobs < 1:
            raise DeclarationError(f"QueueLimits(rate=…): expected 1 job or more, got {jobs}.")
        if not 0.001 <= seconds < inf:  # BullMQ counts in whole milliseconds.
            raise DeclarationError(
                f"QueueLimits(rate=…): expected a finite number of seconds, 0.001 or more, got {seconds:g}."
            )


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal of locks found."""

    lost: Sequence[FetchedJob] = ()
    """Their lock is gone or another worker's."""
    cancelled: Sequence[tuple[FetchedJob, str]] = ()
    """Somebody wants these to end, for this reason. Told once."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The ids of jobs that nobody worked any more."""

    waiting: Sequence[str] = ()
    """Put back to the front of waiting."""
    failed: Sequence[str] = ()
    """They cannot be read, and are failed with the reason (P11)."""


def longest_gap_s(every_s: float) -> float:
    """How long ago the last look for stalled jobs may be for its suspects to count.

    After an outage longer than the lock no job has one, and whose worker lives must be given the time to renew it.
    """
    return max(1.3 * every_s, 3.0)


@dataclass(frozen=True, slots=True)
class Loss:
    """What a server lacks that was acknowledged, a sentence each; nothing: all is there."""

    certain: Sequence[str] = ()
    possible: Sequence[str] = ()


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class JobRecord:
    """All that is stored of one job. `data`, `result` and `progress` are JSON text."""

    queue: str
    id: str
    name: str
    state: State
    data: str
    options: JobOptions
    added_at: float
    attempts_made: int = 0
    starts: int = 0
    crashes: int = 0
    """As `FetchedJob.crashes`."""
    progress: str = "0"
    result: str | None = None
    failed_reason: str | None = None
    stacktraces: Sequence[str] = ()
    started_at: float | None = None
    finished_at: float | None = None
    deduplication_id: str | None = None
    schedule_id: str | None = None
    parent: str | None = None
    """`queue:job id`."""
    worker: str | None = None
    """The name of the worker that started it last; None: it was not started, or by one that has no name."""


ListedState = Literal["waiting", "prioritized", "delayed", "active", "completed", "failed", "waiting-children"]
LISTED_STATES: tuple[ListedState, ...] = get_args(ListedState)


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as the broker holds it, whoever made it.

    `next_at`: the slot whose job was made last; it is to come, or due. `made`: how many jobs it has made, that one
    included (`Timing.limit`).
    """

    id: str
    name: str
    timing: Timing
    data: str
    next_at: float
    options: JobOptions = field(default_factory=JobOptions)
    """Of its jobs; their delay is the schedule's."""
    made: int = 1

    @property
    def job_id(self) -> str:
        """Of the job that it made last."""
        return slot_id(self.id, self.next_at)

    def slot_after(self, at: float) -> float | None:
        """The first one later than `at`; None: there is none, or it has made all jobs that it may."""
        limit = self.timing.limit
        return None if limit is not None and self.made >= limit else self.timing.next_after(at)


# ── the Protocol ──────────────────────────────────────────────────────────────────────────────────────────


class Broker(Protocol):
    """See the module. Opened before, closed after; safe to use from one event loop, `extend_locks` from any thread."""

    @property
    def board(self) -> Board:
        """What workers and faces leave for each other beside the jobs."""
        ...

    async def open(self) -> None:
        """Connect and check; `BrokerUnavailable` within 5 s says what to do."""
        ...

    async def close(self) -> None: ...

    async def check(self, queues: Sequence[str]) -> None:
        """Called before a worker works these queues; `BrokerUnfit` says why it must not, and what to change."""
        ...

    def now(self) -> float:
        """The broker's clock, epoch seconds."""
        ...

    async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
        """Make these durable (P1), in order; one answer each (P5). Of any number and of several queues."""
        ...

    async def add_flow(self, flow: NewFlow) -> AddedFlow:
        """Add a tree of jobs, all or none. A parent is in waiting-children until its children have finished."""
        ...

    async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
        """Write outcomes, then fetch up to `fetch` jobs (0: none). Never blocks for a job to come."""
        ...

    async def wait_for_jobs(self, queue: str, until: float | None) -> None:
        """Return when there may be a job, at `until`, or after some seconds. May return too early, never too late.

        Safe to cancel: a wake-up that was taken is passed on.
        """
        ...

    def extend_locks(self, queue: str, jobs: Sequence[FetchedJob], lock_s: float) -> Renewal:
        """Renew the locks of held jobs from now. Called from the renewal thread."""
        ...

    async def recover_stalled(self, queue: str, every_s: float) -> Recovered:
        """Put jobs active without a lock back to waiting, if nobody looked for `every_s`.

        A job is touched when it is seen so a second time, not long after the first (`longest_gap_s`). One that cannot
        be read is failed instead (P11).
        """
        ...

    async def set_alone(self, job: FetchedJob, alone: bool) -> bool:
        """Write down that a held job runs alone in its worker from now on, or no more; False: its lock is lost.

        If it is found without a lock while that stands there, the crash is its own (P8). Settling it takes it back.
        """
        ...

    async def cancel(self, queue: str, job_id: str, reason: str) -> None:
        """Have an active job cancelled by the worker that holds it, when it renews its locks.

        `BrokerError`: it is not active.
        """
        ...

    async def pulse(self, queues: Sequence[str]) -> Loss:
        """Whether the broker answers, and has all that it had acknowledged when it was asked last; within 5 s.

        If it does not, those who wait for jobs raise too: a connection may hear nothing of its own end.
        """
        ...

    async def repair(self, queue: str) -> list[str]:
        """Find waiting jobs that are in no list (P6) and put them back; their ids. Reads the whole queue."""
        ...

    async def set_progress(self, queue: str, job_id: str, progress: str) -> None:
        """`progress` is JSON text. A job that is gone is ignored."""
        ...

    async def add_log(self, queue: str, job_id: str, line: str, keep: int) -> None:
        """Append a line, keeping the last `keep`. A job that is gone is ignored."""
        ...

    async def logs(self, queue: str, job_id: str) -> list[str]: ...

    async def children_results(self, queue: str, job_id: str) -> Mapping[str, str]:
        """JSON text by `queue:job id` of each finished child."""
        ...

    async def counts(self, queue: str) -> dict[ListedState, int]: ...

    async def state(self, queue: str, job_id: str) -> State: ...

    async def get(self, queue: str, job_id: str) -> JobRecord | None: ...

    async def list_jobs(self, queue: str, state: ListedState, start: int, count: int) -> list[JobRecord]:
        """In the order in which they will run; finished ones newest first."""
        ...

    async def remove(self, queue: str, job_id: str) -> bool:
        """Remove a job and its children. False: it does not exist. `BrokerError`: it runs, or a schedule owns it."""
        ...

    async def retry(self, queue: str, job_id: str) -> None:
        """Put a failed or completed job back to waiting, its attempts counted anew. `BrokerError`: it is neither."""
        ...

    async def promote(self, queue: str, job_id: str) -> None:
        """Run a delayed job now. `BrokerError`: it is not delayed."""
        ...

    async def pause(self, queue: str) -> None: ...

    async def resume(self, queue: str) -> None: ...

    async def is_paused(self, queue: str) -> bool: ...

    async def set_limits(self, queue: str, limits: QueueLimits) -> None: ...

    async def schedules(self, queue: str, *, until: float | None = None) -> list[StoredSchedule]:
        """All that is stored, whoever made it, the soonest first; `until`: those whose slot is not later."""
        ...

    async def schedule(self, queue: str, schedule_id: str) -> StoredSchedule | None:
        """As it is stored now; None: it is not."""
        ...

    async def put_schedule(self, queue: str, schedule: StoredSchedule) -> None:
        """Make or replace a schedule and its next job, which is due at `schedule.next_at`.

        How many jobs it has made goes on from the one that is replaced. `BrokerError`: that slot has its job already.
        """
        ...

    async def advance_schedule(self, queue: str, schedule: StoredSchedule, next_at: float) -> bool:
        """Make the job of `next_at`, a later slot than `schedule.next_at`.

        False: another worker was first (compare and set), or that slot has its job already.
        """
        ...

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        """Remove it (a repeatable, too), and its next job if that is not due yet. False: it does not exist."""
        ...

    async def repeatables(self, queue: str) -> list[StoredSchedule]:
        """What BullMQ 5 made for `add(…, {repeat})`, the soonest first: `id` is its key, payload and options unknown.

        They are no schedules: each lives on only because whoever starts its job makes the next one.
        """
        ...

    async def continue_repeatable(self, job: FetchedJob) -> float | None:
        """Make the next job of the repeatable that made this one, which is held; its slot.

        None: no repeatable did, it has no slot to come, was removed, or went on already.
        """
        ...

    async def notes(self, queue: str, *names: str) -> dict[str, str]:
        """What barback's schedulers keep beside the schedules of a queue: texts by name, all or some."""
        ...

    async def set_notes(
        self, queue: str, notes: Mapping[str, str | None], *, expected: Mapping[str, str | None] | None = None
    ) -> bool:
        """Set some (None: remove it). False: one of those `expected` is another by now (compare and set)."""
        ...
