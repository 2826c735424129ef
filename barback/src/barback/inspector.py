"""What faces ask of a queue beyond `Broker`: looking at many jobs without fetching them, and acting on many at once.

Two Protocols of values over the same store. No call holds the broker up for long: whoever wants to see a million jobs
asks again from where the last answer ended. Every method may raise `BrokerUnavailable` and `BrokerError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal, Protocol

from barback.broker import Broker, JobRecord, ListedState, QueueLimits
from barback.errors import BrokerError

# ── the server ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Server:
    """How the broker's server is. None: it does not say so."""

    product: str
    """`Redis` or `Valkey`."""
    version: str | None
    used_bytes: int | None
    most_bytes: int | None
    """What it may use; 0: as much as there is."""
    eviction: str | None
    """`noeviction` is the only policy that loses no jobs."""
    append_only: bool | None
    """Each write goes to a file."""
    save_points: bool | None
    """It writes all of its data from time to time."""
    saved_at: float | None
    """When it last did; before that, when it started."""
    clients: int | None
    ahead_s: float
    """How far our clock is ahead of its own; negative: behind; 0: by no more than the question took."""


# ── a queue ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Glance:
    """A queue as it is now."""

    queue: str
    paused: bool
    counts: Mapping[ListedState, int]
    next_name: str | None = None
    """What the job is called that is first in line; None: none waits."""
    oldest_at: float | None = None
    """Since when the oldest job waits of those that are first in line, with a priority and without."""
    tended: bool = False
    """A worker, in whatever language, has looked for stalled jobs within half a minute."""


# ── looking through jobs ────────────────────────────────────────────────────────────────────────────────

Place = Literal["anywhere", "id", "name", "data", "error"]
"""Where a text is looked for; `error` is the reason it failed for."""


@dataclass(frozen=True, slots=True)
class Needle:
    """A text that a job must hold, whatever its case. Only ASCII letters and such as have no case may be in it.

    In `data` it may stand in other words: escaped as JSON can, and as a `number` with an exponent.
    """

    text: str
    place: Place = "anywhere"
    number: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """From `least` to `most`, both included."""

    least: float = -inf
    most: float = inf

    def __bool__(self) -> bool:
        return self != Bounds()


@dataclass(frozen=True, slots=True)
class Sieve:
    """What a job must fulfil to be fetched at all. It may let through too many, and never too few."""

    needles: Sequence[Needle] = ()
    attempts: Bounds = Bounds()
    """Attempts that have ended."""
    added: Bounds = Bounds()
    """Epoch seconds."""


EVERYTHING = Sieve()


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as a list shows it: what is long in it is cut, and only the newest stack trace is there."""

    record: JobRecord
    data_size: int
    """Bytes of the whole payload."""
    cut: bool = False
    """Its payload, result or reason is longer than what is here."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The jobs that a sieve let through, in their order, and how many were looked at; 0: there are no more."""

    jobs: Sequence[Seen]
    looked: int
    last_id: str = ""
    """Of the last one looked at."""


# ── one job ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Family:
    """A job's children, each as `queue:job id`; a hundred of each kind at most, and how many there are."""

    pending: Sequence[str] = ()
    finished: Sequence[str] = ()
    failed: Sequence[str] = ()
    """Failed, and did not keep their parent from going on; else they are in none of the three."""
    counts: Mapping[Literal["pending", "finished", "failed"], int] | None = None


@dataclass(frozen=True, slots=True)
class Swallows:
    """What became lately of adds that were no job's, newest first; how far back depends on how busy the queue is.

    `by`: the job that swallowed the add of this id; `ids`: adds that this job swallowed; `again`: how often a job was
    added under this very id, which was taken.
    """

    by: str | None = None
    ids: Sequence[str] = ()
    again: int = 0


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The newest lines of a job's log, oldest first; `first`: how many come before them."""

    lines: Sequence[str] = ()
    first: int = 0


