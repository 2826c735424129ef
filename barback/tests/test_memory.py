"""What is the memory broker's own: its clock. All else it shares with BullMQ's (`contract/`)."""

import asyncio

import pytest

from barback.broker import Broker, Lease, NewJob
from barback.memory import MemoryBroker
from barback.options import JobOptions

LEASE = Lease("tester")


async def test_its_clock_starts_where_it_is_told_and_moves_by_hand_only() -> None:
    broker = MemoryBroker(now=1000.0)
    assert broker.now() == 1000.0
    await asyncio.sleep(0.01)
    assert broker.now() == 1000.0
    await broker.move_clock(2.5)
    assert broker.now() == 1002.5


async def test_its_clock_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match=r"move_clock: expected 0 s or more, got -1\."):
        await MemoryBroker().move_clock(-1)


async def test_three_steps_of_a_tenth_are_three_tenths() -> None:
    broker = MemoryBroker(now=0.0)
    await broker.add([NewJob("q", "any", "{}", JobOptions(delay_s=0.3))])
    for _ in range(3):
        await broker.move_clock(0.1)
    assert len((await broker.exchange("q", [], 1, LEASE)).jobs) == 1


async def test_who_waits_is_woken_before_moving_the_clock_returns() -> None:
    broker = MemoryBroker()
    waiter = asyncio.create_task(broker.wait_for_jobs("q", broker.now() + 60))
    await asyncio.sleep(0)
    await broker.move_clock(59)
    assert not waiter.done()
    await broker.move_clock(1)
    await asyncio.sleep(0)
    assert waiter.done()


async def test_it_keeps_what_was_added_when_it_is_closed_and_opened_again() -> None:
    broker: Broker = MemoryBroker()
    await broker.open()
    await broker.add([NewJob("q", "any", "{}")])
    await broker.close()
    await broker.open()
    assert (await broker.counts("q"))["waiting"] == 1
