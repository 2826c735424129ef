"""When a schedule's pattern names a moment. Pure: the caller says what time it is.

Patterns have five fields, or six with seconds first (as BullMQ). The rule at clock changes is cronsim's (Debian cron):
a fixed-time job in a gap runs once right after it, in an overlap once; wildcard hours run every real hour.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import ValidationError

from barback.errors import DeclarationError
from barback.job import AnyJob
from barback.payload import Payload


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job made again and again, one a slot (P13).

    `pattern` is read in zone `tz` (an IANA name). `payload` None: the job's own with nothing set.

    :raises DeclarationError: the pattern, the zone or the payload cannot work; says which.
    """

    id: str
    job: AnyJob
    pattern: str
    tz: str = "UTC"
    payload: Payload | None = None

    def __post_init__(self) -> None:
        if not self.id or ":" in self.id:
            raise DeclarationError(f"Schedule id {self.id!r} cannot be used: expected a text without ':'.")
        try:
            next_after(self.pattern, self.tz, 0.0)
        except DeclarationError as error:
            raise DeclarationError(f"Schedule '{self.id}': {error}") from None
        if not isinstance(self.data, self.job.payload_type):
            raise DeclarationError(
                f"Schedule '{self.id}': job '{self.job.name}' takes {self.job.payload_type.__name__}, "
                f"got {type(self.payload).__name__}."
            )

    @property
    def data(self) -> Payload:
        """The payload each of its jobs is given."""
        if self.payload is not None:
            return self.payload
        try:
            return self.job.payload_type()
        except ValidationError:
            expected = f"payload={self.job.payload_type.__name__}(…)"
            raise DeclarationError(
                f"Schedule '{self.id}': job '{self.job.name}' needs a payload: {expected}."
            ) from None


def next_after(pattern: str, tz: str, at: float) -> float:
    """The first slot of `pattern` in zone `tz` strictly after `at`; both are epoch seconds.

    :raises DeclarationError: the pattern has no next slot or is not a pattern, or the zone is not known.
    """
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DeclarationError(f"zone {tz!r} is not known. Expected an IANA name like 'Europe/Berlin'.") from None
    try:
        # Slots are whole seconds. What is left below one is cut off, since datetime would round it up, past a slot.
        slot = next(CronSim(pattern, datetime.fromtimestamp(floor(at), UTC).astimezone(zone)))
    except CronSimError as error:
        raise DeclarationError(f"pattern {pattern!r} cannot be used: {error}.") from None
    except StopIteration:
        raise DeclarationError(f"pattern {pattern!r} never comes true.") from None
    return slot.timestamp()
