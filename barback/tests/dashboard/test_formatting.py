"""What templates say of values: short, exact, and never anything that could act."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from barback.dashboard.formatting import (
    SHOWN_CHARACTERS,
    beginning,
    coloured,
    end_of,
    iso,
    line,
    number,
    percent,
    polyline,
    pretty,
    seconds,
    short,
    shown,
    size,
    utc,
)
from barback.printable import UNPRINTABLE_IN_LINES, printable_lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\N{EN DASH}"),
        (-1.0, "0 ms"),
        (0.0, "0 ms"),
        (0.3401, "340 ms"),
        (0.9999, "1 s"),
        (4.24, "4.2 s"),
        (59.99, "1 min"),
        (200.0, "3 min 20 s"),
        (3600.0, "1 h"),
        (7_261.0, "2 h 1 min"),
        (187_200.0, "2 d 4 h"),
        (1e300, "115740 d 17 h"),
        (float("inf"), "115740 d 17 h"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_a_duration_reads_as_people_say_it(value: float | None, text: str) -> None:
    assert seconds(value) == text


@given(st.floats(min_value=0, max_value=1e12))
def test_every_duration_can_be_said(value: float) -> None:
    assert re.fullmatch(r"\d+(\.\d)? (ms|s|min|h|d)( \d+ (s|min|h))?", seconds(value))


def test_numbers_and_moments() -> None:
    assert number(1_234_567) == "1,234,567"
    assert utc(1_767_225_600.5) == "2026-01-01 00:00:00 UTC"
    assert iso(1_767_225_600.5) == "2026-01-01T00:00:00.500+00:00"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_moment_that_can_be_stored_can_be_shown(at: float) -> None:
    assert utc(at).endswith(" UTC")


@pytest.mark.parametrize(
    ("progress", "value"),
    [
        ("40", 40.0),
        ("0.5", 0.5),
        ("100", 100.0),
        ("101", None),
        ("-1", None),
        ("true", None),
        ('{"done":1}', None),
        ("{", None),
        ("NaN", None),
    ],
)
def test_progress_is_a_bar_only_if_it_is_a_number_up_to_100(progress: str, value: float | None) -> None:
    assert percent(progress) == value


def test_a_short_text_is_one_line() -> None:
    assert short("a\nb\x1b") == "a\\nb\\x1b"
    assert short("x" * 500, 10) == "x" * 9 + "…"
    assert short(None) == ""


def test_a_long_text_is_cut_and_says_so() -> None:
    assert beginning("x" * (SHOWN_CHARACTERS + 1_234)).endswith("\n… 1,234 more characters")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_indented_json_in_one_line_is_the_same_json(value: object) -> None:
    shown = line(json.dumps(value, indent=2))
    assert "\n" not in shown
    assert json.loads(shown) == value


def test_the_end_of_a_text_is_one_line_that_says_what_is_left_out() -> None:
    assert end_of("a\nb", 10) == "a\\nb"
    assert end_of("x" * 50 + "end", 4) == "…end"


def test_json_is_indented_and_coloured_and_what_is_none_stays_as_it_is() -> None:
    assert pretty('{"a":1}') == ('{\n  <span class="json-key">&#34;a&#34;</span>: <span class="json-word">1</span>\n}')
    assert pretty("<b>") == "&lt;b&gt;"
    assert "[" * 9_000 in pretty("[" * 9_000)


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_colours_add_nothing_and_hide_nothing(text: str) -> None:
    html = coloured(text)
    assert re.sub(r"</?span[^<>]*>", "", html).count("<") == 0
    assert Markup(re.sub(r"</?span[^<>]*>", "", html)).unescape() == printable_lines(text)


@given(st.text(st.characters(codec=None)))
def test_no_text_can_turn_or_break_what_stands_around_it(text: str) -> None:
    assert UNPRINTABLE_IN_LINES.search(shown(text)) is None
    shown(text).encode()
    pretty(text).encode()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (4_299_161, "4.1 MB"),
        (155_189_248, "148 MB"),
        (3 * 2**40, "3.0 TB"),
        (2**60, "1048576 TB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_fits(count: int | None, text: str) -> None:
    assert size(count) == text


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_a_line_stays_within_its_drawing_and_goes_from_left_to_right(values: list[int]) -> None:
    points = [tuple(map(float, point.split(","))) for point in polyline(values, max(values)).split()]
    assert len(points) == len(values)
    assert all(0 <= x <= 100 and 0 <= y <= 24 for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
