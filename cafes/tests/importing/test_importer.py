"""Rows into the store and cafes into the queue: nothing is stored and forgotten (C1)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from barback.errors import BrokerUnavailable
from cafes.errors import ImportBroken
from cafes.importing import importer
from cafes.importing.importer import ImportReport, RowKeys, import_files
from cafes.importing.reader import CafeFile
from cafes.importing.showing import opened
from cafes.store.postgres import PostgresStore

from ..rows import cafe, read, run

WriteFile = Callable[[str], Path]

FILE = """\
name,city,address,website
Café Blau,Köln,Domplatz 1,
Café Rot,Köln,Domplatz 2,rot.example
Café Blau,Köln,Domplatz 1,
,Köln,,
Café Grün,Bonn,Weg 1,
"""


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write_file(content: str) -> Path:
        file = tmp_path / "cafes.csv"
        file.write_text(content)
        return file

    return write_file


class Queue:
    """Remembers what was enqueued; breaks at the call whose number is `broken_at`."""

    def __init__(self, broken_at: int | None = None) -> None:
        self.batches: list[list[UUID]] = []
        self._broken_at = broken_at

    async def __call__(self, cafe_ids: Sequence[UUID]) -> None:
        if len(self.batches) == self._broken_at:
            raise BrokerUnavailable("Redis is gone.")
        self.batches.append(list(cafe_ids))

    @property
    def ids(self) -> list[UUID]:
        return [cafe_id for batch in self.batches for cafe_id in batch]


async def bring(file: Path, store: PostgresStore, queue: Queue) -> ImportReport:
    with opened([file]) as files:
        return await import_files(files, store, queue)


async def test_a_row_that_stands_in_two_files_is_two_cafes_and_counted_in_each(
    store: PostgresStore, write: WriteFile, database: str
) -> None:
    """C1: nothing is overwritten without a word; the rules will call one of them a duplicate."""
    file = write(FILE)
    with opened([file, file]) as files:
        report = await import_files(files, store, Queue())
    assert (report.taken, report.rows) == (8, 10)
    assert read(database, "select count(*) as stored from cafes") == [{"stored": 8}]


async def test_taken_and_refused_are_all_rows(store: PostgresStore, write: WriteFile, database: str) -> None:
    """C1."""
    queue = Queue()
    report = await bring(write(FILE), store, queue)
    assert (report.taken, report.rows) == (4, 5)
    assert [(refused.line, refused.reason) for refused in report.refused] == [(5, "no name")]
    stored = read(database, "select id, name, website from cafes order by position")
    assert [row["name"] for row in stored] == ["Café Blau", "Café Rot", "Café Blau", "Café Grün"]
    assert queue.ids == [row["id"] for row in stored]


async def test_the_same_file_again_updates_and_enqueues_again(
    store: PostgresStore, write: WriteFile, database: str
) -> None:
    first, second = Queue(), Queue()
    await bring(write(FILE), store, first)
    await bring(write(FILE.replace("rot.example", "neu.example")), store, second)
    assert second.ids == first.ids
    assert read(database, "select website from cafes where name = 'Café Rot'") == [{"website": "neu.example"}]
    assert read(database, "select count(*) as n from cafes") == [{"n": 4}]


async def test_rows_in_another_order_are_the_same_cafes(store: PostgresStore, write: WriteFile, database: str) -> None:
    header, *lines = FILE.splitlines(keepends=True)
    first, second = Queue(), Queue()
    await bring(write(FILE), store, first)
    await bring(write(header + "".join(reversed(lines))), store, second)
    assert set(second.ids) == set(first.ids)


async def test_batches_are_stored_before_they_are_enqueued(
    store: PostgresStore, write: WriteFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job never finds its cafe missing."""
    monkeypatch.setattr(importer, "BATCH", 2)

    class Looking(Queue):
        async def __call__(self, cafe_ids: Sequence[UUID]) -> None:
            await super().__call__(cafe_ids)
            stored = {row["id"] for row in read(database, "select id from cafes")}
            assert set(self.ids) == stored

    queue = Looking()
    await bring(write(FILE), store, queue)
    assert [len(batch) for batch in queue.batches] == [2, 2]


async def test_an_import_that_broke_off_is_mended_by_running_it_again(
    store: PostgresStore, write: WriteFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1."""
    monkeypatch.setattr(importer, "BATCH", 2)
    broken, again = Queue(broken_at=1), Queue()
    with pytest.raises(ImportBroken, match="batch that begins in line 4, with 2 rows taken: Redis is gone") as raised:
        await bring(write(FILE), store, broken)
    assert raised.value.exit_code == 1
    assert read(database, "select count(*) as n from cafes") == [{"n": 4}]
    await bring(write(FILE), store, again)
    assert set(again.ids) == {row["id"] for row in read(database, "select id from cafes")}
    assert read(database, "select count(*) as n from cafes") == [{"n": 4}]


async def test_a_store_that_breaks_is_told_the_same_way(store: PostgresStore, write: WriteFile, database: str) -> None:
    run(database, "drop function import_cafes")
    with pytest.raises(ImportBroken, match="nothing is stored twice"):
        await bring(write(FILE), store, Queue())


async def test_progress_is_told_after_each_batch(
    store: PostgresStore, write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "BATCH", 1)
    seen: list[tuple[int, int]] = []

    def on_progress(file: CafeFile, report: ImportReport) -> None:
        seen.append((report.taken, file.bytes_read()))

    with opened([write(FILE)]) as files:
        await import_files(files, store, Queue(), on_progress)
    assert [count for count, _ in seen] == [1, 2, 3, 4, 4]
    assert seen[-1][1] == len(FILE.encode())


def test_a_wrong_third_file_stops_before_the_first_row(write: WriteFile, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"missing\.csv"), opened([write(FILE), tmp_path / "missing.csv"]):
        pytest.fail("opened")


def test_a_repeated_row_is_a_cafe_of_its_own_and_spaces_make_no_difference() -> None:
    keys = RowKeys()
    first, second = keys.next(cafe("Café Blau")), keys.next(cafe("Café  Blau "))
    assert first != second
    assert first.endswith("-1")
    assert second == first[:-1] + "2"
    assert RowKeys().next(cafe("Café Blau")) == first
    assert RowKeys().next(cafe("Café Blau", comments="x")) == first
    assert RowKeys().next(cafe("Café Blau", city="Bonn")) != first
