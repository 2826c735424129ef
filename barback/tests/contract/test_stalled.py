"""Jobs whose worker died."""

import pytest

from barback.broker import Completed, HandedBack, Outcome, Retry, Settled, StoredSchedule, longest_gap_s
from barback.cron import Timing
from barback.options import JobOptions

from .under_test import FAILED, SHORT, QueueUnderTest


async def look(queue: QueueUnderTest, every_s: float = 0.001) -> list[str]:
    """Look for stalled jobs, a moment after the last one did."""
    await queue.let_pass(0.005)
    return list((await queue.broker.recover_stalled(queue.name, every_s)).waiting)


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


async def test_only_the_first_crash_and_those_it_was_alone_in_are_counted_as_its_own(queue: QueueUnderTest) -> None:
    """P8: its neighbours in a killed worker do not collect its crashes."""
    counted: list[tuple[int, int]] = []
    await queue.create(JobOptions(attempts=9))
    for alone in (False, False, True, False, True):
        await queue.crash(alone=alone)
        job = await queue.fetch_one(SHORT)
        counted.append((job.crashes, job.stalls))
        assert (await queue.get(job.id)).crashes == job.crashes
        await queue.settle(job, HandedBack())
    assert counted == [(1, 1), (1, 2), (2, 3), (2, 4), (3, 5)]


@pytest.mark.parametrize("outcome", [HandedBack(), Retry(0.0, "no milk"), Retry(0.0, "later", uses_attempt=False)])
async def test_a_job_that_ended_while_it_ran_alone_has_not_crashed(queue: QueueUnderTest, outcome: Outcome) -> None:
    """P8."""
    await queue.create(JobOptions(attempts=9))
    await queue.crash()
    job = await queue.fetch_one()
    assert await queue.broker.set_alone(job, True)
    assert await queue.settle(job, outcome) is Settled.WRITTEN
    await queue.eventually(queue.fetch_and_hand_back)
    assert (await queue.get(job.id)).crashes == 1


async def test_a_job_that_has_lived_long_enough_alone_is_no_longer_counted(queue: QueueUnderTest) -> None:
    """P8: the end of its probation."""
    await queue.crash()
    job = await queue.fetch_one()
    assert await queue.broker.set_alone(job, True)
    assert await queue.broker.set_alone(job, False)
    queue.broker.extend_locks(queue.name, [job], SHORT.lock_s)
    assert await queue.recover(job.id)
    assert (await queue.get(job.id)).crashes == 1


async def test_who_lost_a_job_cannot_count_for_it(queue: QueueUnderTest) -> None:
    """P10."""
    job = await queue.crash()
    assert not await queue.broker.set_alone(job, True)
    await queue.fetch_one()
    assert not await queue.broker.set_alone(job, True)
    assert (await queue.get(job.id)).crashes == 1


async def test_a_job_failed_for_its_crashes_starts_anew_when_it_is_retried(queue: QueueUnderTest) -> None:
    """P8: whoever retries it wants it to run; what it did once keeps it alone."""
    job = await queue.crash()
    await queue.crash(alone=True)
    await queue.crash(alone=True)
    failed = await queue.work_one(FAILED)
    assert (failed.id, failed.crashes) == (job.id, 3)
    await queue.broker.retry(queue.name, job.id)
    assert (await queue.fetch_one()).crashes == 1


async def test_the_crashes_of_a_schedules_job_are_counted_too(queue: QueueUnderTest) -> None:
    """P8: BullMQ exempts them, and one that kills its worker starts for ever."""
    schedule = StoredSchedule("daily", "any", Timing("0 3 * * *"), "{}", queue.broker.now())
    await queue.broker.put_schedule(queue.name, schedule)
    await queue.crash()
    await queue.crash(alone=True)
    assert (await queue.fetch_one()).crashes == 2


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


async def test_an_outage_longer_than_the_lock_is_no_crash_of_a_job_that_runs_alone(queue: QueueUnderTest) -> None:
    """P8: its lock ran out, its handler raised, and its worker was alive all the time."""
    await queue.create(JobOptions(attempts=9))
    await queue.crash()
    job = await queue.fetch_one(SHORT)
    assert await queue.broker.set_alone(job, True)
    await queue.let_pass(2 * SHORT.lock_s)
    assert await queue.settle(job, Retry(0.0, "no milk")) is Settled.WRITTEN
    assert (await queue.get(job.id)).crashes == 1


async def test_suspects_of_long_ago_are_forgotten(queue: QueueUnderTest) -> None:
    """P20: nobody looked during an outage, and whoever lives is given the time to renew."""
    await queue.create()
    job = await queue.fetch_one(SHORT)
    await look(queue)
    await queue.let_pass(longest_gap_s(0.001) + 0.1)
    assert await look(queue) == []
    assert await look(queue) == [job.id]
