"""Lines to records of cells. A record that cannot be read costs its own line and no other."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from cafes.errors import NotCsv

LONGEST_LINE = 1_000_000
"""Characters. What has longer lines is no CSV, and would have to be held in memory whole."""

LONGEST_RECORD = 100
"""Lines that one record may span. A quote that nobody closes would otherwise swallow the rest of the file."""

_REASONS = {
    "unexpected end of data": f"a quote is opened and not closed within {LONGEST_RECORD} lines",
    "expected after": "a quote inside a quoted field: it has to be written twice",
    "field larger than": f"a field is longer than {csv.field_size_limit()} characters",
}


@dataclass(frozen=True, slots=True)
class Record:
    """The cells of one record, and the line that it begins in, counted from 1."""

    line: int
    cells: list[str]

    @property
    def is_empty(self) -> bool:
        """An empty line, or one of spaces. A line of separators is a row in which everything is missing."""
        # U+001A: what DOS ends a file with.
        return not self.cells or (len(self.cells) == 1 and not self.cells[0].strip("\x1a\0 \t\ufeff\xa0"))


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that no record can be read from."""

    line: int
    reason: str


class Lines:
    """The lines of a file with their numbers. Lines can be given back, to be read again."""

    def __init__(self, text: TextIO, file: str) -> None:
        self._text = text
        self._file = file
        self._given_back: deque[str] = deque()
        self.number = 0
        """Of the line given last, counted from 1."""

    def next(self) -> str | None:
        """The next line, its end included. None: there is none.

        :raises NotCsv: it is too long to be one.
        """
        line = self._given_back.popleft() if self._given_back else self._text.readline(LONGEST_LINE)
        if len(line) >= LONGEST_LINE:
            raise NotCsv(self._file, f"line {self.number + 1} is longer than {LONGEST_LINE:,} characters: not CSV.")
        if not line:
            return None
        self.number += 1
        return line

    def give_back(self, lines: list[str]) -> None:
        self._given_back.extendleft(reversed(lines))
        self.number -= len(lines)


def next_record(lines: Lines, separator: str) -> Record | Broken | None:
    """The next record. None: there is none. After a broken one reading goes on in the line after its first."""
    pulled: list[str] = []

    def pull() -> Iterator[str]:
        while len(pulled) < LONGEST_RECORD and (line := lines.next()) is not None:
            pulled.append(line)
            yield line

    first = lines.number + 1
    try:
        # Strict: otherwise a quote that is closed by the next row's opening one makes one row of two, and nobody knows.
        cells = next(csv.reader(pull(), delimiter=separator, strict=True), None)
    except csv.Error as error:
        lines.give_back(pulled[1:])
        return Broken(first, next((text for sign, text in _REASONS.items() if sign in str(error)), str(error)))
    return None if cells is None else Record(first, cells)
