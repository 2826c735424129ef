"""A stopping worker cancels what goes on beside its jobs until that has really ended."""

import asyncio

from barback.pump import end


async def test_what_loses_its_first_cancellation_is_cancelled_again() -> None:
    lost = asyncio.Event()

    async def loses_one() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await asyncio.Event().wait()

    async def ends_at_once() -> None:
        await asyncio.Event().wait()

    running = [asyncio.create_task(loses_one()), asyncio.create_task(ends_at_once())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(running)
    assert lost.is_set()
    assert all(one.cancelled() for one in running)


async def test_nothing_to_end_ends_at_once() -> None:
    await end([])
