"""A worker that is killed in the middle, and one that goes on: the end is the same (P2, C1, C2)."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from barback.bullmq import BullMQBroker
from barback.producer import Producer
from cafes import sample
from cafes.importing.importer import ImportReport, import_files
from cafes.importing.reader import CafeFile, Refused
from cafes.jobs.process_cafe import ProcessCafe, process_cafe
from cafes.jobs.update_cafe_stats import update_cafe_stats
from cafes.rules import Member, clean, decide_group
from cafes.store.audit import audit
from cafes.store.postgres import PostgresStore

from .eventually import eventually
from .rows import read

Statistics = dict[str, tuple[int, int, int]]


@pytest.fixture
def start_worker(valkey: str, prefix: str, database: str) -> Generator[Callable[[], subprocess.Popen[bytes]]]:
    """Start `barback work` with the default settings."""
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "REDIS_URL": valkey,
        "REDIS_DB": "1",
        "BARBACK_PREFIX": prefix,
        "DATABASE_URL": database,
    }

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "barback.cli", "--app", "cafes.app:app", "work"]
        worker = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("rows", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_a_killed_worker_and_the_next_one_end_with_the_same_statistics(
    rows: int,
    start_worker: Callable[[], subprocess.Popen[bytes]],
    broker: BullMQBroker,
    store: PostgresStore,
    database: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "cafes.csv"
    sample.write_file(file, rows)
    report = await _import(file, store, broker)
    assert report.rows == rows

    first = start_worker()
    await eventually(lambda: _processed(database, at_least=rows // 3), within_s=900)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert audit(database).processed < report.taken

    second = start_worker()
    await eventually(lambda: _drained(broker), within_s=1800)
    second.terminate()
    assert second.wait() == 0

    found = audit(database)
    assert (found.cafes, found.processed) == (report.taken, report.taken)
    assert found.wrong_cities == ()
    assert (await broker.counts(process_cafe.queue))["failed"] == 0
    assert _statistics(database) == _expected(file)


async def _import(file: Path, store: PostgresStore, broker: BullMQBroker) -> ImportReport:
    async def enqueue_all(cafe_ids: Iterable[UUID]) -> object:
        return await Producer(broker).many(process_cafe, (ProcessCafe(cafe_id=cafe_id) for cafe_id in cafe_ids))

    with CafeFile(file) as opened:
        return await import_files([opened], store, enqueue_all)


async def _processed(database: str, at_least: int) -> bool:
    await asyncio.sleep(0.1)
    (row,) = read(database, "select count(*) as done from cafes where status <> 'PENDING'")
    return row["done"] >= at_least


async def _drained(broker: BullMQBroker) -> bool:
    await asyncio.sleep(0.2)
    counts = [await broker.counts(queue) for queue in (process_cafe.queue, update_cafe_stats.queue)]
    scheduled = len(await broker.schedules(update_cafe_stats.queue))
    left = sum(count["waiting"] + count["active"] + count["prioritized"] + count["delayed"] for count in counts)
    return left == scheduled


def _statistics(database: str) -> Statistics:
    rows = read(database, "select slug, cafes_published, cafes_needs_review, cafes_duplicate from cities")
    return {row["slug"]: (row["cafes_published"], row["cafes_needs_review"], row["cafes_duplicate"]) for row in rows}


def _expected(file: Path) -> Statistics:
    """What the rules alone say of the file, without store, queue or worker."""
    groups: defaultdict[tuple[str | None, str | None], list[Member]] = defaultdict(list)
    with CafeFile(file) as rows:
        for age, row in enumerate(rows):
            if isinstance(row, Refused):
                continue
            cafe = clean(row.cafe)
            problems = tuple(map(str, cafe.problems))
            groups[cafe.city_slug, cafe.name_key].append(
                Member(uuid4(), age, cafe.address_key, cafe.coordinates, problems)
            )
    by_city: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (city, _), members in groups.items():
        if city is not None:
            by_city[city].update(verdict.status for verdict in decide_group(members))
    return {city: (count["PUBLISHED"], count["NEEDS_REVIEW"], count["DUPLICATE"]) for city, count in by_city.items()}