class Inspector(Protocol):
    """See the module."""

    def now(self) -> float:
        """As `Broker.now`."""
        ...

    async def queues(self) -> list[str]:
        """All that are stored, by name. Found by looking at all keys, which the first call does (a second a million).

        Later ones look at some of them, every few seconds: what is new or gone may be seen so later.
        """
        ...

    async def server(self) -> Server: ...

    async def glance(self, queues: Sequence[str]) -> list[Glance]:
        """How each of these is, in two round trips for all of them."""
        ...

    async def count(self, queue: str, state: ListedState) -> int: ...

    async def ids(self, queue: str, state: ListedState, start: int, count: int) -> list[str]:
        """In the order of `Broker.list_jobs`."""
        ...

    async def scan(
        self, queue: str, state: ListedState, start: int, count: int, sieve: Sieve = EVERYTHING, *, wanted: int = 1_000
    ) -> Scanned:
        """Look through up to `count` jobs from `start` on, in the order of `Broker.list_jobs`.

        It ends sooner when `wanted` are found, or much has been read: go on from `start + looked`.
        """
        ...

    async def place(self, queue: str, state: ListedState, job_id: str) -> int | None:
        """How many jobs of that state come before it in that order; None: not there, or far back in a long list."""
        ...

    async def records(self, queue: str, job_ids: Sequence[str]) -> list[JobRecord | None]:
        """All that is stored of each; None: there is no such job."""
        ...

    async def limits(self, queue: str) -> QueueLimits: ...

    async def limited_for_s(self, queue: str) -> float:
        """For how long the queue's rate limit lets no job start; 0: it does not hold now."""
        ...

    async def due_at(self, queue: str, job_id: str) -> float | None:
        """When a delayed job is due; None: it is not delayed, or for ever."""
        ...

    async def family(self, queue: str, job_id: str) -> Family: ...

    async def log_end(self, queue: str, job_id: str, count: int) -> LogEnd:
        """The last `count` lines of its log, however long that is."""
        ...

    async def stands_for(self, queue: str, deduplication_id: str) -> str | None:
        """The job that swallows whatever is added with this id now; None: the next one is made."""
        ...

    async def swallows(self, queue: str, job_id: str) -> Swallows: ...

    async def listeners(self, queue: str) -> int | None:
        """Connections of workers, in any language, that named themselves after this queue; None: we may not ask."""
        ...


# ── acting on many ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Retry:
    """Put failed or completed jobs back to waiting, their attempts counted anew."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Run delayed jobs now."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove jobs and their children."""


@dataclass(frozen=True, slots=True)
class ChangePriority:
    """Let jobs that wait do so by another priority; 0: none, before all that have one."""

    priority: int


@dataclass(frozen=True, slots=True)
class ChangeDelay:
    """Let delayed jobs be due in so many seconds from now."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """Have running jobs cancelled by their workers, for this reason."""

    reason: str


Action = Retry | Promote | Remove | ChangePriority | ChangeDelay | Cancel

ACTS_ON: Mapping[type[Action], Sequence[ListedState]] = {
    Retry: ("failed", "completed"),
    Promote: ("delayed",),
    Remove: ("waiting", "prioritized", "delayed", "completed", "failed", "waiting-children"),
    ChangePriority: ("waiting", "prioritized"),
    ChangeDelay: ("delayed",),
    Cancel: ("active",),
}
"""The states in which each can be done."""


@dataclass(frozen=True, slots=True)
class Target:
    """A job as it was when somebody decided on it. One that has moved, or finished again, is not touched."""

    job_id: str
    finished_at: float | None = None
    """None: whenever that was."""


Refusal = Literal["worked", "scheduled"]
REFUSALS: Mapping[Refusal, str] = {
    "worked": "it, or a child of it, is being worked",
    "scheduled": "a schedule owns it",
}
"""Why a job that is still there is not removed."""


class NotRemoved(BrokerError):
    """It was not removed, for a reason that is known beforehand."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"It was not removed: {REFUSALS[refusal]}.")
        self.refusal = refusal


Acted = Literal["done", "moved"] | BrokerError
"""What became of one. `moved`: it is not in that state any more, or finished again since: nothing was written."""


class Operator(Inspector, Protocol):
    """An inspector that also acts, on many jobs of one state in few round trips."""

    async def act(self, queue: str, state: ListedState, action: Action, targets: Sequence[Target]) -> list[Acted]:
        """One answer each, in order; a `BrokerError` says why one was not done while others were.

        :raises InvalidOptions: `action` cannot be done in that state, or its number is out of range.
        """
        ...


class InspectedBroker(Broker, Protocol):
    """A broker whose jobs can be looked through, and acted on by many at once."""

    @property
    def inspector(self) -> Operator: ...
