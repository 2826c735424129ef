"""Bounds over all workers of a queue."""

import pytest

from barback.broker import Completed, Exchange, Lease, NewFlow, QueueLimits
from barback.options import JobOptions

from .under_test import FAILED, QueueUnderTest

OTHER = Lease("other", lock_s=30)


async def test_no_more_jobs_are_active_than_the_limit_allows(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(concurrency=2))
    await queue.broker.add([queue.new() for _ in range(5)])
    held = await queue.fetch(5)
    assert len(held) == 2
    assert await queue.fetch(5, OTHER) == []
    await queue.settle(held[0], Completed())
    assert len(await queue.fetch(5, OTHER)) == 1
    assert (await queue.counts())["active"] == 2


async def test_a_lifted_limit_lets_all_jobs_run(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(concurrency=1))
    await queue.broker.add([queue.new() for _ in range(3)])
    await queue.fetch(3)
    await queue.broker.set_limits(queue.name, QueueLimits())
    assert len(await queue.fetch(3)) == 2


async def test_no_more_jobs_start_in_a_period_than_the_rate_allows(queue: QueueUnderTest) -> None:
    """B5: the answer says until when."""
    await queue.broker.set_limits(queue.name, QueueLimits(rate=(2, 0.15)))
    await queue.broker.add([queue.new() for _ in range(5)])
    started = queue.broker.now()
    exchange = await queue.exchange(5)
    assert len(exchange.jobs) == 2
    assert exchange.limited_until == pytest.approx(started + 0.15, abs=0.05)

    async def more() -> Exchange | None:
        exchange = await queue.exchange(5)
        return exchange if exchange.jobs else None

    again = await queue.eventually(more)
    assert again is not None
    assert queue.broker.now() >= started + 0.14
    assert len(again.jobs) == 2
    assert again.limited_until is not None


async def test_a_finished_job_gives_nothing_back_to_the_rate(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(rate=(1, 60)))
    await queue.broker.add([queue.new() for _ in range(2)])
    await queue.work_one(FAILED)
    exchange = await queue.exchange(1)
    assert exchange.jobs == []
    assert exchange.limited_until == pytest.approx(queue.broker.now() + 60, abs=1)


async def test_a_rate_that_is_not_used_up_limits_nothing(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(rate=(3, 60)))
    await queue.create()
    await queue.work_one()
    assert (await queue.exchange(1)).limited_until is None


async def test_a_lifted_rate_lets_all_jobs_run(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(rate=(1, 60)))
    await queue.broker.add([queue.new() for _ in range(3)])
    assert len(await queue.fetch(3)) == 1
    await queue.broker.set_limits(queue.name, QueueLimits())
    assert len(await queue.fetch(3)) == 2


async def test_a_job_that_only_is_to_be_failed_does_not_count_for_the_rate(queue: QueueUnderTest) -> None:
    """A parent that fails with its child."""
    child = JobOptions(on_failure="fail-parent")
    await queue.broker.add_flow(NewFlow(queue.new(JobOptions(job_id="parent")), [NewFlow(queue.new(child))]))
    await queue.work_one(FAILED)
    await queue.broker.set_limits(queue.name, QueueLimits(rate=(1, 60)))
    await queue.create()
    doomed = [job.id for job in await queue.fetch(2)]
    assert "parent" in doomed
    assert len(doomed) == 2
    assert (await queue.exchange(1)).limited_until is not None
