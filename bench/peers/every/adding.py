"""How every Python peer's program adds: one by one, in bulk, or after gaps. Prints the seconds and CPU it took."""

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tally import RUN, gaps, payload, payloads

AddOne = Callable[[dict[str, Any]], Any]
AddMany = Callable[[list[dict[str, Any]]], Any]


async def add_as_told(add: AddOne, add_many: AddMany | None) -> None:
    """`add` and `add_many` may be async; `add_many` None: the peer has no such thing, and one by one must do."""
    began, used = time.perf_counter(), time.process_time()
    if RUN.mode == "latency":
        for number, gap_s in enumerate(gaps()):
            await asyncio.sleep(gap_s)
            await _done(add(payload(number, time.monotonic_ns())))
    elif RUN.mode == "one-by-one" or add_many is None:
        for one in payloads():
            await _done(add(one))
    else:
        everything = list(payloads())
        began, used = time.perf_counter(), time.process_time()
        await _done(add_many(everything))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - used}))


async def at_most(number: int, add: AddOne, many: list[dict[str, Any]]) -> None:
    """For async peers without a call for many: so many adds under way at a time."""
    free = asyncio.Semaphore(number)

    async def add_in_turn(one: dict[str, Any]) -> None:
        async with free:
            await add(one)

    await asyncio.gather(*map(add_in_turn, many))


async def _done(result: Awaitable[Any] | Any) -> None:
    if inspect.isawaitable(result):
        await result
