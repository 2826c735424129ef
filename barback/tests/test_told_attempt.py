"""Who made an attempt that failed is told by the last line of its stack trace, and read from nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.told_attempt import ToldAttempt, split_attempt, with_attempt

TOLD = ToldAttempt(2, "bar-77-3f1c", 3.52, 1_764_239_415.123)
LINE = "    at attempt 2, worker bar-77-3f1c, 3.520 s, until 2025-11-27T10:30:15.123Z"


def test_it_is_one_line_more() -> None:
    assert with_attempt("Traceback: …\nBeanError: none\n", TOLD) == f"Traceback: …\nBeanError: none\n{LINE}"


def test_where_there_is_no_stack_none_is_made_up() -> None:
    assert with_attempt("", TOLD) == ""


@given(
    st.text(min_size=1).filter(str.strip),
    st.integers(1, 10**6),
    st.text(max_size=300),
    st.floats(0, 10**9),
    st.floats(0, 10**10),
)
def test_what_was_told_is_read_again(stack: str, number: int, worker: str, lasted_s: float, ended_at: float) -> None:
    plain, told = split_attempt(with_attempt(stack, ToldAttempt(number, worker, lasted_s, ended_at)))
    assert plain == stack.rstrip()
    assert told is not None
    assert told.number == number
    assert told.lasted_s == pytest.approx(lasted_s, abs=0.001)
    assert told.ended_at == pytest.approx(ended_at, abs=0.001)


@pytest.mark.parametrize("stack", ["", "x", f"{LINE}\nat the end", LINE.replace("11-27", "13-41"), f"a\n{LINE} "])
def test_what_is_no_such_line_is_left_alone(stack: str) -> None:
    assert split_attempt(stack) == (stack, None)
