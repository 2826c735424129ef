"""Text for people and JSON for machines. Nothing that came from outside reaches a terminal raw."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from barback.printable import printable


def shorten(text: str, length: int = 60) -> str:
    """One printable line of at most `length` characters."""
    text = printable(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """A table with aligned columns, numbers to the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    right = [any(isinstance(row[index], int) for row in rows) for index in range(len(headers))]
    for index, row in enumerate([list(headers), *cells]):
        columns = zip(row, widths, right, strict=True)
        line = "  ".join(cell.rjust(width) if is_number else cell.ljust(width) for cell, width, is_number in columns)
        click.echo(click.style(line.rstrip(), bold=index == 0))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """A list of `name  value` lines; an empty name goes on with the one before."""
    width = max((len(name) for name, _ in facts), default=0)
    for name, value in facts:
        click.echo(f"  {click.style(name.ljust(width), bold=True)}  {printable(value)}".rstrip())


def print_json(value: Any) -> None:
    """One JSON document, ASCII only."""
    click.echo(json.dumps(value, indent=2))


def moment(at: float | None) -> str:
    """Epoch seconds as a person reads them, in UTC; None: `-`."""
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
