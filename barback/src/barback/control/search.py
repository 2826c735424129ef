"""Pages of jobs, with a query or without one, within a budget that says how far was looked."""

import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from math import inf

from barback.broker import JobRecord, ListedState
from barback.control.matching import matches, sieve_of
from barback.control.query import EVERY, Query
from barback.control.secrets import NO_SECRETS, Secrets
from barback.inspector import EVERYTHING, Inspector, Seen

STEP = 500
"""Jobs looked through in one call (some milliseconds of the broker's time)."""


IN_LISTS: tuple[ListedState, ...] = ("waiting", "active")
"""Where it takes the broker long to say where a job is: that is asked once a page."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The jobs of one state of a queue that match; an empty query matches all.

    `secrets`: what is not to be found in their payloads.
    """

    queue: str
    state: ListedState
    query: Query = EVERY
    secrets: Secrets = NO_SECRETS


@dataclass(frozen=True, slots=True)
class Budget:
    """Where one page stops: after so many jobs found, looked at, or seconds."""

    found: int = 50
    jobs: int = 200_000
    seconds: float = 2.0


BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: behind `after`, or where that is gone, at `position`.

    Positions move as jobs come and go. Behind a job that is still there nothing is skipped or shown twice, but what
    moved over it; when it has gone, as many may be as came or went in between.
    """

    position: int = 0
    after: str = ""

    def __str__(self) -> str:
        return f"{self.position}.{self.after}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """What is none is the beginning."""
        match = re.fullmatch(r"([0-9]{1,15})\.(.{0,1024})", text, re.DOTALL)
        return cls(int(match[1]), match[2]) if match else cls()


START = Cursor()


@dataclass(frozen=True, slots=True)
class Page:
    """The jobs found. `looked`: how many this page looked at, of `total` in that state."""

    jobs: Sequence[Seen]
    looked: int
    total: int
    next_cursor: Cursor | None
    """None: it was looked to the end."""

    @property
    def exhausted(self) -> bool:
        return self.next_cursor is None


@dataclass(frozen=True, slots=True)
class Step:
    """What one call to the broker gave: jobs that match, how many it looked at, and where the next one begins."""

    jobs: Sequence[Seen]
    looked: int
    cursor: Cursor


async def search(inspector: Inspector, listing: Listing, cursor: Cursor = START, budget: Budget = BUDGET) -> Page:
    """The next jobs that match, in the order of their state; without a query simply the next ones."""
    ends_at = time.monotonic() + budget.seconds
    total = await inspector.count(listing.queue, listing.state)
    found: dict[str, Seen] = {}
    looked = 0
    position = await _resume(inspector, listing, cursor)
    while len(found) < budget.found and looked < budget.jobs and time.monotonic() < ends_at:
        most, wanted = min(STEP, budget.jobs - looked), budget.found - len(found)
        step = await _take(inspector, listing, position, most, wanted, ends_at)
        if step is None:
            return Page(list(found.values()), looked, total, None)
        # One that was shown may have moved back behind what was looked at.
        found |= {seen.record.id: seen for seen in step.jobs}
        looked += step.looked
        cursor, position = step.cursor, await _follow(inspector, listing, step.cursor)
    is_end = position >= await inspector.count(listing.queue, listing.state)
    return Page(list(found.values()), looked, total, None if is_end else cursor)


async def walk(inspector: Inspector, listing: Listing) -> AsyncIterator[Step]:
    """Look through all of a listing, step by step, for as long as it takes."""
    position = 0
    while (step := await _take(inspector, listing, position, STEP, STEP)) is not None:
        yield step
        position = await _follow(inspector, listing, step.cursor)


async def _take(
    inspector: Inspector, listing: Listing, position: int, most: int, wanted: int, ends_at: float = inf
) -> Step | None:
    """None: there are no more. It looks at one job at least, and at no further one after `ends_at` (monotonic)."""
    now = inspector.now()
    sieve = sieve_of(listing.query, now, in_payloads=not listing.secrets) if listing.query else EVERYTHING
    scanned = await inspector.scan(listing.queue, listing.state, position, most, sieve, wanted=wanted)
    if not scanned.looked:
        return None
    jobs: list[Seen] = []
    for seen in scanned.jobs:
        if await _matches(inspector, listing, seen, now):
            jobs.append(seen)
        if seen is not scanned.jobs[-1] and time.monotonic() > ends_at:
            # Large payloads take longer to read here than to fetch. Where this one is tells how far was looked.
            place = await inspector.place(listing.queue, listing.state, seen.record.id)
            behind = position + 1 if place is None else place + 1
            return Step(jobs, max(1, behind - position), Cursor(behind, seen.record.id))
    return Step(jobs, scanned.looked, Cursor(position + scanned.looked, scanned.last_id))


async def _follow(inspector: Inspector, listing: Listing, cursor: Cursor) -> int:
    """Where the next step begins, soon after the last one."""
    return cursor.position if listing.state in IN_LISTS else await _resume(inspector, listing, cursor)


async def _resume(inspector: Inspector, listing: Listing, cursor: Cursor) -> int:
    place = await inspector.place(listing.queue, listing.state, cursor.after) if cursor.after else None
    return cursor.position if place is None else place + 1


async def _matches(inspector: Inspector, listing: Listing, seen: Seen, now: float) -> bool:
    record: JobRecord | None = seen.record
    if listing.query and seen.cut:
        [record] = await inspector.records(listing.queue, [seen.record.id])
    if record is None or not listing.query:
        return record is not None
    return matches(listing.query, listing.secrets.hide(record), now)
