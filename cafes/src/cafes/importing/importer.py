"""Brings the rows of files into the store and their cafes into the queue.

Each batch is committed first and enqueued then: a job never finds its cafe missing. If it breaks off between the two,
some cafes are stored and not enqueued; importing the file again finds them by their keys, and enqueues all of it.
"""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from barback.errors import BarbackError
from cafes.errors import ImportBroken
from cafes.importing.reader import CafeFile, Refused, Row
from cafes.rules import RawCafe, clean_text
from cafes.store import ImportRow, Store

BATCH = 1_000
"""Rows stored by one request and then enqueued; memory grows with it, not with the file."""

EnqueueAll = Callable[[Sequence[UUID]], Awaitable[object]]
"""Makes a job process-cafe for each of these cafes."""


@dataclass(slots=True)
class ImportReport:
    """What became of the rows: `taken` plus those refused are all of them (C1)."""

    taken_by_file: Counter[str] = field(default_factory=Counter[str])
    refused: list[Refused] = field(default_factory=list[Refused])

    @property
    def taken(self) -> int:
        return self.taken_by_file.total()

    @property
    def rows(self) -> int:
        return self.taken + len(self.refused)


async def import_files(
    files: Sequence[CafeFile],
    store: Store,
    enqueue_all: EnqueueAll,
    on_progress: Callable[[CafeFile, ImportReport], None] = lambda file, report: None,
) -> ImportReport:
    """Store and enqueue every cafe of these files. `on_progress` is called after each batch.

    :raises ImportBroken: the store or the queue failed; says how far it came and that it may be run again.
    """
    report = ImportReport()
    keys = RowKeys()
    for file in files:
        for batch in _batches(file, report.refused):
            rows = [ImportRow(keys.next(row.cafe), row.cafe) for row in batch]
            try:
                await enqueue_all(await store.import_rows(rows))
            except BarbackError as error:
                raise ImportBroken(file.name, batch[0].line, report.taken, error) from error
            report.taken_by_file[file.name] += len(rows)
            on_progress(file, report)
        on_progress(file, report)
    return report


class RowKeys:
    """Names each row of one import: what it says, and the how manieth row it is that says so.

    So the same files again mean the same cafes, while a row that stands in them twice is two cafes, of which the rules
    will call one a duplicate.
    """

    def __init__(self) -> None:
        # Numbers, not texts: some ten megabytes for 100,000 rows.
        self._seen: Counter[int] = Counter()

    def next(self, cafe: RawCafe) -> str:
        said = "\x1f".join(map(clean_text, (cafe.name, cafe.city or cafe.city_slug, cafe.address)))
        digest = hashlib.blake2b(said.encode(), digest_size=16).digest()
        number = int.from_bytes(digest[:8])
        self._seen[number] += 1
        return f"{digest.hex()}-{self._seen[number]}"


def _batches(rows: Iterable[Row | Refused], refused: list[Refused]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        if isinstance(row, Refused):
            refused.append(row)
            continue
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
