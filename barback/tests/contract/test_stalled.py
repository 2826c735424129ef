"""Jobs whose worker died."""

from barback.broker import Completed, Failed, HandedBack, Settled, StoredSchedule
from barback.options import JobOptions

from .under_test import FAILED, SHORT, QueueUnderTest


async def look(queue: QueueUnderTest, every_s: float = 0.001) -> list[str]:
    """Look for stalled jobs, a moment after the last one did."""
    await queue.let_pass(0.005)
    return await queue.broker.recover_stalled(queue.name, every_s, 3)


async def test_a_job_is_put_back_when_it_is_found_without_a_lock_a_second_time(queue: QueueUnderTest) -> None:
    """P8: its crash is counted, and no attempt used up (P7)."""
    await queue.create()
    behind = await queue.create()
    job = await queue.fetch_one(SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await look(queue) == []
    assert await queue.state(job.id) == "active"
    assert await look(queue) == [job.id]
    assert await queue.ids("waiting") == [job.id, behind]
    record = await queue.get(job.id)
    assert (record.crashes, record.attempts_made) == (1, 0)
    again = await queue.fetch_one()
    assert (again.id, again.crashes, again.attempt, again.starts) == (job.id, 1, 1, 2)
    assert again.deferred_failure is None


async def test_a_job_whose_lock_holds_is_left_alone(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.create()
    job = await queue.fetch_one()
    assert [await look(queue) for _ in range(4)] == [[]] * 4
    assert await queue.settle(job, Completed()) is Settled.WRITTEN


async def test_a_renewal_between_two_looks_clears_the_suspicion(queue: QueueUnderTest) -> None:
    """P10: it has to be found twice again."""
    await queue.create()
    job = await queue.fetch_one()
    await look(queue)
    queue.broker.extend_locks(queue.name, [job], SHORT.lock_s)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await look(queue) == []
    assert await look(queue) == [job.id]


async def test_nobody_looks_again_before_its_time(queue: QueueUnderTest) -> None:
    await queue.create()
    job = await queue.fetch_one(SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await look(queue, every_s=0.15) == []
    assert await look(queue, every_s=0.15) == []
    assert await queue.recover(job.id)


async def test_who_lost_a_job_cannot_settle_it_though_it_waits_or_runs_elsewhere(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.create()
    job = await queue.crash()
    assert await queue.settle(job, Completed()) is Settled.LOCK_LOST
    again = await queue.fetch_one()
    assert await queue.settle(job, FAILED) is Settled.LOCK_LOST
    assert await queue.settle(again, Completed()) is Settled.WRITTEN
    assert (await queue.get(job.id)).failed_reason is None


async def test_a_job_over_the_crash_limit_carries_its_failure(queue: QueueUnderTest) -> None:
    """P8: the reason says so."""
    job_id = await queue.create(JobOptions(attempts=9))
    for crashes in range(1, 4):
        assert (await queue.fetch_one(SHORT)).deferred_failure is None
        await queue.recover(job_id, crash_limit=2)
        assert (await queue.get(job_id)).crashes == crashes
    job = await queue.fetch_one()
    assert job.deferred_failure == "job stalled more than allowable limit"
    await queue.settle(job, Failed(job.deferred_failure))
    assert (await queue.get(job_id)).failed_reason == job.deferred_failure


async def test_a_crash_limit_of_zero_allows_no_crash(queue: QueueUnderTest) -> None:
    """P8."""
    await queue.crash(crash_limit=0)
    assert (await queue.fetch_one()).deferred_failure is not None


async def test_a_retried_job_is_not_failed_again_for_its_old_crashes(queue: QueueUnderTest) -> None:
    job = await queue.crash(crash_limit=0)
    await queue.work_one(FAILED)
    await queue.broker.retry(queue.name, job.id)
    assert (await queue.fetch_one()).deferred_failure is None


async def test_the_jobs_of_a_schedule_are_exempt_from_the_limit(queue: QueueUnderTest) -> None:
    """BullMQ's rule."""
    schedule = StoredSchedule("daily", "any", "0 3 * * *", "UTC", "{}", queue.broker.now())
    await queue.broker.put_schedule(queue.name, schedule, JobOptions())
    await queue.crash(crash_limit=0)
    assert (await queue.fetch_one()).deferred_failure is None


async def test_a_recovered_job_goes_before_all_whatever_its_priority(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(priority=7))
    job = await queue.fetch_one(SHORT)
    plain = await queue.create()
    await queue.recover(job.id)
    assert await queue.ids("waiting") == [job.id, plain]


async def test_all_jobs_of_a_dead_worker_are_put_back(queue: QueueUnderTest) -> None:
    """P2."""
    await queue.broker.add([queue.new() for _ in range(5)])
    held = await queue.fetch(5, SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    await look(queue)
    assert sorted(await look(queue)) == sorted(job.id for job in held)
    assert await queue.counts() == {"waiting": 5}


async def test_a_settled_job_is_never_stalled(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(job_id="mine"))
    job = await queue.fetch_one(SHORT)
    await look(queue)
    assert await queue.settle(job, FAILED) is Settled.WRITTEN
    await queue.let_pass(2 * SHORT.lock_s)
    assert await look(queue) == []
    assert await queue.state("mine") == "failed"


async def test_a_job_handed_back_is_no_longer_suspected(queue: QueueUnderTest) -> None:
    """P9."""
    await queue.create()
    job = await queue.fetch_one()
    await look(queue)
    await queue.settle(job, HandedBack())
    await queue.fetch_one(SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await look(queue) == []
    assert await look(queue) == [job.id]
