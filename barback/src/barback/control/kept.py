"""A value that is asked for again only after a while, however many want it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Kept(Generic[ValueT]):
    """What `ask` answered at most `fresh_s` seconds ago. Whoever comes while it is asked waits for that answer."""

    def __init__(
        self, ask: Callable[[], Awaitable[ValueT]], fresh_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._fresh_s, self._clock = ask, fresh_s, clock
        self._asking = asyncio.Lock()
        self._kept: tuple[float, ValueT] | None = None
        """Until when it is fresh, and the value."""

    async def get(self) -> ValueT:
        """What `ask` raises is raised, and kept for nobody."""
        async with self._asking:
            if self._kept is None or self._clock() >= self._kept[0]:
                value = await self._ask()
                self._kept = (self._clock() + self._fresh_s, value)
            return self._kept[1]

    def forget(self) -> None:
        """Ask anew the next time: somebody changed it."""
        self._kept = None
