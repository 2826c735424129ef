"""When a schedule comes due: a cron pattern or a fixed period, within bounds. Pure: the caller says what time it is.

Patterns have five fields, or six with seconds first (as BullMQ). The rule at clock changes is cronsim's (Debian cron):
a fixed-time job in a gap runs once right after it, in an overlap once; wildcard hours run every real hour. A period
counts from the epoch (and its offset), so that it has the same slots whoever asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from math import floor, isfinite
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from barback.errors import DeclarationError

SHORTEST_PERIOD_MS = 100
"""Each slot makes a job: more than ten a second are no schedule."""
LONGEST_PERIOD_S = 10 * 366 * 86_400.0
LONGEST_PATTERN = 500
"""Characters. One of a million would keep the event loop for seconds."""
LATEST_AT = 253_370_764_800.0
"""The year 9999, in which dates end."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The slots of a schedule, moments in epoch seconds.

    Either `pattern`, read in zone `tz` (an IANA name), or `every_s` (whole milliseconds), whose slots are `offset_s`
    after the multiples of it. None of them lies before `start_at` or after `end_at`. `limit`: so many at most.
    """

    pattern: str | None = None
    every_s: float | None = None
    tz: str = "UTC"
    offset_s: float = 0.0
    start_at: float | None = None
    end_at: float | None = None
    limit: int | None = None

    def check(self) -> None:
        """:raises DeclarationError: it has no slots, or cannot be read; says why."""
        self._check_types()
        if (self.pattern is None) == (self.every_s is None):
            raise DeclarationError("expected a pattern or every_s, and one of them only.")
        if self.every_s is not None:
            self._check_period(self.every_s)
        elif self.offset_s:
            raise DeclarationError("offset_s goes with every_s: a pattern names its own moments.")
        else:
            _next_of_pattern(str(self.pattern), self.tz, 0.0)
        if self.limit is not None and self.limit < 1:
            raise DeclarationError(f"limit must be 1 or more, got {self.limit!r}.")
        if self.start_at is not None and self.end_at is not None and self.end_at < self.start_at:
            raise DeclarationError("it ends before it starts.")

    def fault(self) -> str | None:
        """Why it has no slots at all, though another program may have stored it so; None: it has some."""
        if self.every_s is not None:
            return None if round(self.every_s * 1000) > 0 else f"its period is {self.every_s:g} s."
        try:
            _next_of_pattern(self.pattern or "", self.tz, 0.0)
        except DeclarationError as error:
            return str(error)
        return None

    def _check_types(self) -> None:
        for name, value in (("every_s", self.every_s or 0), ("offset_s", self.offset_s)):
            _check_number(name, value)
        for name, value in (("start_at", self.start_at or 0), ("end_at", self.end_at or 0)):
            _check_number(f"{name} (epoch seconds)", value)
            if not 0 <= value <= LATEST_AT:
                raise DeclarationError(f"{name} must be epoch seconds, got {value!r}.")
        if self.limit is not None and (isinstance(self.limit, bool) or not isinstance(self.limit, int)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeclarationError(f"limit must be a whole number, got {self.limit!r}.")
        for name, value in (("pattern", self.pattern or ""), ("tz", self.tz)):
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise DeclarationError(f"{name} must be a text, got {value!r}.")

    def _check_period(self, every_s: float) -> None:
        if not SHORTEST_PERIOD_MS / 1000 <= every_s <= LONGEST_PERIOD_S:
            expected = f"from {SHORTEST_PERIOD_MS / 1000:g} to {LONGEST_PERIOD_S:g}"
            raise DeclarationError(f"every_s must be {expected}, got {every_s!r}.")
        if not (_is_whole_ms(every_s) and _is_whole_ms(self.offset_s)):
            raise DeclarationError(f"every_s and offset_s are whole milliseconds, got {every_s}, {self.offset_s}.")
        if not 0 <= self.offset_s < every_s:
            raise DeclarationError(f"offset_s must be from 0 to below every_s, got {self.offset_s!r}.")
        if self.tz != "UTC":
            raise DeclarationError("tz goes with a pattern: a period is the same everywhere.")

    def next_after(self, at: float) -> float | None:
        """The first slot strictly after `at`; None: there is none any more."""
        if self.start_at is not None:
            # A slot at the very start counts.
            at = max(at, self.start_at - 0.001)
        slot = self._following(at)
        return None if slot is None or (self.end_at is not None and slot > self.end_at) else slot

    def slots(self, at: float) -> Iterator[float]:
        """All after `at`, one by one."""
        while (slot := self.next_after(at)) is not None:
            yield slot
            at = slot

    def following(self, at: float, count: int) -> list[float]:
        """The next slots, `count` at most."""
        return list(islice(self.slots(at), count))

    def describe(self) -> str:
        """In plain English, for people: `At 03:00 every day (Europe/Berlin)`."""
        if self.every_s is not None:
            offset = f", {self.offset_s:g} s after the full period" if self.offset_s else ""
            return f"Every {_period(self.every_s)}{offset}"
        if self.pattern is None or len(self.pattern) > LONGEST_PATTERN:
            return f"{(self.pattern or '-')[:40]}… ({self.tz})"
        try:
            return f"{CronSim(self.pattern, datetime.fromtimestamp(0, UTC)).explain()} ({self.tz})"
        except CronSimError:
            return f"{self.pattern} ({self.tz})"

    def _following(self, at: float) -> float | None:
        if self.every_s is not None:
            every_ms, offset_ms = round(self.every_s * 1000), round(self.offset_s * 1000)
            if every_ms <= 0:
                return None
            # A slot told as a float may lie a little below itself (a ten thousandth of a millisecond).
            at_ms = floor(at * 1000 + 0.0005)
            return ((at_ms - offset_ms) // every_ms * every_ms + every_ms + offset_ms) / 1000
        if self.pattern is None:
            return None
        try:
            return _next_of_pattern(self.pattern, self.tz, at)
        except DeclarationError:
            # Another program may have stored what we cannot read.
            return None


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise DeclarationError(f"{name} must be a number, got {value!r}.")


def _period(seconds: float) -> str:
    """In the largest unit of which it is a whole number."""
    for unit, length_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length_s and seconds % length_s == 0:
            return f"{seconds / length_s:g} {unit}"
    return f"{seconds:g} s"


def _is_whole_ms(seconds: float) -> bool:
    return abs(seconds * 1000 - round(seconds * 1000)) < 1e-6


def _next_of_pattern(pattern: str, tz: str, at: float) -> float:
    if len(pattern) > LONGEST_PATTERN:
        raise DeclarationError(f"pattern {pattern[:40]!r}… is longer than {LONGEST_PATTERN} characters.")
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DeclarationError(f"zone {tz!r} is not known. Expected an IANA name like 'Europe/Berlin'.") from None
    try:
        # Slots are whole seconds. What is left below one is cut off, since datetime would round it up, past a slot.
        slot = next(CronSim(pattern, datetime.fromtimestamp(floor(at), UTC).astimezone(zone)))
    except CronSimError as error:
        raise DeclarationError(f"pattern {pattern!r} cannot be used: {error}.") from None
    except (StopIteration, ValueError, OverflowError):
        # The latter: not before the end of what is a date.
        raise DeclarationError(f"pattern {pattern!r} never comes true.") from None
    return slot.timestamp()
