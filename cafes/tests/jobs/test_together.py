"""Both jobs together, on a real Valkey and a real Postgres: nobody forgets to recount (C3)."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from barback.bullmq import BullMQBroker
from barback.producer import Producer
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport
from cafes.app import app
from cafes.jobs.process_cafe import GATHER_S, ProcessCafe, process_cafe
from cafes.jobs.update_cafe_stats import update_cafe_stats
from cafes.services import Services
from cafes.settings import QUEUES
from cafes.store import CityStatistics, Store
from cafes.store.audit import audit
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..rows import cafe, insert, read


async def work(broker: BullMQBroker, store: Store, *queues: str) -> WorkerReport:
    """Work until nothing is left."""

    @asynccontextmanager
    async def services() -> AsyncGenerator[Services]:
        yield Services(store=store)

    options = WorkerOptions(queues=queues or None, schedules=False, lock_s=1.0, stalled_check_s=0.2)
    return await Worker(replace(app, services=services), broker, options).run(until_drained=True)


async def enqueue(broker: BullMQBroker, cafe_ids: Sequence[UUID]) -> None:
    await Producer(broker).many(process_cafe, [ProcessCafe(cafe_id=cafe_id) for cafe_id in cafe_ids])


async def test_cafes_that_trickle_in_are_counted_once_a_second_not_once_each(
    broker: BullMQBroker, store: PostgresStore
) -> None:
    """P4."""
    await enqueue(broker, await insert(store, *(cafe(f"Café {number}") for number in range(60))))
    started = time.monotonic()
    await work(broker, store)
    seconds = time.monotonic() - started
    assert (await broker.counts(QUEUES.cron_jobs))["completed"] <= 1 + seconds / GATHER_S


async def test_a_burst_of_cafes_makes_one_count(broker: BullMQBroker, store: PostgresStore, database: str) -> None:
    """P4."""
    await enqueue(broker, await insert(store, *(cafe(f"Café {number}") for number in range(60))))
    await work(broker, store, QUEUES.cafe_processing)
    counts = await broker.counts(QUEUES.cron_jobs)
    assert counts["delayed"] + counts["waiting"] == 1
    await work(broker, store)
    assert (await broker.counts(QUEUES.cron_jobs))["completed"] == 1
    assert read(database, "select slug, cafes_published from cities") == [{"slug": "koeln", "cafes_published": 60}]


class Held(PostgresStore):
    """Its first count does not come to an end before it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.counted = asyncio.Event()
        self.let_go = asyncio.Event()

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        statistics = await super().recount(slugs)
        if not self.counted.is_set():
            self.counted.set()
            await self.let_go.wait()
        return statistics


async def test_a_cafe_published_while_its_city_is_counted_is_counted(broker: BullMQBroker, database: str) -> None:
    """P4, C3."""
    store = Held(database)
    await store.open()
    await enqueue(broker, await insert(store, cafe("Café Blau")))
    working = asyncio.create_task(work(broker, store))
    async with asyncio.timeout(20):
        await store.counted.wait()
    await enqueue(broker, await insert(store, cafe("Café Rot")))
    await eventually(lambda: _completed(broker, 2))
    store.let_go.set()
    await working
    await store.close()
    assert audit(database).wrong_cities == ()
    assert read(database, "select cafes_published from cities") == [{"cafes_published": 2}]
    assert (await broker.counts(update_cafe_stats.queue))["completed"] == 2


async def _completed(broker: BullMQBroker, count: int) -> bool:
    return (await broker.counts(process_cafe.queue))["completed"] == count


async def test_a_worker_killed_before_it_told_anyone_is_healed_by_the_next(
    broker: BullMQBroker, valkey: str, prefix: str, store: PostgresStore, database: str
) -> None:
    """P2, C3."""
    await enqueue(broker, await insert(store, cafe()))
    arguments = [sys.executable, str(Path(__file__).with_name("dying_worker.py")), valkey, prefix, database]
    died = await asyncio.to_thread(subprocess.run, arguments, timeout=60, check=False)
    assert died.returncode == -9
    assert (audit(database).published, audit(database).wrong_cities) == (1, ("koeln",))
    assert sum((await broker.counts(QUEUES.cron_jobs)).values()) == 0
    await work(broker, store)
    assert audit(database).wrong_cities == ()


async def test_the_same_numbers_with_two_workers(broker: BullMQBroker, store: PostgresStore, database: str) -> None:
    """C2."""
    cities = ("Köln", "Bonn", "Wien")
    names = [(f"Café {number % 25}", f"Weg {number % 4}", cities[number % 3]) for number in range(150)]
    await enqueue(broker, await insert(store, *(cafe(*name) for name in names)))
    reports = await asyncio.gather(work(broker, store), work(broker, store))
    assert sum(report.failed for report in reports) == 0
    found = audit(database)
    assert (found.processed, found.cafes, found.wrong_cities) == (150, 150, ())
    assert found.published == len(set(names))


@pytest.mark.parametrize("payload", ['{"cafeId": "x"}', "{}", '{"cafeId": null}'])
async def test_a_payload_that_does_not_fit_fails_once(broker: BullMQBroker, store: PostgresStore, payload: str) -> None:
    """P11."""
    from barback.broker import NewJob

    await broker.add([NewJob(process_cafe.queue, process_cafe.name, payload, process_cafe.options)])
    report = await work(broker, store)
    assert (report.failed, report.retried) == (1, 0)
