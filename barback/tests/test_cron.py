"""When a pattern names a moment."""

import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.cron import Timing
from barback.errors import DeclarationError
from barback.job import Context, job
from barback.payload import NoPayload, Payload
from barback.schedule import Schedule

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(lambda moment: moment.timestamp())  # noqa: DTZ001 — any will do
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
PATTERNS = st.sampled_from(
    [
        "* * * * *",
        "*/15 * * * *",
        "0 * * * *",
        "0 3 * * *",
        "30 2 * * *",
        "0 9 * * MON-FRI",
        "0 0 1 * *",
        "10 5 * * * *",
    ]
)


def next_after(pattern: str, tz: str, at: float) -> float:
    slot = Timing(pattern, tz=tz).next_after(at)
    assert slot is not None
    return slot


def slots(pattern: str, tz: str, start: str, count: int) -> list[str]:
    """The slots after `start`, as local times with their offset."""
    at = datetime.fromisoformat(start).timestamp()
    found: list[str] = []
    for _ in range(count):
        at = next_after(pattern, tz, at)
        found.append(datetime.fromtimestamp(at, ZoneInfo(tz)).isoformat())
    return found


@given(PATTERNS, ZONES, MOMENTS)
def test_the_next_slot_is_later_and_whole_seconds(pattern: str, tz: str, at: float) -> None:
    """P13."""
    slot = next_after(pattern, tz, at)
    assert slot > at
    assert slot == int(slot)


@given(PATTERNS, ZONES, MOMENTS, st.floats(0, 1, exclude_max=True))
def test_there_is_no_slot_between_a_moment_and_its_next_slot(pattern: str, tz: str, at: float, share: float) -> None:
    """P13: whoever asks in between gets the same one."""
    slot = next_after(pattern, tz, at)
    # A moment a millionth of a second before it may be the slot itself once it is rounded.
    between = min(at + (slot - at) * share, math.nextafter(slot, 0))
    assert next_after(pattern, tz, between) == slot
    assert next_after(pattern, tz, slot) > slot


@given(st.integers(0, 59), st.integers(0, 23), MOMENTS)
def test_a_daily_slot_is_at_its_time_of_day_and_a_day_apart(minute: int, hour: int, at: float) -> None:
    first = next_after(f"{minute} {hour} * * *", "UTC", at)
    local = datetime.fromtimestamp(first, UTC)
    assert (local.hour, local.minute, local.second) == (hour, minute, 0)
    assert next_after(f"{minute} {hour} * * *", "UTC", first) - first == 24 * 3600


@given(st.sampled_from(["30 2 * * *", "0 3 * * *", "0 0 * * *"]), st.integers(0, 364))
def test_every_day_in_berlin_has_one_slot_also_when_clocks_change(pattern: str, day: int) -> None:
    """P13."""
    zone = ZoneInfo("Europe/Berlin")
    at = datetime(2026, 1, 1, tzinfo=zone).timestamp() - 1 + day * 24 * 3600
    days = [datetime.fromtimestamp(slot, zone).date() for slot in _take(pattern, at, 4)]
    assert [(b - a).days for a, b in pairwise(days)] == [1, 1, 1]


def _take(pattern: str, at: float, count: int) -> list[float]:
    found: list[float] = []
    for _ in range(count):
        at = next_after(pattern, "Europe/Berlin", at)
        found.append(at)
    return found


def test_a_moment_that_is_a_slot_is_not_its_own_next_one() -> None:
    assert next_after("* * * * *", "UTC", 60.0) == 120.0
    assert next_after("* * * * *", "UTC", 59.999) == 60.0
    assert next_after("* * * * *", "UTC", 60.001) == 120.0


def test_a_pattern_of_six_fields_begins_with_seconds() -> None:
    assert next_after("*/20 * * * * *", "UTC", 0.0) == 20.0
    assert next_after("5 * * * * *", "UTC", 6.0) == 65.0


def test_a_slot_that_the_clocks_skip_runs_once_right_after() -> None:
    """In Berlin 02:00 to 03:00 does not exist on 29 March 2026."""
    assert slots("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", 3) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]


