"""Whatever a handler returns or raises, its job's outcome can be written (P12, B10)."""

import asyncio
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barback.broker import Completed, Failed, FetchedJob, Outcome, Retry
from barback.errors import BarbackError, RetryLater, Unrecoverable
from barback.executor import Attempt, Executor
from barback.job import AnyJob, Context, job
from barback.outcomes import LONGEST_CHAIN, LONGEST_REASON, LONGEST_STACKTRACE, format_stacktrace, writable
from barback.payload import NoPayload
from barback.registry import Registry
from barback.testing import make_context

LEFT_OUT = 100
"""Characters of the line that says how much of a stack trace was cut out."""

TEXTS = (
    st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["\0", "\x1b[2J", "\udce9"])
    | st.just("m").map(lambda m: m * 100_000)
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.binary()
    | st.decimals()
    | st.complex_numbers()
    | st.datetimes()
    | st.timedeltas()
    | st.uuids()
    | st.builds(object)
    | st.just(10).map(lambda ten: ten**5000)
    | st.sampled_from([math.nan, -math.inf, Decimal("NaN"), UUID(int=0), date.max, timedelta.max, ..., type])
)
RESULTS: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.none() | st.integers() | st.floats() | TEXTS | st.binary(), inner)
        | st.tuples(inner, inner)
        | st.builds(iter, st.lists(inner))
        | st.builds(make_dataclass("Given", ["field"]), inner)
    ),
)


class OddText(Exception):
    """Its text is what this function makes of it."""

    def __str__(self) -> str:
        return self.args[0]()


class Never(RetryLater):
    def __init__(self, after_s: float) -> None:
        self.after_s = after_s


class Unset(RetryLater):
    def __init__(self) -> None:
        """Without what it asks for."""


def raiser(error: BaseException) -> Callable[[], Any]:
    def raises() -> Any:
        raise error

    return raises


def made(kind: type[BaseException], given: tuple[Any, ...]) -> BaseException:
    try:
        return kind(*given)
    except TypeError as error:
        return error


def named(name: str) -> BaseException:
    return type(writable(name).replace("\0", ""), (Exception,), {})("of an odd name")


def chained(errors: list[BaseException]) -> BaseException:
    for error, cause in pairwise(errors):
        if error is not cause:
            error.__cause__ = cause
    return errors[0]


MESSAGES = st.tuples() | st.tuples(TEXTS) | st.tuples(PLAIN, PLAIN)
KINDS = (ValueError, KeyError, OSError, SystemExit, asyncio.CancelledError, StopIteration, SyntaxError, Unrecoverable)
ONE = (
    st.builds(made, st.sampled_from([*KINDS, BarbackError, UnicodeError]), MESSAGES)
    | st.builds(named, st.text(st.characters(exclude_categories=()), min_size=1))
    | st.builds(OddText, st.sampled_from([raiser(SystemExit()), raiser(ValueError("\udce9")), lambda: 7]))
    | st.builds(RetryLater, st.floats(allow_nan=False, allow_infinity=False), TEXTS)
    | st.builds(Unset)
    | st.builds(Never, st.floats())
)
ERRORS = st.recursive(
    ONE,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map(chained)
        | st.builds(BaseExceptionGroup, TEXTS, st.lists(inner, min_size=1, max_size=4))
    ),
    max_leaves=8,
)


async def execute(of: AnyJob) -> Outcome:
    def never(_fetched: FetchedJob, _attempt: Attempt) -> Context[Any]:
        return make_context(None)

    with ThreadPoolExecutor(1) as threads:
        executor = Executor(Registry([of]), never, threads)
        return await executor.execute(FetchedJob("q", "7", "token", "any", "{}", of.options), Attempt())


def end(does: Callable[[], Any], plain: bool, attempts: int) -> Outcome:
    """What becomes of a job whose handler does this."""

    @job("any", queue="q", attempts=attempts)
    def in_a_thread(payload: NoPayload, ctx: Context[None]) -> Any:
        return does()

    @job("any", queue="q", attempts=attempts)
    async def on_the_loop(payload: NoPayload, ctx: Context[None]) -> Any:
        return does()

    return asyncio.run(execute(in_a_thread if plain else on_the_loop))


def check_is_writable(outcome: Outcome) -> None:
    if isinstance(outcome, Completed):
        json.loads(outcome.result.encode())
        return
    assert isinstance(outcome, Failed | Retry)
    assert 0 < len(outcome.reason) <= LONGEST_REASON
    assert len(outcome.stacktrace) <= LONGEST_STACKTRACE + LEFT_OUT
    assert (outcome.reason + outcome.stacktrace).encode()
    if isinstance(outcome, Retry):
        assert 0 <= outcome.after_s < math.inf


EXAMPLES = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@EXAMPLES
@given(RESULTS, st.booleans())
def test_whatever_a_handler_returns_is_json_or_fails_for_good(value: Any, plain: bool) -> None:
    outcome = end(lambda: value, plain, attempts=3)
    assert isinstance(outcome, Completed | Failed)
    check_is_writable(outcome)


@EXAMPLES
@given(ERRORS, st.booleans(), st.integers(1, 2))
def test_whatever_a_handler_raises_makes_an_outcome_that_can_be_written(
    error: BaseException, plain: bool, attempts: int
) -> None:
    check_is_writable(end(raiser(error), plain, attempts))


@pytest.mark.parametrize("length", [LONGEST_CHAIN - 1, 100_000])
def test_of_a_very_long_chain_of_causes_the_last_error_alone_is_shown(length: int) -> None:
    """Formatting 100 000 of them would block the loop for a second."""
    error: BaseException = ValueError("the first")
    for number in range(length):
        cause, error = error, ValueError(f"number {number}")
        error.__cause__ = cause
    told = format_stacktrace(error)
    assert told.endswith(f"ValueError: number {length - 1}\n")
    assert ("the first" in told) is (length < LONGEST_CHAIN)


def test_errors_that_caused_each_other_in_a_circle_are_shown_all_the_same() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert format_stacktrace(one).endswith("ValueError: one\n")
