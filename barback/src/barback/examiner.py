"""What the doctor asks beyond `Inspector`: what stands beside the queues, and what should not be there.

A Protocol of values over the same store. Some of it reads whole queues: it is for a person who asks once, not for a
page that lives. Every method may raise `BrokerUnavailable` and `BrokerError`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from barback.inspector import InspectedBroker


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A queue of a wanted name in another database, or under another prefix. `jobs`: that wait; None: untold."""

    queue: str
    database: int
    prefix: str
    jobs: int | None


@dataclass(frozen=True, slots=True)
class Library:
    """What wrote a queue last, as it calls itself: `bullmq:6.7.0`; None: it does not say.

    `paused_apart`: jobs lie in the list of their own in which BullMQ 5 keeps those of a paused queue.
    """

    queue: str
    name: str | None
    paused_apart: bool = False


@dataclass(frozen=True, slots=True)
class Unheld:
    """An active job that no worker holds the lock of. `started_at`: epoch seconds; None: not known."""

    queue: str
    id: str
    name: str
    started_at: float | None


@dataclass(frozen=True, slots=True)
class OddKey:
    """A key of a queue that holds what does not belong there. `name`: without prefix and queue."""

    name: str
    key: str
    holds: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.key} holds {self.holds} in place of {self.wanted}"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Keys of a queue that lead nowhere.

    `orphans`: ids of jobs that are in no list. `keys`: such as hang on a job that is gone. `complete`: all of the queue
    was looked at.
    """

    queue: str
    orphans: Sequence[str] = ()
    keys: Sequence[str] = ()
    complete: bool = True


class Examiner(Protocol):
    """See the module."""

    @property
    def database(self) -> int: ...

    @property
    def place(self) -> str:
        """Where we look: address, database and prefix, the password masked."""
        ...

    async def refused(self, queues: Sequence[str]) -> list[str] | None:
        """The commands a worker of these queues sends and its user may not; None: it cannot be known."""
        ...

    async def elsewhere(self, queues: Sequence[str]) -> list[Elsewhere]:
        """Where else on this server queues of these names are. Goes through all of its keys."""
        ...

    async def libraries(self, queues: Sequence[str]) -> list[Library]: ...

    async def unheld(self, queue: str, most: int) -> list[Unheld]:
        """Among the `most` active jobs that were started first."""
        ...

    async def odd_keys(self, queue: str) -> list[OddKey]:
        """Among those that a queue has beside its jobs."""
        ...

    async def leftovers(self, queues: Sequence[str]) -> list[Leftovers]:
        """Of each of them. Goes through all of its keys, for some seconds at most."""
        ...


class ExaminedBroker(InspectedBroker, Protocol):
    """A broker that can be examined."""

    @property
    def examiner(self) -> Examiner: ...
