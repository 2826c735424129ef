"""Tables of Markdown. Pure."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One, with a line for each row."""
    return "".join(_line(cells) for cells in (head, ["---"] * len(head), *rows))


def number(value: float | None, digits: int = 0) -> str:
    """`12,300`; a dash for what was not measured."""
    return "-" if value is None else f"{value:,.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
