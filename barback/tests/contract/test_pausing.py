"""A paused queue takes jobs and gives none."""

from barback.broker import Completed, HandedBack, Retry, Settled
from barback.options import JobOptions

from .under_test import FAILED, QueueUnderTest


async def test_a_paused_queue_gives_no_jobs_until_it_is_resumed(queue: QueueUnderTest) -> None:
    await queue.create()
    assert not await queue.broker.is_paused(queue.name)
    await queue.broker.pause(queue.name)
    assert await queue.broker.is_paused(queue.name)
    exchange = await queue.exchange(3)
    assert (exchange.jobs, exchange.next_at) == ([], None)
    await queue.broker.resume(queue.name)
    assert not await queue.broker.is_paused(queue.name)
    assert len(await queue.fetch(3)) == 1


async def test_jobs_of_a_paused_queue_are_waiting_and_keep_their_order(queue: QueueUnderTest) -> None:
    """P6, P17."""
    before = [await queue.create(), await queue.create()]
    await queue.broker.pause(queue.name)
    after = [await queue.create(), await queue.create()]
    assert await queue.counts() == {"waiting": 4}
    assert [await queue.state(job_id) for job_id in before + after] == ["waiting"] * 4
    assert await queue.ids("waiting") == before + after
    await queue.broker.resume(queue.name)
    assert await queue.run_order() == before + after


async def test_pausing_and_resuming_twice_changes_nothing(queue: QueueUnderTest) -> None:
    await queue.create()
    for _ in range(2):
        await queue.broker.pause(queue.name)
    for _ in range(2):
        await queue.broker.resume(queue.name)
    assert await queue.counts() == {"waiting": 1}
    assert len(await queue.fetch()) == 1


async def test_a_job_that_runs_is_settled_while_its_queue_is_paused(queue: QueueUnderTest) -> None:
    await queue.broker.add([queue.new() for _ in range(4)])
    first, second, third, fourth = await queue.fetch(4)
    await queue.broker.pause(queue.name)
    for job, outcome in [(first, Completed()), (second, FAILED), (third, Retry(0, "again")), (fourth, HandedBack())]:
        assert await queue.settle(job, outcome) is Settled.WRITTEN
    assert await queue.counts() == {"completed": 1, "failed": 1, "waiting": 2}
    assert await queue.fetch(4) == []
    await queue.broker.resume(queue.name)
    assert await queue.run_order() == [fourth.id, third.id]


async def test_a_delayed_job_that_is_due_waits_until_its_queue_is_resumed(queue: QueueUnderTest) -> None:
    await queue.broker.pause(queue.name)
    job_id = await queue.create(JobOptions(delay_s=0.02))
    prioritized = await queue.create(JobOptions(priority=1))
    await queue.let_pass(0.05)
    assert await queue.fetch() == []
    await queue.broker.resume(queue.name)
    assert await queue.run_order() == [job_id, prioritized]


async def test_a_job_is_promoted_retried_and_removed_while_its_queue_is_paused(queue: QueueUnderTest) -> None:
    failed = await queue.create()
    await queue.work_one(FAILED)
    await queue.broker.pause(queue.name)
    delayed, other = await queue.create(JobOptions(delay_s=60)), await queue.create()
    await queue.broker.promote(queue.name, delayed)
    await queue.broker.retry(queue.name, failed)
    assert await queue.broker.remove(queue.name, other)
    assert await queue.ids("waiting") == [delayed, failed]
    await queue.broker.resume(queue.name)
    assert await queue.run_order() == [delayed, failed]


async def test_pausing_one_queue_leaves_others_alone(queue: QueueUnderTest) -> None:
    other = QueueUnderTest(queue.broker, f"{queue.name}-other")
    await other.create()
    await queue.broker.pause(queue.name)
    assert len(await other.fetch()) == 1
