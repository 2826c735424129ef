"""When a failed attempt runs again."""

from dataclasses import FrozenInstanceError, replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.errors import InvalidOptions, RetryLater, Unrecoverable
from barback.retry import (
    UNDECLARED,
    Custom,
    Exponential,
    Fixed,
    RetryRule,
    asked_for_after,
    is_unrecoverable,
    wait_after,
)

SECONDS = st.floats(0, 1e6)
ATTEMPTS = st.integers(1, 10_000)
JITTERS = st.floats(0, 1)
DRAWS = st.floats(0, 1, exclude_max=True)
ERROR = RuntimeError("no milk")


def test_no_backoff_means_at_once() -> None:
    assert wait_after(None, 1, ERROR, 0.5) == 0.0


@given(SECONDS, ATTEMPTS)
def test_fixed_waits_the_same_after_every_attempt(delay_s: float, attempt: int) -> None:
    assert Fixed(delay_s).after(attempt) == delay_s


def test_exponential_doubles_from_the_first_wait() -> None:
    backoff = Exponential(first_s=2)
    assert [backoff.after(attempt) for attempt in (1, 2, 3, 4)] == [2, 4, 8, 16]


@given(SECONDS, st.floats(0.001, 1e9), ATTEMPTS)
def test_exponential_never_waits_less_than_before_nor_longer_than_its_longest(
    first_s: float, longest_s: float, attempt: int
) -> None:
    backoff = Exponential(first_s, longest_s)
    assert backoff.after(attempt) <= backoff.after(attempt + 1) <= longest_s


def test_exponential_without_a_cap_stays_finite_for_any_attempt() -> None:
    assert Exponential(first_s=2, longest_s=inf).after(10_000) == 2 * 2**30


@given(SECONDS, JITTERS, DRAWS)
def test_jitter_only_shortens_a_wait_and_by_no_more_than_its_share(delay_s: float, jitter: float, draw: float) -> None:
    waited = wait_after(Fixed(delay_s, jitter), 1, ERROR, draw)
    assert waited is not None
    assert delay_s * (1 - jitter) * (1 - 1e-9) <= waited <= delay_s * (1 + 1e-9)


def test_jitter_spreads_over_its_whole_share() -> None:
    backoff = Exponential(first_s=100, jitter=0.25)
    assert wait_after(backoff, 1, ERROR, 0.0) == 75
    assert wait_after(backoff, 1, ERROR, 0.5) == 87.5
    assert wait_after(backoff, 2, ERROR, 0.0) == 150


def test_custom_is_asked_with_the_attempt_and_the_error() -> None:
    asked: list[tuple[int, BaseException]] = []

    def wait(attempt: int, error: BaseException) -> float:
        asked.append((attempt, error))
        return 7.0

    assert wait_after(Custom(wait), 3, ERROR, 0.5) == 7.0
    assert asked == [(3, ERROR)]


def test_custom_may_say_that_there_shall_be_no_next_attempt() -> None:
    assert wait_after(Custom(lambda attempt, error: None, jitter=0.5), 1, ERROR, 0.5) is None


def test_custom_may_have_jitter() -> None:
    assert wait_after(Custom(lambda attempt, error: 10.0, jitter=0.5), 1, ERROR, 0.0) == 5.0


@pytest.mark.parametrize("seconds", [-1.0, inf, nan])
def test_a_wait_that_no_clock_can_tell_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidOptions, match="Backoff: expected a finite number of seconds of 0 or more, got"):
        wait_after(Custom(lambda attempt, error: seconds), 1, ERROR, 0.5)


@pytest.mark.parametrize("delay_s", [-0.1, inf, nan])
def test_a_delay_that_is_no_duration_is_refused(delay_s: float) -> None:
    for declare in (Fixed, Exponential):
        with pytest.raises(InvalidOptions, match="Backoff: expected a finite delay of 0 s or more, got"):
            declare(delay_s)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, nan])
def test_a_jitter_that_is_no_share_is_refused(jitter: float) -> None:
    for declare in (Fixed, Exponential):
        with pytest.raises(InvalidOptions, match="Backoff: expected a jitter from 0 to 1, got"):
            declare(1.0, jitter=jitter)
    with pytest.raises(InvalidOptions, match="Backoff: expected a jitter from 0 to 1, got"):
        Custom(lambda attempt, error: 1.0, jitter)


