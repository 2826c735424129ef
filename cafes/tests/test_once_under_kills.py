"""Workers killed again and again, and what is in the books afterwards (P2, P3)."""

import asyncio
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from barback.answers import Created
from barback.broker import JobRecord
from barback.bullmq import BullMQBroker
from barback.job import Job
from barback.payload import NoPayload
from barback.producer import Producer

from .charging_worker import FUNCTION, AnyStore, charge, charge_by_function, charge_unguarded
from .databases import new_database
from .eventually import eventually
from .rows import read, run
from .supabase_side import SupabaseSide

ChargingJob = Job[NoPayload, AnyStore, Any]
StartWorker = Callable[[], subprocess.Popen[bytes]]

WORKERS = 2


LEDGER = "create table ledger (job text not null, at timestamptz default clock_timestamp())"


@pytest.fixture
def start_worker(valkey: str, prefix: str, database: str) -> Generator[StartWorker]:
    run(database, LEDGER)
    with _workers(valkey, prefix, database) as start:
        yield start


@contextmanager
def _workers(*arguments: str) -> Generator[StartWorker]:
    script = str(Path(__file__).with_name("charging_worker.py"))
    with ExitStack() as closing:

        def start() -> subprocess.Popen[bytes]:
            worker = subprocess.Popen([sys.executable, script, *arguments], stderr=subprocess.DEVNULL)
            closing.callback(worker.wait)
            closing.callback(worker.kill)
            return worker

        yield start


@pytest.mark.parametrize(("jobs", "kills"), [(200, 4), pytest.param(10_000, 200, marks=pytest.mark.slow)])
async def test_an_effect_guarded_by_once_happens_once_however_often_workers_are_killed(
    jobs: int, kills: int, start_worker: StartWorker, broker: BullMQBroker, database: str
) -> None:
    """P2, P3. No line is missing, none is there twice."""
    ids = await _charge_under_kills(charge, jobs, kills, start_worker, broker, database)
    assert _lines(database) == Counter(ids)
    records = [record for job_id in ids if (record := await broker.get(charge.queue, job_id))]
    assert _started_again(records) > 0, "no kill found a job under way: this run proves nothing"


@pytest.mark.slow
async def test_an_effect_by_a_function_happens_once_over_supabases_api_too(
    valkey: str, prefix: str, broker: BullMQBroker, supabase: SupabaseSide, supabase_template: str
) -> None:
    """P2, P3. Claim and effect are one request: a worker killed while it waits for the answer does not matter."""
    with new_database(supabase.postgres_url, supabase_template) as database:
        for statement in (LEDGER, FUNCTION, "grant insert on ledger to service_role"):
            run(database, statement)
        project = supabase.project_of(database)
        with _workers(valkey, prefix, project.url, project.key.get_secret_value()) as start_worker:
            ids = await _charge_under_kills(charge_by_function, 1_000, 20, start_worker, broker, database)
        assert _lines(database) == Counter(ids)
        records = [record for job_id in ids if (record := await broker.get(charge_by_function.queue, job_id))]
        assert _started_again(records) > 0, "no kill found a job under way: this run proves nothing"


@pytest.mark.slow
async def test_the_same_kills_do_an_effect_twice_that_nothing_guards(
    start_worker: StartWorker, broker: BullMQBroker, database: str
) -> None:
    """P2. Without this the test above could pass because no kill ever found a job between effect and outcome."""
    ids = await _charge_under_kills(charge_unguarded, 200, 4, start_worker, broker, database)
    lines = _lines(database)
    assert set(lines) == set(ids)
    assert lines.total() > len(ids)


async def _charge_under_kills(
    job: ChargingJob, jobs: int, kills: int, start_worker: StartWorker, broker: BullMQBroker, database: str
) -> list[str]:
    """The ids of the jobs, all of them completed in the end."""
    answers = await Producer(broker).many(job, [NoPayload()] * jobs)
    ids = [answer.job_id for answer in answers if isinstance(answer, Created)]
    workers = [start_worker() for _ in range(WORKERS)]
    for number in range(kills):
        # At a random moment, but never without work done since the last kill, and with work left to do.
        at_least = jobs * number // (kills + 1) + random.randint(1, max(1, jobs // (kills + 1)))
        await eventually(lambda at_least=at_least: _written(database, at_least), within_s=60)
        workers.pop(0).kill()
        workers.append(start_worker())
    await eventually(lambda: _all_completed(broker, job.queue, jobs), within_s=120)
    return ids


async def _written(database: str, at_least: int) -> bool:
    await asyncio.sleep(random.uniform(0.01, 0.05))
    return len(_lines(database)) >= at_least


async def _all_completed(broker: BullMQBroker, queue: str, jobs: int) -> bool:
    await asyncio.sleep(0.1)
    return (await broker.counts(queue))["completed"] == jobs


def _lines(database: str) -> Counter[str]:
    return Counter(
        {row["job"]: row["lines"] for row in read(database, "select job, count(*) lines from ledger group by 1")}
    )


def _started_again(records: list[JobRecord]) -> int:
    return sum(record.starts > 1 for record in records)
