"""Durations in bins: how exact what is told of them is."""

from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from barback.telemetry.histogram import BINS, DAY_S, FIRST_S, bin_of, quantile, seconds_of

DURATIONS = st.floats(FIRST_S, DAY_S, exclude_max=True)


def counted(durations: list[float]) -> Counter[int]:
    return Counter(bin_of(seconds) for seconds in durations)


@given(st.lists(DURATIONS, min_size=1), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_a_fifth_of_the_truth(durations: list[float], q: float) -> None:
    truth = sorted(durations)[max(1, ceil(q * len(durations))) - 1]
    told = quantile(counted(durations), q)
    assert told is not None
    assert abs(told - truth) <= 0.2 * truth


@given(st.lists(DURATIONS, min_size=1))
def test_a_higher_quantile_is_no_shorter(durations: list[float]) -> None:
    told = [quantile(counted(durations), q) or 0.0 for q in (0.0, 0.5, 0.95, 1.0)]
    assert told == sorted(told)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_longer_ones_are_in_no_earlier_bin_and_each_is_in_one(one: float, other: float) -> None:
    first, second = sorted((one, other))
    assert 0 <= bin_of(first) <= bin_of(second) < BINS


def test_what_is_shorter_than_a_millisecond_or_longer_than_a_day_is_told_as_that() -> None:
    for seconds in (-5.0, 0.0, 0.0009):
        assert seconds_of(bin_of(seconds)) == FIRST_S
    for seconds in (2 * DAY_S, float("inf")):
        assert seconds_of(bin_of(seconds)) == DAY_S


def test_of_nothing_nothing_is_told() -> None:
    assert quantile({}, 0.5) is None
