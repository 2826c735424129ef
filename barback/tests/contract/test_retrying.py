"""A failed attempt runs again: at once or later, and counted."""

import pytest

from barback.broker import Completed, Retry
from barback.options import JobOptions

from .under_test import FAILED, QueueUnderTest


async def test_a_retry_at_once_waits_behind_the_others(queue: QueueUnderTest) -> None:
    """P7."""
    first, second = await queue.create(), await queue.create()
    await queue.work_one(Retry(0, "no milk", "Traceback: no milk"))
    assert await queue.ids("waiting") == [second, first]
    record = await queue.get(first)
    assert (record.attempts_made, record.failed_reason) == (1, "no milk")
    assert record.stacktraces == ("Traceback: no milk",)
    await queue.work_one()
    again = await queue.fetch_one()
    assert (again.attempt, again.starts, again.stacktraces) == (2, 2, ("Traceback: no milk",))


async def test_a_later_retry_is_delayed_until_then(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(attempts=3))
    job = await queue.work_one(Retry(0.1, "no milk"))
    record = await queue.get(job.id)
    assert (record.state, record.attempts_made, record.failed_reason) == ("delayed", 1, "no milk")
    exchange = await queue.exchange()
    assert exchange.jobs == []
    assert exchange.next_at == pytest.approx(queue.broker.now() + 0.1, abs=0.05)
    [again] = await queue.eventually(queue.fetch)
    assert (again.id, again.attempt, again.starts) == (job.id, 2, 2)


async def test_a_lifo_job_retried_at_once_is_the_next_one(queue: QueueUnderTest) -> None:
    await queue.create()
    lifo = await queue.create(JobOptions(lifo=True))
    assert (await queue.work_one(Retry(0, "again"))).id == lifo
    assert (await queue.fetch_one()).id == lifo


@pytest.mark.parametrize("after_s", [0, 0.02])
async def test_a_retry_keeps_its_priority(queue: QueueUnderTest, after_s: float) -> None:
    """P17."""
    first = await queue.create(JobOptions(priority=2))
    second = await queue.create(JobOptions(priority=2))
    third = await queue.create(JobOptions(priority=3))
    await queue.work_one(Retry(after_s, "again"))
    await queue.let_pass(0.05)
    assert await queue.run_order() == [second, first, third]


async def test_a_retry_that_was_asked_for_uses_up_no_attempt(queue: QueueUnderTest) -> None:
    """P7."""
    await queue.create(JobOptions(attempts=2))
    await queue.work_one(Retry(0.02, "the till is closed", uses_attempt=False))
    [again] = await queue.eventually(queue.fetch)
    assert (again.attempt, again.starts) == (1, 2)
    assert (await queue.get(again.id)).attempts_made == 0


async def test_a_retry_that_was_asked_for_at_once_uses_up_no_attempt_either(queue: QueueUnderTest) -> None:
    """P7."""
    await queue.create()
    await queue.work_one(Retry(0, "the till is closed", uses_attempt=False))
    [again] = await queue.eventually(queue.fetch)
    assert (again.attempt, again.starts) == (1, 2)


async def test_attempts_add_up_until_the_job_has_finished(queue: QueueUnderTest) -> None:
    """P7."""
    job_id = await queue.create(JobOptions(attempts=3))
    attempts = [(await queue.work_one(Retry(0, "again"))).attempt for _ in range(2)]
    attempts.append((await queue.work_one(FAILED)).attempt)
    assert attempts == [1, 2, 3]
    assert (await queue.get(job_id)).attempts_made == 3


async def test_only_the_last_stack_traces_are_kept(queue: QueueUnderTest) -> None:
    job_id = await queue.create(JobOptions(keep_stacktraces=2))
    for n in range(3):
        await queue.work_one(Retry(0, "again", f"trace {n}"))
    assert (await queue.get(job_id)).stacktraces == ("trace 1", "trace 2")


async def test_no_stack_trace_is_kept_where_none_shall_be(queue: QueueUnderTest) -> None:
    job_id = await queue.create(JobOptions(keep_stacktraces=0))
    await queue.work_one(Retry(0, "again", "trace"))
    await queue.work_one(FAILED)
    assert (await queue.get(job_id)).stacktraces == ()


async def test_a_job_that_completes_in_the_end_still_says_what_failed_before(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    await queue.work_one(Retry(0, "no milk", "trace"))
    await queue.work_one(Completed("1"))
    record = await queue.get(job_id)
    assert (record.state, record.result, record.attempts_made) == ("completed", "1", 2)
    assert (record.failed_reason, record.stacktraces) == ("no milk", ("trace",))


async def test_a_retry_at_once_lets_due_delayed_jobs_go_first(queue: QueueUnderTest) -> None:
    retried = await queue.create()
    delayed = await queue.create(JobOptions(delay_s=0.02))
    job = await queue.fetch_one()
    await queue.let_pass(0.05)
    await queue.settle(job, Retry(0, "again"))
    assert await queue.run_order() == [delayed, retried]
