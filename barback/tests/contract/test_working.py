"""Fetching jobs, writing what became of them, and the locks in between."""

import asyncio

import pytest

from barback.broker import Completed, Failed, HandedBack, Lease, Outcome, Retry, Settled, Settlement
from barback.options import JobOptions, Retention

from .under_test import FAILED, LEASE, SHORT, QueueUnderTest


async def test_a_fetched_job_carries_all_its_handler_needs(queue: QueueUnderTest) -> None:
    """P7: the first attempt is number 1."""
    options = JobOptions(attempts=3, keep_logs=5)
    job_id = await queue.create(options, data='{"n": 1}', name="count")
    job = await queue.fetch_one()
    assert (job.queue, job.id, job.name, job.data, job.options) == (queue.name, job_id, "count", '{"n": 1}', options)
    assert (job.attempt, job.starts, job.crashes, job.stacktraces) == (1, 1, 0, ())
    assert (job.schedule_id, job.deferred_failure, job.unreadable) == (None, None, None)
    assert job.added_at <= job.started_at == pytest.approx(queue.broker.now(), abs=1.0)
    record = await queue.get(job_id)
    assert (record.state, record.starts, record.started_at) == ("active", 1, job.started_at)
    assert record.worker == LEASE.worker


async def test_jobs_are_fetched_in_the_order_of_their_adding(queue: QueueUnderTest) -> None:
    """P17."""
    ids = [await queue.create() for _ in range(12)]
    assert [job.id for job in await queue.fetch(5)] == ids[:5]
    assert [job.id for job in await queue.fetch(100)] == ids[5:]
    assert await queue.fetch(5) == []


