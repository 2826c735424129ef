"""What an app declares of a schedule."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from pydantic import ValidationError

from barback.cron import Timing
from barback.errors import DeclarationError
from barback.job import AnyJob, Job
from barback.payload import Payload

Missed = Literal["skip", "once", "all"]
"""What becomes of slots that passed while nobody could make their jobs: none run, one for all of them, or all (P14)."""
Overlap = Literal["allow", "skip"]
"""What becomes of a slot while the job of an earlier one still runs."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job made again and again, one a slot (P13).

    Its slots: a cron `pattern`, read in zone `tz` (an IANA name), or `every_s` seconds (whole milliseconds), counted
    from the epoch and moved by `offset_s`; from `start` to `end` (datetimes with a zone), `limit` of them at most.
    `payload` None: the job's own with nothing set. `missed`: see `Missed`; `overlap`: see `Overlap`.

    :raises DeclarationError: the times, the zone or the payload cannot work; says which.
    """

    id: str
    job: AnyJob
    pattern: str | None = None
    tz: str = "UTC"
    payload: Payload | None = None
    every_s: float | None = None
    offset_s: float = 0.0
    start: datetime | None = None
    end: datetime | None = None
    limit: int | None = None
    missed: Missed = "once"
    overlap: Overlap = "allow"
    timing: Timing = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id or ":" in self.id:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeclarationError(f"Schedule id {self.id!r} cannot be used: expected a text without ':'.")
        if not isinstance(self.job, Job):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeclarationError(f"Schedule '{self.id}': expected a job made by @job, got {self.job!r}.")
        try:
            object.__setattr__(self, "timing", self._read_timing())
            self._check_words()
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

    def _read_timing(self) -> Timing:
        timing = Timing(
            self.pattern,
            self.every_s,
            self.tz,
            self.offset_s,
            _moment("start", self.start),
            _moment("end", self.end),
            self.limit,
        )
        timing.check()
        return timing

    def _check_words(self) -> None:
        for name, value, words in (("missed", self.missed, Missed), ("overlap", self.overlap, Overlap)):
            if value not in get_args(words):
                expected = " or ".join(repr(word) for word in get_args(words))
                raise DeclarationError(f"{name} must be {expected}, got {value!r}.")


def _moment(name: str, at: datetime | None) -> float | None:
    if at is None:
        return None
    if not isinstance(at, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DeclarationError(f"{name} must be a datetime, got {at!r}.")
    if at.tzinfo is None:
        raise DeclarationError(f"{name} needs a zone: datetime(…, tzinfo=UTC), got {at!r}.")
    return round(at.timestamp(), 3)
