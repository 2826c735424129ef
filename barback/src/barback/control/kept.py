"""A value that is asked for again only after a while, however many want it; and asking for many, some at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

AT_ONCE = 100
"""Questions on their way: more would wait for each other longer than an answer may take."""


@dataclass(slots=True)
class Asking(Generic[ValueT]):
    """An answer on its way, and how many wait for it."""

    answer: asyncio.Future[ValueT]
    waiting: int = 0


class Kept(Generic[ValueT]):
    """What `ask` answered at most `fresh_s` seconds ago.

    Whoever comes while it is asked shares that answer, and that failure: in an outage nobody waits for those before.
    Once all have left it is not asked any more: a broker may be closed then.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[ValueT]],
        fresh_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._fresh_s, self._clock = ask, fresh_s, clock
        self._asking: Asking[ValueT] | None = None
        self._kept: tuple[float, ValueT] | None = None
        """Until when it is fresh, and the value."""

    async def get(self) -> ValueT:
        """What `ask` raises is raised, and kept for nobody who comes later."""
        if self._kept is not None and self._clock() < self._kept[0]:
            return self._kept[1]
        asking = self._asking
        if asking is None:
            asking = self._asking = Asking(asyncio.ensure_future(self._ask()))
            asking.answer.add_done_callback(self._answered)
        asking.waiting += 1
        try:
            # One who leaves takes the answer from nobody else.
            return await asyncio.shield(asking.answer)
        finally:
            asking.waiting -= 1
            if not asking.waiting and not asking.answer.done():
                asking.answer.cancel()
                self._asking = None if self._asking is asking else self._asking

    def forget(self) -> None:
        """Ask anew the next time: somebody changed it."""
        self._kept = self._asking = None

    def _answered(self, asked: asyncio.Future[ValueT]) -> None:
        is_new = self._asking is not None and asked is self._asking.answer
        if is_new:
            self._asking = None
        # Looked at in any case: asyncio complains of an error that nobody has seen.
        if not asked.cancelled() and asked.exception() is None and is_new:
            self._kept = (self._clock() + self._fresh_s, asked.result())


async def ask_each(
    keys: Sequence[KeyT], ask: Callable[[KeyT], Awaitable[ValueT]], at_once: int = AT_ONCE
) -> list[ValueT]:
    """The answers in the order of `keys`, `at_once` of them asked for at a time."""
    free = asyncio.Semaphore(at_once)

    async def one(key: KeyT) -> ValueT:
        async with free:
            return await ask(key)

    return await asyncio.gather(*map(one, keys))
