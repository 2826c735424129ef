"""Reads cafes from a CSV file, one at a time. Every row comes out, as a cafe or as refused (C1)."""

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cafes.errors import NotCsv
from cafes.importing.columns import Header, read_header
from cafes.importing.decoding import open_text
from cafes.importing.records import Broken, Lines, Record, next_record
from cafes.rules import RawCafe, clean_text

SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Row:
    """A cafe as the file has it, and the line that it begins in, counted from 1."""

    line: int
    cafe: RawCafe


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that was not taken, and why."""

    file: str
    line: int
    reason: str


class CafeFile:
    """A CSV file whose header is understood. Iterate over it once; close it, or use it in a `with` block.

    :raises NotCsv: it cannot be read, is no text, or has no header with `name` and `city` (or `city_slug`).
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.size = 0
        """Bytes; 0: not known (a pipe)."""
        self._text = open_text(path)
        with suppress(OSError):
            self.size = path.stat().st_size
        self._lines = Lines(self._text, self.name)
        try:
            self._separator, self._header = self._find_header()
        except NotCsv:
            self.close()
            raise

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Names of columns that no field of a cafe is."""
        return self._header.ignored

    def bytes_read(self) -> int:
        """How far reading has come, a buffer ahead of the rows given."""
        return self._text.buffer.tell() if self.size else 0

    def __iter__(self) -> Iterator[Row | Refused]:
        while record := next_record(self._lines, self._separator):
            if isinstance(record, Broken):
                yield Refused(self.name, record.line, record.reason)
            elif not record.is_empty:
                yield self._row(record)

    def close(self) -> None:
        self._text.close()

    def __enter__(self) -> "CafeFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _row(self, record: Record) -> Row | Refused:
        cells, width = record.cells, len(self._header.fields)
        if any(cell.strip() for cell in cells[width:]):
            # Taken as it is, everything after the surplus separator would stand in the wrong column.
            reason = f"{len(cells)} cells where the header has {width}: is a separator inside a field without quotes?"
            return Refused(self.name, record.line, reason)
        cafe = self._header.read(cells)
        missing = [
            what
            for what, given in (("name", cafe.name), ("city", cafe.city or cafe.city_slug))
            if not clean_text(given)
        ]
        if missing:
            return Refused(self.name, record.line, f"no {' and no '.join(missing)}")
        return Row(record.line, cafe)

    def _find_header(self) -> tuple[str, Header]:
        """Separator and columns: of all separators the one by which most columns are known."""
        first = self._first_line()
        found = [(separator, read_header(_cells(first, separator))) for separator in SEPARATORS]
        separator, header = max(found, key=lambda each: (each[1].is_complete, each[1].known, len(each[1].fields)))
        if not header.is_complete:
            names = ", ".join(f"'{name[:40]}'" for name in _cells(first, separator)[:12])
            raise NotCsv(
                self.name,
                f"no header. Expected a first line with the columns 'name' and 'city', got {names[:300]!s}. "
                "Others that are read: city_slug, address, postcode, lat, lon, website, comments.",
            )
        return separator, header

    def _first_line(self) -> str:
        while (line := self._lines.next()) is not None:
            # Excel writes 'sep=;' before the header, for itself.
            if line.strip() and not re.fullmatch(r'"?sep=.?"?\s*', line, re.IGNORECASE):
                return line
        raise NotCsv(self.name, "is empty. Expected a header with the columns 'name' and 'city'.")


def _cells(line: str, separator: str) -> list[str]:
    record = next_record(Lines(io.StringIO(line, newline=""), ""), separator)
    return record.cells if isinstance(record, Record) else [line.strip()]
