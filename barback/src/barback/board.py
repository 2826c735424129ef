"""What workers and faces leave for each other beside the jobs. A Protocol of values, as `broker.py`.

documents that expire ── a worker's beat, what is published of an app
counts in buckets of time ── jobs completed and failed, how long they waited and ran
journals ── who did what

All of it is bounded: by a time to live, or by a length. BullMQ sees none of it. Every method may raise
`BrokerUnavailable` and `BrokerError`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Protocol

from barback.errors import BrokerError

LONGEST_TTL_S = 30 * 86_400.0
MOST_BUCKETS = 2_000


@dataclass(frozen=True, slots=True)
class Counted:
    """To add to the bucket of `step_s` seconds in which `at` lies; the bucket is kept for `keep_s` from then on."""

    queue: str
    step_s: int
    at: float
    counts: Mapping[str, int]
    keep_s: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was counted from `at` on until the next bucket begins; a name that is not there was counted 0 times."""

    at: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a journal. Ids grow with time."""

    id: str
    at: float
    text: str


class Board(Protocol):
    """See the module."""

    async def put_document(self, kind: str, name: str, text: str, ttl_s: float) -> None:
        """Put one in the place of the one of that name; gone after `ttl_s` seconds, 30 days at most."""
        ...

    async def documents(self, kind: str) -> dict[str, str]:
        """All of a kind that have not expired: texts by name."""
        ...

    async def remove_document(self, kind: str, name: str) -> None: ...

    async def count(self, counted: Sequence[Counted], writer: str, number: int) -> None:
        """Add all of these or none, in one round trip.

        `number` grows with each write of a writer. One whose answer got lost is repeated with the same number, and
        counts once if that is within a day.
        """
        ...

    async def counts(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        """Each bucket from that of `since` to that of `until`, oldest first, empty ones too; at most `MOST_BUCKETS`."""
        ...

    async def counts_of_others(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        """The same of workers in Node: what they `completed` and `failed`. `step_s`: whole minutes.

        They count only if they are told to (BullMQ: `metrics`), and what they count is not in `counts`.
        """
        ...

    async def append(self, journal: str, text: str, keep: int) -> str:
        """Add an entry, keeping the newest `keep`; its id."""
        ...

    async def entries(self, journal: str, count: int, before: str | None = None) -> list[Entry]:
        """The newest `count`, newest first; `before`: of those that are older than the entry of this id.

        `BrokerError`: `before` is no id.
        """
        ...


def check_ttl(ttl_s: float) -> float:
    """:raises BrokerError: it is not more than 0 and at most `LONGEST_TTL_S`."""
    if not 0 < ttl_s <= LONGEST_TTL_S:
        raise BrokerError(f"A document's ttl_s must be over 0 and at most {LONGEST_TTL_S:g}, got {ttl_s!r}.")
    return ttl_s


def bucket_of(step_s: int, at: float) -> int:
    """Where the bucket of `at` begins."""
    return floor(at) // step_s * step_s


def buckets_of(step_s: int, since: float, until: float) -> range:
    """Where the buckets from that of `since` to that of `until` begin.

    :raises BrokerError: there are more than `MOST_BUCKETS`.
    """
    starts = range(bucket_of(step_s, since), bucket_of(step_s, until) + 1, step_s)
    if len(starts) > MOST_BUCKETS:
        raise BrokerError(f"Asked for {len(starts)} buckets of {step_s} s; expected {MOST_BUCKETS} at most.")
    return starts


def check_entry_id(entry_id: str) -> str:
    """:raises BrokerError: no entry can have it."""
    if not re.fullmatch(r"[0-9]{1,15}-[0-9]{1,15}", entry_id):
        raise BrokerError(f"{entry_id[:40]!r} is no id of a journal's entry: expected one like '1767225600000-0'.")
    return entry_id
