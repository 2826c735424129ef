"""Nothing from outside reaches a terminal raw."""

import json

import pytest

from barback.cli.printing import moment, print_facts, print_json, print_table, shorten
from barback.printable import printable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Grüße ☕", "Grüße ☕"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
    ],
)
def test_what_could_forge_a_line_is_shown_as_its_escape(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_a_long_text_is_cut_to_the_length() -> None:
    assert shorten("x" * 61, 60) == "x" * 59 + "…"
    assert shorten("x" * 60, 60) == "x" * 60


def test_columns_are_aligned_and_numbers_stand_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["queue", "n"], [["a", 5], ["longer", 1000]])
    assert capsys.readouterr().out.splitlines() == ["queue      n", "a          5", "longer  1000"]


def test_a_table_without_rows_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["queue", "n"], [])
    assert capsys.readouterr().out == "queue  n\n"


def test_facts_are_aligned_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts([("a", "1\n2"), ("long", "3"), ("", "4")])
    assert capsys.readouterr().out.splitlines() == ["  a     1\\n2", "  long  3", "        4"]


def test_json_is_one_document_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Grüße\x1b"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "Grüße\x1b"}


def test_a_moment_says_its_zone() -> None:
    assert moment(0.0) == "1970-01-01 00:00:00 UTC"
    assert moment(None) == "-"
