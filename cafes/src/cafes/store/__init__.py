"""What jobs and imports ask of the database: a Protocol of values. Each method is one request and one transaction.

load ──► clean, decide_group ──► record ──► Recorded
                 ▲                  │
                 └── Overtaken ◄────┘   decide again, on what is stored now
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from pydantic import JsonValue

from cafes.rules import CleanedCafe, Member, RawCafe, Verdict


@dataclass(frozen=True, slots=True)
class StoredCafe:
    """A cafe to process. `position`: its age. `input_hash`: names this very input."""

    id: UUID
    position: int
    input_hash: str
    raw: RawCafe


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another cafe whose verdict and this one's may hang together, and the group that it is in."""

    city_slug: str
    name_key: str
    member: Member


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """All neighbours of a cafe at one moment. `seen` names this state of them."""

    seen: str = ""
    neighbours: Sequence[Neighbour] = ()


CLAIMS_KEPT_S = 30 * 24 * 3600.0

NOBODY = Neighbourhood()
"""What is true of most cafes, and so the first guess."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """It is written. `cities`: slugs of those whose numbers changed; `others`: how many other cafes changed."""

    slug: str
    cities: Sequence[str]
    others: int


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Nothing is written: the neighbours are others than those decided on."""

    neighbourhood: Neighbourhood


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing is written: the cafe itself changed since it was loaded."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing is written: there is no such cafe any more."""


RecordAnswer = Recorded | Overtaken | Stale | Gone


@dataclass(frozen=True, slots=True)
class CityStatistics:
    """How many cafes of a city bear which status. Those still to be processed count nowhere."""

    slug: str
    published: int
    needs_review: int
    duplicate: int

    @property
    def total(self) -> int:
        return self.published + self.needs_review + self.duplicate


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row of a file. Storing the same `key` again updates the cafe that it made."""

    key: str
    raw: RawCafe


class Store(Protocol):
    """See the module. Every method may raise `StoreUnavailable` and `StoreError`, and is safe to call twice."""

    async def load(self, cafe_id: UUID) -> StoredCafe | None:
        """The cafe as it was handed in. None: there is none of that id."""
        ...

    async def record(
        self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
    ) -> RecordAnswer:
        """Write a cleaned cafe and the verdicts on it and its neighbours, all or nothing.

        Only if the cafe is still the one loaded and its neighbours are those named by `seen`. Creates the city if it is
        new, and finds a slug that is free.
        """
        ...

    async def city_slugs(self) -> list[str]:
        """The slugs of all cities, sorted."""
        ...

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        """Count the cafes of these cities and write it. A slug that no city has is missing in the answer."""
        ...

    async def import_rows(self, rows: Sequence[ImportRow]) -> list[UUID]:
        """Store rows of one file, in order, which becomes their age; the ids of their cafes. Keys must differ."""
        ...

    async def is_empty(self) -> bool:
        """Whether there is no cafe at all."""
        ...

    async def call(self, function: str, arguments: Mapping[str, JsonValue]) -> Any:
        """The answer, as JSON, of a function of your own in the schema `public`: one value, one transaction.

        What claims an effect and does it in one function (see `store/once.py`) happens once whichever store this is.
        Asked again only if it is certain that nothing was written. On Supabase a list is whatever its parameter is; on
        Postgres it is `jsonb`.
        """
        ...

    async def forget_claims(self, older_than_s: float = CLAIMS_KEPT_S, at_most: int = 10_000) -> int:
        """Remove claims of that age (see `store/once.py`), the oldest first; how many it removed.

        A job that is started again after so long does its effects again: keep claims for longer than failed jobs.
        """
        ...
