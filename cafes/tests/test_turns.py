"""One at a time for each key."""

import asyncio
import gc

from cafes.turns import Turns


async def test_one_key_is_taken_in_turns_and_another_at_once() -> None:
    turns = Turns()
    seen: list[str] = []

    async def take(key: str, name: str) -> None:
        async with turns.of(key):
            seen.append(f"{name} begins")
            await asyncio.sleep(0)
            seen.append(f"{name} ends")

    await asyncio.gather(take("a", "first"), take("a", "second"), take("b", "other"))
    assert seen == ["first begins", "other begins", "first ends", "other ends", "second begins", "second ends"]


async def test_keys_that_nobody_waits_for_are_forgotten() -> None:
    turns = Turns()
    for number in range(100):
        async with turns.of(number):
            pass
    gc.collect()
    assert len(turns._locks) <= 1
