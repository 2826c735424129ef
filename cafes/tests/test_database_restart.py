"""A worker whose database is stopped and started again under it: nothing fails, and it goes on at once (P7)."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from barback.answers import Created
from barback.broker import JobRecord
from barback.bullmq import BullMQBroker
from barback.producer import Producer
from barback.worker import Worker
from barback.worker_options import WorkerOptions
from cafes.app import app
from cafes.jobs.process_cafe import ProcessCafe, process_cafe
from cafes.services import services_on
from cafes.store.audit import audit

from .eventually import eventually
from .own_postgres import OwnPostgres
from .rows import cafe, insert

CAFES = 300


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    server = OwnPostgres(tmp_path / "postgres")
    yield server
    server.stop()


@pytest.mark.parametrize("away_s", [8.0, pytest.param(70.0, marks=pytest.mark.slow)])
async def test_jobs_outlive_an_outage_and_go_on_as_soon_as_it_ends(
    away_s: float, own_postgres: OwnPostgres, broker: BullMQBroker
) -> None:
    """P7, C2."""
    async with services_on(own_postgres.url) as services:
        ids = await insert(services.store, *(cafe(f"Café {number}") for number in range(CAFES)))
    worker = Worker(
        replace(app, services=partial(services_on, own_postgres.url)),
        broker,
        WorkerOptions(schedules=False, default_concurrency=5),
    )
    working = asyncio.create_task(worker.run(until_drained=True))
    enqueued = await Producer(broker).many(process_cafe, [ProcessCafe(cafe_id=cafe_id) for cafe_id in ids])
    await eventually(lambda: _completed(broker, at_least=CAFES // 10))

    await asyncio.to_thread(own_postgres.stop)
    done_before = (await broker.counts(process_cafe.queue))["completed"]
    assert done_before < CAFES, "it was done too soon to prove anything"
    await asyncio.sleep(away_s)  # the length of the outage, not a wait for something
    assert (await broker.counts(process_cafe.queue))["failed"] == 0
    await asyncio.to_thread(own_postgres.start)
    back_at = time.monotonic()
    await eventually(lambda: _completed(broker, at_least=done_before + 1))
    assert time.monotonic() - back_at < 3.0
    report = await working

    assert report.failed == 0
    assert report.retried > 0, "no job met the outage"
    records = [await broker.get(process_cafe.queue, each.job_id) for each in enqueued if isinstance(each, Created)]
    assert [_state(record) for record in records] == [("completed", 1)] * CAFES
    found = audit(own_postgres.url)
    assert (found.processed, found.wrong_cities) == (CAFES, ())


async def _completed(broker: BullMQBroker, at_least: int) -> bool:
    return (await broker.counts(process_cafe.queue))["completed"] >= at_least


def _state(record: JobRecord | None) -> tuple[str, int]:
    assert record is not None
    return record.state, record.attempts_made