@pytest.mark.parametrize("longest_s", [0, -1, nan])
def test_a_cap_must_leave_something_to_wait(longest_s: float) -> None:
    with pytest.raises(InvalidOptions, match=r"Exponential\.longest_s: expected more than 0, got"):
        Exponential(1, longest_s)


def test_a_strategy_nobody_declared_doubles_like_the_default() -> None:
    assert wait_after(UNDECLARED, 3, ERROR, 0.5) == Exponential().after(3)


def test_what_is_not_said_of_a_backoff_has_a_default() -> None:
    assert Fixed() == Fixed(delay_s=1.0, jitter=0.0)
    assert Exponential() == Exponential(first_s=2.0, longest_s=3600.0, jitter=0.0)


@pytest.mark.parametrize("backoff", [Fixed(), Exponential(), UNDECLARED])
def test_a_backoff_is_a_value_that_cannot_be_changed(backoff: Fixed | Exponential | Custom) -> None:
    with pytest.raises(FrozenInstanceError):
        backoff.jitter = 1.0  # type: ignore[misc] # pyright: ignore
    assert hash(backoff) == hash(replace(backoff))


# ── which errors ────────────────────────────────────────────────────────────────────────────────────────


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("of several", errors)


@pytest.mark.parametrize("error", [ValueError(), SystemExit(), TimeoutError(), group(ValueError(), KeyError())])
def test_any_error_is_worth_another_attempt_if_nothing_else_is_said(error: BaseException) -> None:
    assert RetryRule().allows(error)


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (ConnectionError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (ValueError(), False),
        (SystemExit(), False),
        (group(ConnectionError(), TimeoutError()), True),
        (group(ConnectionError(), group(ValueError())), False),
        (group(ConnectionError(), RetryLater(5)), True),
    ],
)
def test_what_is_not_in_retry_on_is_final(error: BaseException, allowed: bool) -> None:
    assert RetryRule(retry_on=(ConnectionError, TimeoutError)).allows(error) is allowed


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (OSError(), True),
        (FileNotFoundError(), False),
        (group(OSError(), OSError()), True),
        (group(OSError(), group(FileNotFoundError())), False),
    ],
)
def test_fail_on_wins_over_retry_on(error: BaseException, allowed: bool) -> None:
    assert RetryRule(retry_on=(OSError,), fail_on=(FileNotFoundError,)).allows(error) is allowed


def test_a_group_can_be_named_itself() -> None:
    assert RetryRule(retry_on=(ExceptionGroup,)).allows(group(ValueError()))
    assert not RetryRule(fail_on=(ExceptionGroup,)).allows(group(ValueError()))


def test_unrecoverable_is_above_any_rule_in_a_group_too() -> None:
    for error in (Unrecoverable("gone"), group(ValueError(), group(Unrecoverable("gone")))):
        assert is_unrecoverable(error)
        assert not RetryRule(retry_on=(Unrecoverable,)).allows(error)
    assert not is_unrecoverable(group(ValueError()))


@pytest.mark.parametrize(
    ("error", "after_s"),
    [
        (RetryLater(7), 7),
        (group(RetryLater(7), group(RetryLater(9))), 9),
        (group(RetryLater(7), ValueError()), None),
        (ValueError(), None),
    ],
)
def test_a_group_asks_to_run_again_if_all_in_it_do(error: BaseException, after_s: float | None) -> None:
    assert asked_for_after(error) == after_s


@pytest.mark.parametrize("argument", ["retry_on", "fail_on"])
def test_a_rule_is_of_exception_types(argument: str) -> None:
    wrong: Any
    for wrong in (ValueError, [ValueError], None):
        with pytest.raises(InvalidOptions, match=f"{argument}: expected a tuple of exception types, got"):
            RetryRule(**{argument: wrong})
    for wrong in ((ValueError, "KeyError"), (int,), (ValueError(),)):
        with pytest.raises(InvalidOptions, match=f"{argument}: expected exception types, got"):
            RetryRule(**{argument: wrong})
