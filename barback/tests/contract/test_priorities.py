"""In which order waiting jobs run (P17)."""

from barback.options import HIGHEST_PRIORITY_NUMBER, JobOptions

from .under_test import QueueUnderTest


async def test_a_lower_number_runs_first_and_jobs_without_one_before_all(queue: QueueUnderTest) -> None:
    """P17."""
    numbers = [5, 0, 1, HIGHEST_PRIORITY_NUMBER, 5, 0, 2]
    ids = [await queue.create(JobOptions(priority=number)) for number in numbers]
    assert await queue.counts() == {"waiting": 2, "prioritized": 5}
    expected = [ids[1], ids[5], ids[2], ids[6], ids[0], ids[4], ids[3]]
    assert [*await queue.ids("waiting"), *await queue.ids("prioritized")] == expected
    assert await queue.run_order() == expected


async def test_within_one_priority_the_first_comes_first(queue: QueueUnderTest) -> None:
    """P17."""
    ids = [await queue.create(JobOptions(priority=3)) for _ in range(12)]
    assert await queue.run_order() == ids


async def test_lifo_turns_the_order_round(queue: QueueUnderTest) -> None:
    """P17."""
    first = await queue.create()
    lifo = [await queue.create(JobOptions(lifo=True)) for _ in range(3)]
    assert await queue.ids("waiting") == [*reversed(lifo), first]
    assert await queue.run_order() == [*reversed(lifo), first]


async def test_lifo_changes_nothing_among_jobs_with_a_priority(queue: QueueUnderTest) -> None:
    ids = [await queue.create(JobOptions(priority=1, lifo=True)) for _ in range(3)]
    assert await queue.run_order() == ids


async def test_a_delayed_job_waits_by_its_priority_once_it_is_due(queue: QueueUnderTest) -> None:
    later = await queue.create(JobOptions(priority=3))
    delayed = await queue.create(JobOptions(priority=2, delay_s=0.02))
    plain = await queue.create(JobOptions(delay_s=0.03))
    await queue.let_pass(0.06)
    assert await queue.run_order() == [plain, delayed, later]


async def test_a_due_job_waits_behind_the_waiting_ones_even_if_it_is_lifo(queue: QueueUnderTest) -> None:
    delayed = await queue.create(JobOptions(delay_s=0.02, lifo=True))
    waiting = await queue.create()
    await queue.let_pass(0.05)
    assert await queue.run_order() == [waiting, delayed]


async def test_delayed_jobs_are_listed_and_run_by_their_moment_then_by_their_adding(queue: QueueUnderTest) -> None:
    delays = [0.06, 0.02, 0.04]
    jobs = [queue.new(JobOptions(delay_s=delay_s)) for delay_s in delays for _ in range(2)]
    await queue.broker.add(jobs)
    expected = ["3", "4", "5", "6", "1", "2"]
    assert await queue.ids("delayed") == expected
    await queue.let_pass(0.1)
    assert await queue.run_order() == expected
