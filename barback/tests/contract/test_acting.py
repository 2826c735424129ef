"""What a person does to a job: remove it, retry it, run it now."""

import pytest

from barback.answers import Created
from barback.broker import Completed, Outcome, Retry
from barback.errors import BrokerError
from barback.options import JobOptions

from .under_test import FAILED, SHORT, QueueUnderTest


async def test_a_job_is_removed_from_whatever_place_it_waits_in(queue: QueueUnderTest) -> None:
    """P6."""
    options = [JobOptions(), JobOptions(delay_s=60), JobOptions(priority=1), JobOptions(lifo=True)]
    ids = [await queue.create(option) for option in options]
    for job_id in ids:
        assert await queue.broker.remove(queue.name, job_id)
        assert await queue.broker.get(queue.name, job_id) is None
    assert await queue.counts() == {}
    assert await queue.fetch() == []


@pytest.mark.parametrize("outcome", [Completed(), FAILED])
async def test_a_finished_job_is_removed(queue: QueueUnderTest, outcome: Outcome) -> None:
    job_id = await queue.create()
    await queue.work_one(outcome)
    assert await queue.broker.remove(queue.name, job_id)
    assert await queue.counts() == {}


async def test_removing_what_does_not_exist_says_so(queue: QueueUnderTest) -> None:
    assert not await queue.broker.remove(queue.name, "gone")


async def test_a_job_that_runs_is_not_removed(queue: QueueUnderTest) -> None:
    await queue.create()
    job = await queue.fetch_one()
    with pytest.raises(BrokerError, match="is being worked"):
        await queue.broker.remove(queue.name, job.id)
    assert await queue.state(job.id) == "active"


async def test_a_job_whose_worker_died_can_be_removed(queue: QueueUnderTest) -> None:
    await queue.create()
    job = await queue.fetch_one(SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await queue.broker.remove(queue.name, job.id)
    assert await queue.counts() == {}


@pytest.mark.parametrize("outcome", [Completed('"old"'), FAILED])
async def test_a_finished_job_runs_again_with_its_attempts_counted_anew(
    queue: QueueUnderTest, outcome: Outcome
) -> None:
    """P7."""
    job_id = await queue.create(JobOptions(attempts=2))
    await queue.work_one(Retry(0, "again", "trace"))
    await queue.work_one(outcome)
    await queue.broker.retry(queue.name, job_id)
    record = await queue.get(job_id)
    assert (record.state, record.attempts_made, record.starts) == ("waiting", 0, 2)
    assert (record.result, record.started_at, record.finished_at) == (None, None, None)
    again = await queue.fetch_one()
    assert (again.id, again.attempt, again.starts) == (job_id, 1, 3)


async def test_a_retried_job_forgets_its_reason_and_keeps_its_stack_traces(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    await queue.work_one(FAILED)
    await queue.broker.retry(queue.name, job_id)
    record = await queue.get(job_id)
    assert (record.failed_reason, record.stacktraces) == (None, (FAILED.stacktrace,))


async def test_a_retried_job_waits_behind_the_others_or_by_its_priority(queue: QueueUnderTest) -> None:
    failed = [await queue.create(JobOptions(lifo=True)), await queue.create(JobOptions(priority=2))]
    for _ in failed:
        await queue.work_one(FAILED)
    waiting = [await queue.create(), await queue.create(JobOptions(priority=2))]
    for job_id in failed:
        await queue.broker.retry(queue.name, job_id)
    assert await queue.ids("waiting") == [waiting[0], failed[0]]
    assert await queue.ids("prioritized") == [waiting[1], failed[1]]


async def test_only_a_finished_job_can_be_retried(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    with pytest.raises(BrokerError, match="it is waiting, not failed or completed"):
        await queue.broker.retry(queue.name, job_id)
    with pytest.raises(BrokerError, match="it is unknown, not failed or completed"):
        await queue.broker.retry(queue.name, "gone")


async def test_a_promoted_job_waits_behind_the_others_or_by_its_priority(queue: QueueUnderTest) -> None:
    delayed = await queue.create(JobOptions(delay_s=60, lifo=True))
    delayed_prioritized = await queue.create(JobOptions(delay_s=60, priority=1))
    waiting = await queue.create()
    await queue.broker.promote(queue.name, delayed)
    await queue.broker.promote(queue.name, delayed_prioritized)
    assert await queue.ids("waiting") == [waiting, delayed]
    assert await queue.ids("prioritized") == [delayed_prioritized]
    assert await queue.run_order() == [waiting, delayed, delayed_prioritized]


async def test_only_a_delayed_job_can_be_promoted(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    for other in (job_id, "gone"):
        with pytest.raises(BrokerError, match="was not promoted"):
            await queue.broker.promote(queue.name, other)
    assert await queue.counts() == {"waiting": 1}


async def test_a_whole_queue_needs_no_repair(queue: QueueUnderTest) -> None:
    """P6."""
    await queue.create()
    await queue.create(JobOptions(delay_s=60))
    await queue.fetch_one()
    assert await queue.broker.repair(queue.name) == []
    assert await queue.counts() == {"active": 1, "delayed": 1}


async def test_an_id_is_free_again_after_its_job_was_removed(queue: QueueUnderTest) -> None:
    mine = JobOptions(job_id="mine")
    await queue.create(mine)
    await queue.broker.remove(queue.name, "mine")
    assert await queue.add(mine) == Created("mine")
