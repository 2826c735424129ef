"""What the checks of Redis are given: all that was asked, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from barback.control.attention import Situation
from barback.control.failures import FailureGroup
from barback.control.schedules import ScheduleView
from barback.control.why import LiveWorkers, Why
from barback.examiner import Elsewhere, Leftovers, Library, OddKey, Unheld
from barback.inspector import Glance


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """A schedule, and whether the job of its next slot is stored."""

    view: ScheduleView
    job_is_gone: bool = False


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue. `names`: of the jobs that come first in each state that waits, how many there are of each.

    `why`: what keeps the first of them from running. `broken`: why it cannot be read; all else is unknown then.
    """

    queue: str
    glance: Glance | None = None
    why: Why | None = None
    names: Mapping[str, int] = field(default_factory=dict[str, int])
    workers: LiveWorkers = field(default_factory=LiveWorkers)
    unheld: Sequence[Unheld] = ()
    failures: Sequence[FailureGroup] = ()
    schedules: Sequence[ScheduleFacts] = ()
    odd_keys: Sequence[OddKey] = ()
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a server, as an app's queues are on it.

    `place`: where we looked, in `database`. `declared`: the app's jobs, by queue. `unfit`: why no worker starts there,
    a line each.
    """

    now: float
    place: str
    database: int
    declared: Mapping[str, frozenset[str]]
    situation: Situation
    unfit: Sequence[str] = ()
    queues: Sequence[QueueFacts] = ()
    leftovers: Sequence[Leftovers] = ()
    libraries: Sequence[Library] = ()
    elsewhere: Sequence[Elsewhere] = ()
