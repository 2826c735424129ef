"""Which finished jobs are kept (P16)."""

import time

import pytest

from barback.broker import Completed, Outcome
from barback.memory import MemoryBroker
from barback.options import JobOptions, Retention

from .under_test import FAILED, KEEP_ALL, QueueUnderTest


def keeping(retention: Retention, outcome: Outcome) -> JobOptions:
    if isinstance(outcome, Completed):
        return JobOptions(keep_completed=retention, keep_failed=KEEP_ALL)
    return JobOptions(keep_completed=KEEP_ALL, keep_failed=retention)


@pytest.fixture(params=["completed", "failed"])
def outcome(request: pytest.FixtureRequest) -> Outcome:
    return Completed() if request.param == "completed" else FAILED


@pytest.fixture
def state(outcome: Outcome) -> str:
    return "completed" if isinstance(outcome, Completed) else "failed"


async def finish(queue: QueueUnderTest, options: JobOptions, outcome: Outcome, count: int = 1) -> list[str]:
    """The ids of that many jobs, finished one after the other, each in a millisecond of its own."""
    ids: list[str] = []
    for _ in range(count):
        ids.append(await queue.create(options))
        await queue.work_one(outcome)
        await queue.let_pass(0.002)
    return ids


async def test_the_newest_are_kept_by_count(queue: QueueUnderTest, outcome: Outcome, state: str) -> None:
    """P16: the newest first."""
    ids = await finish(queue, keeping(Retention(count=2), outcome), outcome, 4)
    assert await queue.counts() == {state: 2}
    records = await queue.broker.list_jobs(queue.name, "completed" if state == "completed" else "failed", 0, 9)
    assert [record.id for record in records] == [ids[3], ids[2]]
    assert await queue.broker.get(queue.name, ids[0]) is None


async def test_none_is_kept_where_the_count_is_zero(queue: QueueUnderTest, outcome: Outcome) -> None:
    """P16."""
    [job_id] = await finish(queue, keeping(Retention(count=0), outcome), outcome)
    assert await queue.counts() == {}
    assert (await queue.broker.get(queue.name, job_id), await queue.state(job_id)) == (None, "unknown")


async def test_all_are_kept_where_there_is_no_bound(queue: QueueUnderTest, outcome: Outcome, state: str) -> None:
    await finish(queue, keeping(KEEP_ALL, outcome), outcome, 3)
    assert await queue.counts() == {state: 3}


async def test_those_older_than_the_age_are_removed_when_the_next_one_finishes(
    queue: QueueUnderTest, outcome: Outcome, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P16. BullMQ goes by the clock of whoever writes the outcome."""
    options = keeping(Retention(count=100, age_s=60), outcome)
    old = await finish(queue, options, outcome, 2)
    if isinstance(queue.broker, MemoryBroker):
        await queue.let_pass(61)
    else:
        monkeypatch.setattr(queue.broker, "now", lambda: time.time() + 61)
    assert await queue.counts() == {state: 2}
    [young] = await finish(queue, options, outcome)
    assert await queue.counts() == {state: 1}
    assert await queue.state(young) == state
    assert await queue.broker.get(queue.name, old[0]) is None


async def test_of_those_older_than_the_age_so_many_are_removed_remove_at_most(
    queue: QueueUnderTest, outcome: Outcome, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P16: the youngest of them first."""
    options = keeping(Retention(age_s=60, remove_at_most=2), outcome)
    old = await finish(queue, options, outcome, 5)
    if isinstance(queue.broker, MemoryBroker):
        await queue.let_pass(61)
    else:
        monkeypatch.setattr(queue.broker, "now", lambda: time.time() + 61)
    for left in (old[:3], old[:1], []):
        await finish(queue, options, outcome)
        assert [job_id for job_id in old if await queue.state(job_id) == state] == left


async def test_the_bounds_of_the_job_that_finishes_hold_for_all(
    queue: QueueUnderTest, outcome: Outcome, state: str
) -> None:
    """BullMQ's rule."""
    await finish(queue, keeping(KEEP_ALL, outcome), outcome, 3)
    await finish(queue, keeping(Retention(count=2), outcome), outcome)
    assert await queue.counts() == {state: 2}


async def test_completed_and_failed_jobs_are_counted_apart(queue: QueueUnderTest) -> None:
    """P16."""
    options = JobOptions(keep_completed=Retention(count=1), keep_failed=Retention(count=2))
    for outcome in [Completed(), FAILED] * 3:
        await finish(queue, options, outcome)
    assert await queue.counts() == {"completed": 1, "failed": 2}


async def test_jobs_that_have_not_finished_are_never_removed(queue: QueueUnderTest) -> None:
    options = JobOptions(keep_completed=Retention(count=1))
    await queue.broker.add([queue.new(options) for _ in range(4)])
    await queue.fetch(2)
    await queue.work_one()
    assert await queue.counts() == {"active": 2, "completed": 1, "waiting": 1}


def test_both_bounds_are_on_by_default() -> None:
    """P16."""
    for retention in (JobOptions().keep_completed, JobOptions().keep_failed):
        assert retention.count is not None
        assert retention.age_s is not None
