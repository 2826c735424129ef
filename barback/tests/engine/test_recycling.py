"""A worker that has worked enough, or holds too much memory, drains by itself."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from barback.bullmq import BullMQBroker
from barback.errors import InvalidOptions, RetryLater
from barback.job import Context, job
from barback.payload import NoPayload
from barback.producer import Producer
from barback.recycling import Bounds, resident_mb
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport

from .eventually import until
from .working import app_of, drained, working

NOTHING = NoPayload()
WITHIN_S = 10.0


async def test_after_so_many_jobs_it_fetches_no_more_and_says_why(broker: BullMQBroker, queue_name: str) -> None:
    """P2: what it left is still there."""

    @job("any", queue=queue_name)
    async def naps(payload: NoPayload, ctx: Context[None]) -> None:
        await asyncio.sleep(0.02)

    await Producer(broker).many(naps, [NOTHING] * 200)
    options = WorkerOptions(recycle_after_jobs=5, concurrency={queue_name: 2})
    with capture_logs() as told:
        async with asyncio.timeout(WITHIN_S):
            report = await Worker(app_of(naps), broker, options).run()
    assert report.ended == "recycled"
    assert 5 <= report.completed < 100
    counts = await broker.counts(queue_name)
    assert (counts["active"], counts["waiting"]) == (0, 200 - report.completed)
    [reason] = [entry["reason"] for entry in told if entry["event"] == "worker recycles"]
    assert reason.endswith("jobs worked, of 5")


async def test_every_outcome_that_was_written_counts(broker: BullMQBroker, queue_name: str) -> None:
    @job("fails", queue=queue_name)
    async def fails(payload: NoPayload, ctx: Context[None]) -> None:
        raise ValueError

    @job("later", queue=queue_name)
    async def later(payload: NoPayload, ctx: Context[None]) -> None:
        raise RetryLater(60)

    enqueue = Producer(broker)
    await enqueue(fails, NOTHING)
    await enqueue(later, NOTHING)
    async with asyncio.timeout(WITHIN_S):
        report = await Worker(app_of([fails, later]), broker, WorkerOptions(recycle_after_jobs=2)).run()
    assert (report, report.ended) == (WorkerReport(failed=1, retried=1), "recycled")


async def test_what_runs_may_end_and_is_handed_back_after_the_grace(broker: BullMQBroker, queue_name: str) -> None:
    """P9."""
    running = asyncio.Event()

    @job("first", queue=queue_name)
    async def first(payload: NoPayload, ctx: Context[None]) -> None:
        await running.wait()

    @job("ends", queue=queue_name)
    async def ends(payload: NoPayload, ctx: Context[None]) -> None:
        running.set()
        await asyncio.sleep(0.6)

    @job("stays", queue=queue_name)
    async def stays(payload: NoPayload, ctx: Context[None]) -> None:
        await asyncio.sleep(600)

    jobs = [stays, first, ends]
    for one in jobs:
        await Producer(broker)(one, NOTHING)
    async with asyncio.timeout(WITHIN_S):
        report = await Worker(app_of(jobs), broker, WorkerOptions(recycle_after_jobs=1, grace_s=1.5)).run()
    assert (report, report.ended) == (WorkerReport(completed=2, handed_back=1), "recycled")


async def test_the_first_stop_of_a_recycling_worker_takes_no_grace_away(broker: BullMQBroker, queue_name: str) -> None:
    held = asyncio.Event()

    @job("first", queue=queue_name)
    async def first(payload: NoPayload, ctx: Context[None]) -> None: ...

    @job("held", queue=queue_name)
    async def waits(payload: NoPayload, ctx: Context[None]) -> None:
        await held.wait()

    await Producer(broker)(waits, NOTHING)
    await Producer(broker)(first, NOTHING)
    async with working(broker, [first, waits], recycle_after_jobs=1) as beside:
        await until(beside.worker._stop_asked.is_set)
        beside.worker.stop()
        await asyncio.sleep(0.05)
        held.set()
        report = await beside.stopped()
    assert (report, report.ended) == (WorkerReport(completed=2), "recycled")


async def test_a_worker_that_holds_too_much_memory_ends(broker: BullMQBroker, queue_name: str) -> None:
    kept: list[bytes] = []

    @job("any", queue=queue_name)
    async def leaks(payload: NoPayload, ctx: Context[None]) -> None:
        kept.append(b"x" * 30_000_000)

    await Producer(broker).many(leaks, [NOTHING] * 3)
    async with asyncio.timeout(WITHIN_S):
        report = await Worker(app_of(leaks), broker, WorkerOptions(recycle_after_mb=resident_mb() + 50)).run()
    assert (report, report.ended) == (WorkerReport(completed=3), "recycled")


async def test_a_worker_within_its_bounds_goes_on(broker: BullMQBroker, queue_name: str) -> None:
    @job("any", queue=queue_name)
    async def runs(payload: NoPayload, ctx: Context[None]) -> None: ...

    await Producer(broker).many(runs, [NOTHING] * 3)
    async with working(broker, runs, recycle_after_jobs=4, recycle_after_mb=resident_mb() + 500) as beside:
        await until(beside.worker.started.is_set)
        await asyncio.sleep(0.6)
        report = await beside.stopped()
    assert (report, report.ended) == (WorkerReport(completed=3), "stopped")


async def test_a_worker_with_nothing_left_to_do_says_so(broker: BullMQBroker, queue_name: str) -> None:
    @job("any", queue=queue_name)
    async def runs(payload: NoPayload, ctx: Context[None]) -> None: ...

    assert (await drained(broker, runs)).ended == "drained"


async def test_a_bound_below_what_every_worker_holds_is_refused(broker: BullMQBroker, queue_name: str) -> None:
    """It would be started again and again, and never work."""

    @job("any", queue=queue_name)
    async def runs(payload: NoPayload, ctx: Context[None]) -> None: ...

    with pytest.raises(
        InvalidOptions, match=r"recycle_after_mb: this worker holds \d+ MB before its first job; .*got 5"
    ):
        await Worker(app_of(runs), broker, WorkerOptions(recycle_after_mb=5)).run()


def test_memory_that_was_taken_is_seen() -> None:
    before = resident_mb()
    taken = b"x" * 50 * 2**20
    assert 45 < resident_mb() - before < 60
    assert len(taken) == 50 * 2**20


def test_without_proc_the_most_that_was_held_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = resident_mb()
    monkeypatch.setattr("barback.recycling.STATM", tmp_path / "none")
    assert now * 0.9 < resident_mb() < now + 2_000


@given(jobs=st.integers(0, 1_000), held=st.floats(1, 1_000), bound=st.integers(1, 1_000), mb=st.floats(1, 1_000))
def test_a_bound_is_exceeded_when_it_is_reached_and_not_before(jobs: int, held: float, bound: int, mb: float) -> None:
    assert bool(Bounds(jobs=bound).exceeded(jobs, held)) == (jobs >= bound)
    assert bool(Bounds(mb=mb).exceeded(jobs, held)) == (held >= mb)
    assert bool(Bounds(mb, bound).exceeded(jobs, held)) == (jobs >= bound or held >= mb)
    assert Bounds().exceeded(jobs, held) is None
