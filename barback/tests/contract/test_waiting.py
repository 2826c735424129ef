"""Waiting for jobs without asking again and again."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from barback.broker import HandedBack, NewFlow, QueueLimits, Retry, StoredSchedule
from barback.cron import Timing
from barback.options import JobOptions

from .under_test import FAILED, SHORT, STEP_S, QueueUnderTest

SOON_S = 1.0


@asynccontextmanager
async def woken(queue: QueueUnderTest, until: float | None = None) -> AsyncGenerator[None]:
    """Wait for jobs of an idle queue beside the body, which must wake it."""
    waiter = asyncio.create_task(wait_until_ready(queue, until))
    await asyncio.sleep(STEP_S)
    assert not waiter.done()
    started = time.monotonic()
    yield
    async with asyncio.timeout(SOON_S):
        await waiter
    assert time.monotonic() - started < SOON_S


async def wait_until_ready(queue: QueueUnderTest, until: float | None) -> None:
    """A worker's loop: a wake-up may come too early, so look, and wait again."""
    while not (await queue.exchange(1)).jobs:
        await queue.broker.wait_for_jobs(queue.name, until)


async def test_a_job_that_is_there_is_not_waited_for(queue: QueueUnderTest) -> None:
    await queue.create()
    async with asyncio.timeout(SOON_S):
        await queue.broker.wait_for_jobs(queue.name, None)


async def test_the_wait_ends_when_it_is_told_to(queue: QueueUnderTest) -> None:
    waiter = asyncio.create_task(queue.broker.wait_for_jobs(queue.name, queue.broker.now() + 0.1))

    async def ended() -> bool:
        return waiter.done()

    await queue.eventually(ended, within_s=0.5)
    async with asyncio.timeout(SOON_S):
        await queue.broker.wait_for_jobs(queue.name, queue.broker.now() - 60)


async def add(queue: QueueUnderTest) -> None:
    await queue.create()


async def add_prioritized(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(priority=3))


async def add_and_promote(queue: QueueUnderTest) -> None:
    await queue.broker.promote(queue.name, await queue.create(JobOptions(delay_s=60)))


async def add_through_a_flow(queue: QueueUnderTest) -> None:
    await queue.broker.add_flow(NewFlow(queue.new(), [NewFlow(queue.new())]))


async def put_a_due_schedule(queue: QueueUnderTest) -> None:
    schedule = StoredSchedule("daily", "any", Timing("0 3 * * *"), "{}", queue.broker.now() - 1)
    await queue.broker.put_schedule(queue.name, schedule)


@pytest.mark.parametrize("act", [add, add_prioritized, add_and_promote, add_through_a_flow, put_a_due_schedule])
async def test_a_new_job_wakes_who_waits(
    queue: QueueUnderTest, act: Callable[[QueueUnderTest], Awaitable[None]]
) -> None:
    async with woken(queue):
        await act(queue)


async def test_a_delayed_job_wakes_who_waits_when_it_is_due(queue: QueueUnderTest) -> None:
    async def wait_until_due() -> None:
        while not (exchange := await queue.exchange(1)).jobs:
            await queue.broker.wait_for_jobs(queue.name, exchange.next_at)

    waiter = asyncio.create_task(wait_until_due())
    await asyncio.sleep(STEP_S)
    await queue.create(JobOptions(delay_s=0.1))

    async def ended() -> bool:
        return waiter.done()

    await queue.eventually(ended, within_s=0.4)


async def test_a_resumed_queue_wakes_who_waits(queue: QueueUnderTest) -> None:
    await queue.broker.pause(queue.name)
    await queue.create()
    async with woken(queue):
        await queue.broker.resume(queue.name)


async def test_a_job_put_back_wakes_who_waits(queue: QueueUnderTest) -> None:
    for outcome in (HandedBack(), Retry(0, "again")):
        await queue.create()
        job = await queue.fetch_one()
        async with woken(queue):
            await queue.settle(job, outcome)
        assert await queue.counts()
    failed = await queue.create()
    await queue.settle(await queue.fetch_one(), FAILED)
    async with woken(queue):
        await queue.broker.retry(queue.name, failed)


async def test_a_recovered_job_wakes_who_waits(queue: QueueUnderTest) -> None:
    job_id = await queue.create()
    await queue.fetch_one(SHORT)
    async with woken(queue):
        await queue.recover(job_id)


async def test_a_freed_slot_wakes_who_waits(queue: QueueUnderTest) -> None:
    """B6."""
    await queue.broker.set_limits(queue.name, QueueLimits(concurrency=1))
    await queue.broker.add([queue.new(), queue.new()])
    job = await queue.fetch_one()
    async with woken(queue):
        await queue.settle(job, FAILED)


async def test_a_raised_limit_wakes_who_waits(queue: QueueUnderTest) -> None:
    await queue.broker.set_limits(queue.name, QueueLimits(concurrency=1))
    await queue.broker.add([queue.new(), queue.new()])
    await queue.fetch_one()
    async with woken(queue):
        await queue.broker.set_limits(queue.name, QueueLimits(concurrency=2))


async def test_a_wake_up_taken_by_a_cancelled_wait_is_passed_on(queue: QueueUnderTest) -> None:
    for _ in range(20):
        waiter = asyncio.create_task(queue.broker.wait_for_jobs(queue.name, None))
        await asyncio.sleep(0)
        adding = asyncio.create_task(queue.create())
        await asyncio.sleep(0)
        waiter.cancel()
        await adding
        await asyncio.gather(waiter, return_exceptions=True)
        async with asyncio.timeout(SOON_S):
            await queue.broker.wait_for_jobs(queue.name, None)
        await queue.work_one()