def test_a_slot_that_the_clocks_repeat_runs_once() -> None:
    """In Berlin 02:00 to 03:00 comes twice on 25 October 2026."""
    assert slots("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_the_morning_after_the_clocks_went_forward_is_at_its_hour() -> None:
    """B16: it fired at 08:00 and at 09:00."""
    assert slots("0 9 * * MON-FRI", "Europe/Berlin", "2026-03-27T12:00:00+01:00", 2) == [
        "2026-03-30T09:00:00+02:00",
        "2026-03-31T09:00:00+02:00",
    ]


def test_every_real_hour_has_its_slot_when_clocks_go_back() -> None:
    """B16: the repeated hour was left out."""
    assert slots("0 * * * *", "Europe/Berlin", "2026-10-25T00:30:00+02:00", 4) == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_every_real_hour_has_its_slot_when_clocks_go_forward() -> None:
    assert slots("0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00+01:00", 3) == [
        "2026-03-29T01:00:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T04:00:00+02:00",
    ]


@pytest.mark.parametrize("pattern", ["", "* * *", "61 * * * *", "@daily", "0 0 30 2 *", "a b c d e"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(DeclarationError, match="cannot be used: ") as refusal:
        Timing(pattern).check()
    assert str(refusal.value).startswith(f"pattern {pattern!r}")


@pytest.mark.parametrize("tz", ["", "Mars/Olympus", "../etc/passwd", "Europe/Berlin ", "a\0b"])
def test_what_is_no_zone_is_refused(tz: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        Timing("* * * * *", tz=tz).check()
    assert str(refusal.value) == f"zone {tz!r} is not known. Expected an IANA name like 'Europe/Berlin'."


def test_a_stored_pattern_that_cannot_be_read_has_no_slot() -> None:
    """Another program may have stored it: the other schedules go on."""
    assert Timing("every day").next_after(0.0) is None
    assert Timing("0 3 * * *", tz="Mars/Olympus").next_after(0.0) is None
    assert Timing().next_after(0.0) is None


# ── periods ─────────────────────────────────────────────────────────────────────────────────────────


PERIODS = st.integers(100, 10**9).flatmap(lambda ms: st.tuples(st.just(ms), st.integers(0, ms - 1)))


@given(PERIODS, MOMENTS)
def test_slots_of_a_period_lie_a_period_apart_whoever_asks_when(period: tuple[int, int], at: float) -> None:
    """P13: each worker knows the same slots."""
    every_ms, offset_ms = period
    timing = Timing(every_s=every_ms / 1000, offset_s=offset_ms / 1000)
    slots_ms = [round(slot * 1000) for slot in timing.following(at, 4)]
    assert slots_ms[0] > at * 1000 - 1
    assert slots_ms[0] - every_ms <= at * 1000
    assert {later - earlier for earlier, later in pairwise(slots_ms)} == {every_ms}
    assert {slot % every_ms for slot in slots_ms} == {offset_ms}


def test_a_period_counts_from_the_epoch_and_its_offset() -> None:
    assert Timing(every_s=60).following(0.0, 2) == [60.0, 120.0]
    assert Timing(every_s=60, offset_s=15).following(0.0, 2) == [15.0, 75.0]
    assert Timing(every_s=0.1).next_after(1.23) == 1.3


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("timing", "told"),
    [
        (Timing("0 3 * * *", tz="Europe/Berlin"), "At 03:00 every day (Europe/Berlin)"),
        (Timing("no pattern"), "no pattern (UTC)"),
        (Timing(every_s=900.0), "Every 15 min"),
        (Timing(every_s=7200.0), "Every 2 h"),
        (Timing(every_s=172_800.0), "Every 2 d"),
        (Timing(every_s=90.0, offset_s=5.0), "Every 90 s, 5 s after the full period"),
        (Timing(every_s=0.5), "Every 0.5 s"),
    ],
)
def test_times_are_told_in_plain_english(timing: Timing, told: str) -> None:
    assert timing.describe() == told


def test_no_slot_lies_before_the_start_or_after_the_end() -> None:
    timing = Timing("* * * * *", start_at=120.0, end_at=240.0)
    assert timing.following(0.0, 9) == [120.0, 180.0, 240.0]
    assert timing.next_after(240.0) is None


@pytest.mark.parametrize(
    ("timing", "wrong"),
    [
        (Timing(), "expected a pattern or every_s"),
        (Timing("* * * * *", 60), "one of them only"),
        (Timing("* * * * *", offset_s=1), "offset_s goes with every_s"),
        (Timing(every_s=0.09), r"every_s must be from 0.1 to .*, got 0.09"),
        (Timing(every_s=math.nan), r"every_s must be a number, got nan"),
        (Timing("* * * * *", limit=cast("Any", 1.5)), r"limit must be a whole number, got 1.5"),
        (Timing("* * * * *", start_at=cast("Any", "x")), r"start_at .* must be a number, got 'x'"),
        (Timing("* * * * *", end_at=math.nan), r"end_at .* must be a number, got nan"),
        (Timing("* * * * *", start_at=1e300), r"start_at must be epoch seconds, got 1e\+300"),
        (Timing("* * * * *", tz=cast("Any", None)), r"tz must be a text, got None"),
        (Timing("0,1 " * 200), r"is longer than 500 characters"),
        (Timing(every_s=60, offset_s=60), "offset_s must be from 0 to below every_s, got 60"),
        (Timing(every_s=1e11), r"every_s must be from 0.1 to .*, got 1"),
        (Timing(every_s=cast("Any", "2")), "every_s must be a number, got '2'"),
        (Timing(every_s=1 / 3), "every_s and offset_s are whole milliseconds"),
        (Timing(every_s=60, tz="Europe/Berlin"), "tz goes with a pattern"),
        (Timing(every_s=60, limit=0), "limit must be 1 or more, got 0"),
        (Timing(every_s=60, start_at=2.0, end_at=1.0), "it ends before it starts"),
    ],
)
def test_times_that_cannot_work_are_refused(timing: Timing, wrong: str) -> None:
    with pytest.raises(DeclarationError, match=wrong):
        timing.check()


# ── schedules ───────────────────────────────────────────────────────────────────────────────────────


class City(Payload, frozen=True):
    slug: str


@job("of-a-city", queue="q")
async def of_a_city(payload: City, ctx: Context[None]) -> None: ...


@job("of-all", queue="q")
async def of_all(payload: NoPayload, ctx: Context[None]) -> None: ...


def test_a_schedule_gives_its_jobs_the_payload_it_was_given_or_an_empty_one() -> None:
    assert Schedule("daily", of_a_city, "0 3 * * *", payload=City(slug="berlin")).data == City(slug="berlin")
    assert Schedule("daily", of_all, "0 3 * * *").data == NoPayload()
    assert Schedule("daily", of_all, "0 3 * * *").tz == "UTC"


@pytest.mark.parametrize("schedule_id", ["", "a:b"])
def test_a_schedule_id_that_cannot_be_a_part_of_a_key_is_refused(schedule_id: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        Schedule(schedule_id, of_all, "0 3 * * *")
    assert str(refusal.value) == f"Schedule id {schedule_id!r} cannot be used: expected a text without ':'."


def test_a_schedule_names_itself_when_its_pattern_or_its_zone_is_wrong() -> None:
    with pytest.raises(DeclarationError, match="Schedule 'daily': pattern 'often' cannot be used: "):
        Schedule("daily", of_all, "often")
    with pytest.raises(DeclarationError, match="Schedule 'daily': zone 'Berlin' is not known"):
        Schedule("daily", of_all, "0 3 * * *", "Berlin")


def test_a_schedule_of_a_job_that_needs_a_payload_must_have_one() -> None:
    with pytest.raises(DeclarationError) as refusal:
        Schedule("daily", of_a_city, "0 3 * * *")
    assert str(refusal.value) == "Schedule 'daily': job 'of-a-city' needs a payload: payload=City(…)."


def test_a_schedule_refuses_the_payload_of_another_job() -> None:
    with pytest.raises(DeclarationError) as refusal:
        Schedule("daily", of_a_city, "0 3 * * *", payload=NoPayload())
    assert str(refusal.value) == "Schedule 'daily': job 'of-a-city' takes City, got NoPayload."


def test_a_schedule_of_a_period_counts_from_the_epoch_within_its_bounds() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = Schedule("often", of_all, every_s=90, offset_s=30, start=start, limit=5)
    assert schedule.timing == Timing(every_s=90, offset_s=30, start_at=start.timestamp(), limit=5)
    assert (schedule.missed, schedule.overlap) == ("once", "allow")


def test_a_schedule_refuses_a_moment_without_a_zone() -> None:
    """It would be another one on each machine."""
    with pytest.raises(DeclarationError, match=r"Schedule 'often': end needs a zone: datetime\(…, tzinfo=UTC\)"):
        Schedule("often", of_all, every_s=60, end=datetime(2026, 1, 1))  # noqa: DTZ001 — that is what is refused


@pytest.mark.parametrize("word", [{"missed": "never"}, {"overlap": "wait"}])
def test_a_schedule_refuses_words_that_it_does_not_know(word: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"Schedule 'often': (missed|overlap) must be 'skip' or|'allow' or"):
        Schedule("often", of_all, every_s=60, **word)


def test_a_schedule_refuses_what_is_no_job_no_id_and_no_moment() -> None:
    with pytest.raises(DeclarationError, match="Schedule 'often': expected a job made by @job, got 'of-all'"):
        Schedule("often", cast("Any", "of-all"), every_s=60)
    with pytest.raises(DeclarationError, match="Schedule id 1 cannot be used"):
        Schedule(cast("Any", 1), of_all, every_s=60)
    with pytest.raises(DeclarationError, match="Schedule 'often': start must be a datetime, got '2026-01-01'"):
        Schedule("often", of_all, every_s=60, start=cast("Any", "2026-01-01"))
