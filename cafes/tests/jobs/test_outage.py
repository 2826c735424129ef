"""How long a job waits for a database that is away, and when it stops waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback import RetryLater
from barback.testing import make_context
from cafes.errors import StoreUnavailable
from cafes.jobs.outage import MOST_WAITS, outages_waited_out, wait_s

waits = st.integers(0, MOST_WAITS - 1)
draws = st.floats(0, 1, exclude_max=True)


def waited(waits: int, draw: float) -> float:
    seconds = wait_s(waits, draw)
    assert seconds is not None
    return seconds


@given(waits, draws)
def test_each_wait_is_between_half_a_second_and_a_minute(waits: int, draw: float) -> None:
    assert 0.5 <= waited(waits, draw) <= 60


@given(waits, draws)
def test_a_wait_lies_in_the_upper_half_of_what_doubles_from_a_second(waits: int, draw: float) -> None:
    longest = min(2.0**waits, 60.0)
    assert longest / 2 <= waited(waits, draw) <= longest


@given(waits)
def test_jobs_put_off_together_do_not_come_back_together(waits: int) -> None:
    early, late = waited(waits, 0.0), waited(waits, 0.999)
    assert late > early * 1.9


@given(draws)
def test_all_waits_together_are_some_hours(draw: float) -> None:
    hours = sum(waited(waits, draw) for waits in range(MOST_WAITS)) / 3600
    assert 3.9 < hours < 8


@given(st.integers(MOST_WAITS, 10 * MOST_WAITS), draws)
def test_after_that_there_is_no_wait_any_more(waits: int, draw: float) -> None:
    assert wait_s(waits, draw) is None


def outage_at(*, attempt: int, starts: int) -> None:
    with outages_waited_out(make_context(None, attempt=attempt, attempts=5, starts=starts)):
        raise StoreUnavailable("the database is away")


@pytest.mark.parametrize(
    ("attempt", "starts", "longest_s"),
    [(1, 1, 1), (1, 2, 2), (1, 6, 32), (1, 7, 60), (1, MOST_WAITS, 60), (3, 3, 1), (3, 5, 4)],
)
def test_a_job_is_put_off_for_longer_each_time_it_was_started_in_vain(
    attempt: int, starts: int, longest_s: float
) -> None:
    """P7. Attempts that failed for a reason of their own are no waits."""
    with pytest.raises(RetryLater, match="the database is away") as raised:
        outage_at(attempt=attempt, starts=starts)
    assert longest_s / 2 <= raised.value.after_s <= longest_s


def test_an_outage_that_does_not_end_uses_up_attempts_at_last() -> None:
    with pytest.raises(StoreUnavailable):
        outage_at(attempt=1, starts=1 + MOST_WAITS)
    with pytest.raises(StoreUnavailable):
        outage_at(attempt=2, starts=2 + MOST_WAITS)


def test_anything_else_is_none_of_its_business() -> None:
    with pytest.raises(ZeroDivisionError), outages_waited_out(make_context(None)):
        raise ZeroDivisionError
