"""Durations as people type them."""

import click
import pytest

from barback.cli.durations import Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5.0), ("5s", 5.0), ("0", 0.0), ("500ms", 0.5), ("1.5m", 90.0), ("2h", 7200.0), ("1d", 86400.0)],
)
def test_a_number_with_or_without_a_unit_is_understood(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5", "5 s", "5x", "1e9", "nan", "inf", "\u0665", "9" * 20])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected seconds like 5, or 500ms, 5s, 10m, 2h, 1d"):
        Duration().convert(text, None, None)