async def test_a_job_is_given_to_one_worker_only(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.broker.add([queue.new() for _ in range(20)])
    fetched = await asyncio.gather(*(queue.fetch(3, Lease(f"worker-{n}")) for n in range(10)))
    ids = [job.id for jobs in fetched for job in jobs]
    assert sorted(ids, key=int) == [str(n + 1) for n in range(20)]
    assert len({job.token for jobs in fetched for job in jobs}) == 20


async def test_an_exchange_that_asks_for_none_gets_none(queue: QueueUnderTest) -> None:
    await queue.create()
    exchange = await queue.exchange(0)
    assert (exchange.settled, exchange.jobs) == ([], [])


async def test_an_empty_queue_has_no_job_and_no_next_one(queue: QueueUnderTest) -> None:
    exchange = await queue.exchange(3)
    assert (exchange.jobs, exchange.next_at, exchange.limited_until) == ([], None, None)


async def test_the_next_delayed_job_is_told_even_when_some_jobs_were_ready(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(delay_s=60))
    await queue.create(JobOptions(delay_s=30))
    await queue.create()
    exchange = await queue.exchange(2)
    assert len(exchange.jobs) == 1
    assert exchange.next_at == pytest.approx(queue.broker.now() + 30, abs=1.0)


async def test_a_completed_job_keeps_its_result(queue: QueueUnderTest) -> None:
    await queue.create()
    job = await queue.fetch_one()
    assert await queue.settle(job, Completed('{"success": true}')) is Settled.WRITTEN
    record = await queue.get(job.id)
    assert (record.state, record.result, record.failed_reason) == ("completed", '{"success": true}', None)
    assert (record.attempts_made, record.starts, record.started_at) == (1, 1, job.started_at)
    assert record.finished_at == pytest.approx(queue.broker.now(), abs=1.0)


async def test_a_failed_job_keeps_its_reason_and_its_stack_trace(queue: QueueUnderTest) -> None:
    """P11: it does not run again, whatever attempts are left."""
    await queue.create(JobOptions(attempts=5))
    job = await queue.fetch_one()
    assert await queue.settle(job, Failed("no milk", "Traceback: …\nno milk")) is Settled.WRITTEN
    record = await queue.get(job.id)
    assert (record.state, record.result, record.failed_reason) == ("failed", None, "no milk")
    assert (record.stacktraces, record.attempts_made) == (("Traceback: …\nno milk",), 1)
    assert record.finished_at == pytest.approx(queue.broker.now(), abs=1.0)
    assert await queue.fetch() == []


async def test_settlements_are_answered_in_their_order(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.broker.add([queue.new(JobOptions(keep_completed=Retention(count=0))) for _ in range(4)])
    first, second, third, fourth = await queue.fetch(4)
    await queue.settle(second, Completed())
    first_again, third.token = first, "somebody-else:1"
    outcomes: list[tuple[str, Outcome]] = [("2", Completed()), ("3", Completed()), ("4", FAILED), ("1", Completed())]
    by_id = {"1": first_again, "2": second, "3": third, "4": fourth}
    settlements = [Settlement(by_id[job_id], outcome) for job_id, outcome in outcomes]
    exchange = await queue.broker.exchange(queue.name, settlements, 0, LEASE)
    assert exchange.settled == [Settled.GONE, Settled.LOCK_LOST, Settled.WRITTEN, Settled.WRITTEN]
    assert await queue.counts() == {"active": 1, "failed": 1}


async def test_an_exchange_writes_outcomes_and_fills_the_free_slots(queue: QueueUnderTest) -> None:
    await queue.broker.add([queue.new() for _ in range(9)])
    held = await queue.fetch(3)
    settlements = [Settlement(job, Completed()) for job in held]
    exchange = await queue.broker.exchange(queue.name, settlements, 5, LEASE)
    assert [job.id for job in exchange.jobs] == ["4", "5", "6", "7", "8"]
    assert exchange.settled == [Settled.WRITTEN] * 3
    assert await queue.counts() == {"waiting": 1, "active": 5, "completed": 3}


async def test_what_an_exchange_fetched_beside_a_settlement_can_be_settled(queue: QueueUnderTest) -> None:
    await queue.broker.add([queue.new() for _ in range(3)])
    [job] = await queue.fetch()
    outcomes: list[Outcome] = [Completed(), FAILED, Retry(60, "later")]
    for outcome in outcomes:
        exchange = await queue.broker.exchange(queue.name, [Settlement(job, outcome)], 1, LEASE)
        assert exchange.settled == [Settled.WRITTEN]
        if exchange.jobs:
            [job] = exchange.jobs
    assert await queue.counts() == {"completed": 1, "failed": 1, "delayed": 1}


@pytest.mark.parametrize("outcome", [Completed(), FAILED, Retry(0, ""), Retry(5, ""), HandedBack()])
async def test_a_settlement_without_the_lock_writes_nothing(queue: QueueUnderTest, outcome: Outcome) -> None:
    """P10."""
    await queue.create()
    job = await queue.fetch_one()
    token, job.token = job.token, "somebody-else:1"
    before = await queue.get(job.id)
    assert await queue.settle(job, outcome) is Settled.LOCK_LOST
    assert await queue.get(job.id) == before
    job.token = token
    assert await queue.settle(job, Completed()) is Settled.WRITTEN


@pytest.mark.parametrize("outcome", [Completed(), FAILED, Retry(0, ""), Retry(5, ""), HandedBack()])
async def test_a_settlement_of_a_job_that_is_gone_says_so(queue: QueueUnderTest, outcome: Outcome) -> None:
    await queue.create(JobOptions(keep_completed=Retention(count=0)))
    job = await queue.work_one()
    assert await queue.settle(job, outcome) is Settled.GONE
    assert await queue.counts() == {}


async def test_a_job_is_settled_once(queue: QueueUnderTest) -> None:
    await queue.create()
    job = await queue.work_one()
    assert await queue.settle(job, FAILED) is Settled.LOCK_LOST
    assert await queue.state(job.id) == "completed"


async def test_a_lock_that_ran_out_is_lost_once_the_job_is_put_back(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.create()
    job = await queue.fetch_one(SHORT)
    await queue.recover(job.id)
    assert await queue.settle(job, Completed()) is Settled.LOCK_LOST
    assert queue.broker.extend_locks(queue.name, [job], 30).lost == [job]
    assert await queue.counts() == {"waiting": 1}


async def test_a_lock_that_ran_out_while_nobody_took_the_job_is_taken_up_again(queue: QueueUnderTest) -> None:
    """P10: an outage was longer than the lock, and its worker went on all the time."""
    await queue.broker.add([queue.new() for _ in range(2)])
    first, second = await queue.fetch(2, SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    assert list(queue.broker.extend_locks(queue.name, [first], 30).lost) == []
    assert await queue.settle(second, Completed()) is Settled.WRITTEN
    assert await queue.settle(first, FAILED) is Settled.WRITTEN
    assert await queue.counts() == {"completed": 1, "failed": 1}


async def test_of_two_starts_of_a_job_only_the_earlier_one_has_lost_its_lock(queue: QueueUnderTest) -> None:
    """P10: a worker that was not told that its retry was written holds both."""
    await queue.create()
    earlier = await queue.crash()
    later = await queue.fetch_one()
    assert list(queue.broker.extend_locks(queue.name, [earlier, later], 30).lost) == [earlier]
    assert await queue.settle(later, Completed()) is Settled.WRITTEN


async def test_a_lock_that_ran_out_is_not_taken_up_by_an_earlier_start(queue: QueueUnderTest) -> None:
    """P10: the later one has the job, whether its own lock has run out or not."""
    await queue.create()
    earlier = await queue.crash()
    later = await queue.fetch_one(SHORT)
    assert (later.id, later.starts) == (earlier.id, 2)
    await queue.let_pass(2 * SHORT.lock_s)
    assert queue.broker.extend_locks(queue.name, [earlier], 30).lost == [earlier]
    assert await queue.settle(earlier, Completed()) is Settled.LOCK_LOST
    assert await queue.settle(later, Completed()) is Settled.WRITTEN


async def test_a_renewed_lock_is_kept(queue: QueueUnderTest) -> None:
    """P10: also from a thread of its own."""
    await queue.create()
    job = await queue.fetch_one(Lease("w", lock_s=0.15))

    async def renew() -> int:
        return len((await asyncio.to_thread(queue.broker.extend_locks, queue.name, [job], 0.15)).lost)

    assert set(await queue.throughout(0.3, renew)) == {0}
    assert await queue.settle(job, Completed()) is Settled.WRITTEN


async def test_those_whose_lock_is_lost_are_told_at_renewal(queue: QueueUnderTest) -> None:
    """P10."""
    await queue.broker.add([queue.new() for _ in range(3)])
    first, second, third = await queue.fetch(3)
    await queue.settle(second, HandedBack())
    third.token = "somebody-else:1"
    assert queue.broker.extend_locks(queue.name, [first, second, third], 30).lost == [second, third]
    assert list(queue.broker.extend_locks(queue.name, [], 30).lost) == []


async def test_a_job_handed_back_is_the_next_one_and_its_attempt_is_not_used_up(queue: QueueUnderTest) -> None:
    """P7, P9."""
    ids = [await queue.create() for _ in range(3)]
    job = await queue.fetch_one()
    assert await queue.settle(job, HandedBack()) is Settled.WRITTEN
    assert await queue.ids("waiting") == ids
    again = await queue.fetch_one()
    assert (again.id, again.attempt, again.starts) == (ids[0], 1, 2)
    assert again.token != job.token
    assert (await queue.get(ids[0])).attempts_made == 0


async def test_a_job_with_a_priority_is_handed_back_before_its_equals(queue: QueueUnderTest) -> None:
    """P9."""
    ids = [await queue.create(JobOptions(priority=2)) for _ in range(3)]
    urgent = await queue.create(JobOptions(priority=1))
    await queue.work_one()
    await queue.settle(await queue.fetch_one(), HandedBack())
    assert await queue.ids("prioritized") == ids
    assert await queue.state(urgent) == "completed"


async def test_handing_back_and_fetching_in_one_exchange_gives_the_same_job(queue: QueueUnderTest) -> None:
    await queue.broker.add([queue.new(), queue.new()])
    job = await queue.fetch_one()
    exchange = await queue.broker.exchange(queue.name, [Settlement(job, HandedBack())], 1, LEASE)
    assert [fetched.id for fetched in exchange.jobs] == [job.id]


async def test_progress_is_stored_as_it_is_told(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    await queue.broker.set_progress(queue.name, job_id, '{"done": 3}')
    assert (await queue.get(job_id)).progress == '{"done": 3}'
    await queue.broker.set_progress(queue.name, job_id, "50")
    assert (await queue.get(job_id)).progress == "50"


async def test_a_log_keeps_its_last_lines(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    assert await queue.broker.logs(queue.name, job_id) == []
    for n in range(5):
        await queue.broker.add_log(queue.name, job_id, f"line {n} ☕", keep=3)
    assert await queue.broker.logs(queue.name, job_id) == ["line 2 ☕", "line 3 ☕", "line 4 ☕"]


async def test_progress_and_lines_for_a_job_that_is_gone_are_ignored(queue: QueueUnderTest) -> None:
    await queue.broker.set_progress(queue.name, "gone", "1")
    await queue.broker.add_log(queue.name, "gone", "line", keep=3)
    assert await queue.broker.get(queue.name, "gone") is None
    assert await queue.broker.logs(queue.name, "gone") == []


async def test_the_log_goes_with_its_job(queue: QueueUnderTest) -> None:
    mine = JobOptions(job_id="mine")
    await queue.create(mine)
    await queue.broker.add_log(queue.name, "mine", "line", keep=3)
    await queue.broker.remove(queue.name, "mine")
    await queue.create(mine)
    assert await queue.broker.logs(queue.name, "mine") == []


async def test_no_two_starts_have_the_same_token_whatever_their_queues(queue: QueueUnderTest) -> None:
    """P10: a worker keeps the locks of all its queues by their tokens."""
    other = QueueUnderTest(queue.broker, f"{queue.name}-other", queue.lease)
    tokens: list[str] = []
    for one in (queue, other):
        await one.create()
        tokens += [job.token for job in await one.fetch()]
    assert len(set(tokens)) == 2
