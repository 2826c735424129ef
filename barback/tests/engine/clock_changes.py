"""What becomes of slots when clocks change: five zones, all changes of two years (past ones, whose rules stay).

    (cd barback/tests; python -m engine.clock_changes > engine/clock_changes.txt)

writes the table that `test_clock_changes.py` holds the code against, and `tests/node/test_clock_changes.py` Node's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from barback.cron import Timing

TABLE = Path(__file__).with_name("clock_changes.txt")
# Lord Howe's clocks change by half an hour, Santiago's and Cairo's at midnight.
ZONES = ("Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe")
YEARS = (2024, 2025)
PATTERNS = (
    "30 2 * * *",
    "0 2 * * *",
    "30 0 * * *",
    "0 3 * * *",
    "15 0,2 * * *",
    "30 1-3 * * *",
    "0 * * * *",
    "*/30 * * * *",
    "0 */2 * * *",
    "0 0 * * SUN",
)
BEFORE, AFTER = timedelta(hours=6), timedelta(hours=12)
"""How far around a change slots are looked at."""


@dataclass(frozen=True, slots=True)
class Case:
    """A pattern at a change of the clocks; moments in epoch seconds."""

    zone: str
    change: float
    pattern: str

    @property
    def since(self) -> float:
        return self.change - BEFORE.total_seconds()

    @property
    def until(self) -> float:
        return self.change + AFTER.total_seconds()

    def told(self, slots: Sequence[float | None]) -> str:
        """A line of the table; None: the library finds no next slot."""
        zone = ZoneInfo(self.zone)
        local = [
            "none" if slot is None else datetime.fromtimestamp(slot, zone).strftime("%d %H:%M%z") for slot in slots
        ]
        at = datetime.fromtimestamp(self.change, UTC).strftime("%Y-%m-%dT%H:%MZ")
        return f"{self.zone} | {at} | {self.pattern} | {', '.join(local)}"


def cases() -> Iterator[Case]:
    """All of them."""
    for zone in ZONES:
        for change in _changes(ZoneInfo(zone)):
            for pattern in PATTERNS:
                yield Case(zone, change, pattern)


def slots_of(case: Case) -> list[float]:
    """By barback."""
    timing = Timing(case.pattern, tz=case.zone)
    slots: list[float] = []
    at: float | None = case.since
    while (at := timing.next_after(at)) is not None and at <= case.until:
        slots.append(at)
    return slots


def _changes(zone: ZoneInfo) -> Iterator[float]:
    at, step = datetime(YEARS[0], 1, 1, tzinfo=UTC), timedelta(minutes=30)
    while at.year <= YEARS[-1]:
        if at.astimezone(zone).utcoffset() != (at + step).astimezone(zone).utcoffset():
            yield (at + step).timestamp()
        at += step


if __name__ == "__main__":
    print("\n".join(case.told(slots_of(case)) for case in cases()))
