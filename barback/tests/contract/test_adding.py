"""Adding jobs: durable, answered, in order."""

import pytest

from barback.answers import Created, Swallowed
from barback.broker import LISTED_STATES, Broker, Completed, NewJob, Retry
from barback.options import Deduplication, JobOptions, Retention
from barback.retry import Exponential, Fixed

from .under_test import FAILED, KEEP_ALL, QueueUnderTest


async def test_an_added_job_waits_with_all_that_was_said_of_it(queue: QueueUnderTest) -> None:
    """P1, P6."""
    options = JobOptions(
        attempts=4, backoff=Exponential(first_s=2, longest_s=60, jitter=0.5), on_failure="ignore", keep_logs=7
    )
    job_id = await queue.create(options, data='{"cafeId": 1}', name="process-cafe")
    record = await queue.get(job_id)
    assert (record.queue, record.id, record.name, record.data) == (queue.name, job_id, "process-cafe", '{"cafeId": 1}')
    assert record.options == options
    assert record.state == "waiting"
    assert record.added_at == pytest.approx(queue.broker.now(), abs=1.0)
    assert (record.attempts_made, record.starts, record.crashes, record.progress) == (0, 0, 0, "0")
    assert (record.result, record.failed_reason, record.stacktraces) == (None, None, ())
    assert (record.started_at, record.finished_at, record.parent, record.schedule_id) == (None, None, None, None)


@pytest.mark.parametrize(
    "options",
    [
        JobOptions(),
        JobOptions(priority=7, attempts=3, backoff=Fixed(1.5, 0.25)),
        JobOptions(delay_s=3600.5, lifo=True, keep_stacktraces=0),
        JobOptions(keep_completed=Retention(count=3), keep_failed=Retention(age_s=60)),
        JobOptions(keep_completed=Retention(count=0), keep_failed=KEEP_ALL, on_failure="fail-parent"),
        JobOptions(deduplicate=Deduplication("k", ttl_s=5, extend=True, replace=True, keep_last_if_active=True)),
        JobOptions(on_failure="continue-parent"),
        JobOptions(on_failure="remove"),
    ],
)
async def test_every_option_is_read_back_as_it_was_given(queue: QueueUnderTest, options: JobOptions) -> None:
    assert (await queue.get(await queue.create(options))).options == options


async def test_automatic_ids_are_integers_that_count_up(queue: QueueUnderTest) -> None:
    answers = await queue.broker.add([queue.new(), queue.new(), queue.new()])
    assert answers == [Created("1"), Created("2"), Created("3")]


async def test_a_custom_id_is_the_jobs_id_and_uses_up_a_number_of_the_automatic_ones(queue: QueueUnderTest) -> None:
    assert await queue.add(JobOptions(job_id="berlin")) == Created("berlin")
    assert await queue.add() == Created("2")


async def test_jobs_of_several_queues_are_answered_in_their_order(broker: Broker, queue_name: str) -> None:
    """P5."""
    other = f"{queue_name}-other"
    answers = await broker.add(
        [NewJob(queue_name, "a", "{}"), NewJob(other, "b", "{}", JobOptions(job_id="x")), NewJob(queue_name, "c", "{}")]
    )
    assert answers == [Created("1"), Created("x"), Created("2")]
    assert [record.name for record in await broker.list_jobs(queue_name, "waiting", 0, 9)] == ["a", "c"]
    assert [record.name for record in await broker.list_jobs(other, "waiting", 0, 9)] == ["b"]


async def test_nothing_added_is_nothing_answered(broker: Broker) -> None:
    assert await broker.add([]) == []


async def test_any_number_is_added_in_order(queue: QueueUnderTest) -> None:
    answers = await queue.broker.add([queue.new(data=str(n)) for n in range(450)])
    assert answers == [Created(str(n + 1)) for n in range(450)]
    waiting = await queue.broker.list_jobs(queue.name, "waiting", 0, 1000)
    assert [record.data for record in waiting] == [str(n) for n in range(450)]


async def test_an_answer_far_down_a_long_list_says_in_which_state_the_swallower_is(queue: QueueUnderTest) -> None:
    """P5."""
    delayed = JobOptions(job_id="slow", delay_s=60)
    answers = await queue.broker.add([queue.new(delayed), *(queue.new() for _ in range(300)), queue.new(delayed)])
    assert answers[-1] == Swallowed("slow", "delayed")


async def test_data_arrives_character_by_character(queue: QueueUnderTest) -> None:
    """P18."""
    data = '{"ä": "\\ud83d\\ude00 \u2028 ☕", "n": 9007199254740993, "x": 1.0, "": [null, {}], "e": "a\\u0000b"}'
    await queue.create(data=data)
    assert (await queue.fetch_one()).data == data


async def test_a_custom_id_swallows_in_whatever_state_its_job_is(queue: QueueUnderTest) -> None:
    """P5."""
    again = JobOptions(job_id="x", attempts=9)
    await queue.create(again)
    assert await queue.add(again) == Swallowed("x", "waiting")
    job = await queue.fetch_one()
    assert await queue.add(again) == Swallowed("x", "active")
    await queue.settle(job, Retry(60, "later"))
    assert await queue.add(again) == Swallowed("x", "delayed")
    await queue.broker.promote(queue.name, "x")
    await queue.work_one(FAILED)
    assert await queue.add(again) == Swallowed("x", "failed")
    await queue.broker.retry(queue.name, "x")
    await queue.work_one(Completed("1"))
    assert await queue.add(again, data='"new"') == Swallowed("x", "completed")
    assert (await queue.get("x")).data == "{}"


async def test_a_custom_id_is_free_again_once_its_job_is_gone(queue: QueueUnderTest) -> None:
    gone = JobOptions(job_id="x", keep_completed=Retention(count=0))
    await queue.create(gone)
    await queue.work_one()
    assert await queue.add(gone) == Created("x")
    assert await queue.broker.remove(queue.name, "x")
    assert await queue.add(gone) == Created("x")


async def test_a_delayed_job_is_ready_when_it_is_due_and_not_before(queue: QueueUnderTest) -> None:
    job_id = await queue.create(JobOptions(delay_s=0.1))
    due_at = (await queue.get(job_id)).added_at + 0.1
    exchange = await queue.exchange()
    assert exchange.jobs == []
    assert exchange.next_at == pytest.approx(due_at, abs=0.002)
    assert await queue.counts() == {"delayed": 1}
    job = (await queue.eventually(queue.fetch))[0]
    assert job.id == job_id
    assert due_at - 0.002 <= job.started_at < due_at + 0.2


async def test_every_state_has_a_count_even_of_a_queue_nobody_ever_used(queue: QueueUnderTest) -> None:
    assert await queue.broker.counts(queue.name) == dict.fromkeys(LISTED_STATES, 0)
