"""Queries are read as they are meant, written so that they are read again, and never raise."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from barback.control.query import (
    COMPARISONS,
    FIELDS,
    LONGEST,
    MOST_TERMS,
    Comparison,
    Field,
    Query,
    QueryError,
    Term,
    parse,
)

ANY_FIELD: list[Field] = ["any", *FIELDS]
ANY_COMPARISON: list[Comparison] = [*COMPARISONS, "="]
TEXTS = st.text(max_size=20)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    """Any condition that can be typed."""
    field = draw(st.sampled_from(ANY_FIELD))
    negated = draw(st.booleans())
    if field == "age":
        comparison = draw(st.sampled_from(COMPARISONS))
        return Term("age", draw(st.sampled_from(["1h", "1h30m", "500ms", "2.5d"])), (), comparison, negated=negated)
    if field == "attempt":
        comparison = draw(st.sampled_from(ANY_COMPARISON))
        return Term("attempt", str(draw(st.integers(-5, 10**12))), (), comparison, negated=negated)
    path = tuple(draw(st.lists(TEXTS, min_size=1, max_size=4))) if field == "payload" else ()
    return Term(field, draw(TEXTS), path, "=", quoted=True, negated=negated)


def read(text: str) -> tuple[Term, ...]:
    query = parse(text)
    assert isinstance(query, Query), query
    return query.terms


def test_each_kind_of_condition_is_read() -> None:
    assert read('process "no answer" name:proc-* id:42 error:timeout') == (
        Term("any", "process"),
        Term("any", "no answer", quoted=True),
        Term("name", "proc-*"),
        Term("id", "42"),
        Term("error", "timeout"),
    )
    assert read('payload.user.email:"a b" payload.total:>=1e2 -attempt:>2 age:<1h30m') == (
        Term("payload", "a b", ("user", "email"), quoted=True),
        Term("payload", "1e2", ("total",), ">="),
        Term("attempt", "2", (), ">", negated=True),
        Term("age", "1h30m", (), "<"),
    )


def test_a_key_that_holds_a_dot_is_quoted() -> None:
    assert read('payload."a.b c".d:1') == (Term("payload", "1", ("a.b c", "d")),)


def test_words_with_dashes_dots_times_and_quotes_inside_are_words() -> None:
    assert [term.value for term in read('e.g. a-b 12:30 a"b - café')] == ["e.g.", "a-b", "12:30", 'a"b', "-", "café"]


def test_a_duration_of_several_units_is_their_sum() -> None:
    assert read("age:>1h30m")[0].number == 5400


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("attempt:>", 9, "Expected a value"),
        ("attempt:>two", 9, "Expected a number after attempt:>"),
        ("a attempt:x", 10, "Expected a number after attempt:"),
        ("payload.total:>x", 15, "Expected a number after payload.total:>"),
        ("age:1h", 4, "Expected > or < and a duration after age:"),
        ("age:>soon", 5, "Expected > or < and a duration after age:"),
        ("eror:timeout", 0, "There is no field 'eror'. Did you mean 'error'? To look for the text itself, put it in"),
        ('error:"no', 6, "This quote is never closed"),
        ('"a"b', 3, "Expected a space after the closing quote"),
        ("error:", 6, "Expected a value here"),
        ("payload:1", 7, "Expected a path into the payload"),
        ("payload.:1", 8, "Expected a key after '.'"),
        ("payload.a", 9, "Expected ':' and a value"),
        ("name.x:1", 4, "Only payload has a path"),
        ("x" * (LONGEST + 1), LONGEST, "A query has 1,000 characters at most"),
        ("a " * (MOST_TERMS + 1), 2 * MOST_TERMS, "A query has 32 conditions at most"),
        ("payload" + ".a" * 40 + ":1", 7 + 64, "A path has 32 keys at most"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_to_do(text: str, position: int, message: str) -> None:
    error = parse(text)
    assert isinstance(error, QueryError), error
    assert (error.position, error.message[: len(message)]) == (position, message)


@given(st.text(max_size=60) | st.text('-:."\\ payload*<>=1hageattempt', max_size=60))
@example("-")
@example('payload."')
@example("payload.a:>")
def test_no_text_raises_and_what_is_read_is_written_so_that_it_is_read_again(text: str) -> None:
    query = parse(text)
    if isinstance(query, QueryError):
        assert 0 <= query.position <= len(text)
    else:
        assert parse(str(query)) == query


@given(st.lists(terms(), max_size=5))
def test_a_query_that_was_not_typed_is_read_again_too(conditions: list[Term]) -> None:
    query = Query(tuple(conditions))
    if len(str(query)) <= LONGEST:
        assert parse(str(query)) == query
