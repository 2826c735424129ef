"""Waiting in tests: ask again and again, until a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

ValueT = TypeVar("ValueT")

STEP_S = 0.005


async def eventually(probe: Callable[[], Awaitable[ValueT]], within_s: float = 20.0) -> ValueT:
    """Ask until the answer is true; the answer."""
    deadline = time.monotonic() + within_s
    while not (value := await probe()):
        assert time.monotonic() < deadline, f"not within {within_s} s; last answer: {value!r}"
        await asyncio.sleep(STEP_S)
    return value
