"""Ending a job that runs, from outside."""

import asyncio

import pytest

from barback.broker import Completed, FetchedJob, HandedBack, Settled
from barback.errors import BrokerError

from .under_test import SHORT, QueueUnderTest


async def renew(queue: QueueUnderTest, *jobs: FetchedJob) -> list[tuple[str, str]]:
    renewal = await asyncio.to_thread(queue.broker.extend_locks, queue.name, jobs, 30)
    return [(job.id, reason) for job, reason in renewal.cancelled]


async def test_the_worker_is_told_when_it_renews_and_told_once(queue: QueueUnderTest) -> None:
    await queue.broker.add([queue.new() for _ in range(2)])
    first, second = await queue.fetch(2)
    await queue.broker.cancel(queue.name, second.id, "wrong city\nentirely")
    assert await renew(queue, first, second) == [(second.id, "wrong city\nentirely")]
    assert await renew(queue, first, second) == []
    assert await queue.settle(second, Completed()) is Settled.WRITTEN


async def test_a_job_that_nobody_works_cannot_be_cancelled(queue: QueueUnderTest) -> None:
    waiting = await queue.create()
    with pytest.raises(BrokerError, match="was not cancelled: it is "):
        await queue.broker.cancel(queue.name, waiting, "because")
    await queue.fetch_one(SHORT)
    await queue.let_pass(2 * SHORT.lock_s)
    with pytest.raises(BrokerError, match="was not cancelled: it is "):
        await queue.broker.cancel(queue.name, waiting, "because")
    with pytest.raises(BrokerError, match="was not cancelled: it is "):
        await queue.broker.cancel(queue.name, "never-there", "because")


async def test_only_the_start_that_ran_then_is_meant(queue: QueueUnderTest) -> None:
    """A job that had ended by then and is run again is another matter."""
    await queue.create()
    job = await queue.fetch_one()
    await queue.broker.cancel(queue.name, job.id, "because")
    await queue.settle(job, HandedBack())
    again = await queue.fetch_one()
    assert again.id == job.id
    assert await renew(queue, again) == []


async def test_who_lost_the_job_does_not_take_the_request_away_from_who_has_it(queue: QueueUnderTest) -> None:
    """P24."""
    await queue.create()
    lost = await queue.crash()
    held = await queue.fetch_one()
    await queue.broker.cancel(queue.name, held.id, "because")
    assert await renew(queue, lost) == []
    assert await renew(queue, held) == [(held.id, "because")]
