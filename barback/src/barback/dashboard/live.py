"""Tells every open tab when something happened: one reader for all of them, one word a second at most.

A stream keeps nothing but the moment up to which it has told everything. A tab that is slow, or was in the background,
is told once what it missed: nothing is ever stored for it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from barback.errors import BarbackError

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

LOOK_EVERY_S = 1.0


class Events(Protocol):
    """What the reader asks."""

    async def last_events(self, queues: Sequence[str]) -> Mapping[str, str]:
        """The id of each queue's last event; a queue without any is left out."""
        ...


@dataclass(frozen=True, slots=True)
class Changed:
    """Something happened in these queues until `at`."""

    queues: Sequence[str]
    at: float


@dataclass(frozen=True, slots=True)
class Away:
    """Redis cannot be reached. Once it is back everything counts as changed."""

    at: float


News = Changed | Away


class Live:
    """`queues` is asked with each look. The reader runs while there is a stream."""

    def __init__(
        self, events: Events, queues: Callable[[], Awaitable[Sequence[str]]], every_s: float = LOOK_EVERY_S
    ) -> None:
        self._events = events
        self._queues = queues
        self._every_s = every_s
        self._streams = 0
        self._reader: asyncio.Task[None] | None = None
        self._seen: Mapping[str, str] | None = None
        """Of the last look; None: there was none, or Redis was away since."""
        self._noticed: dict[str, float] = {}
        """When something was noticed last, by queue."""
        self._away = False
        self._closed = False
        self._at = 0.0
        self._news = asyncio.Event()

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._streams

    @property
    def is_reading(self) -> bool:
        return self._reader is not None

    def close(self) -> None:
        """End every stream, so that a server can stop."""
        self._closed = True
        self._wake()

    async def stream(
        self, since: float = 0.0, only: Collection[str] = (), *, quiet_s: float = 15.0
    ) -> AsyncGenerator[News | None]:
        """What happens from `since` on, the `at` of an earlier news or the moment at which a page was made.

        `only`: in these queues; empty: in any. None comes when nothing happened for `quiet_s`.
        """
        told_away = False
        with self._reading():
            while not self._closed:
                to_come = self._news
                news = self._after(since, only, told_away)
                if news is not None:
                    since, told_away = news.at, isinstance(news, Away)
                elif await _came(to_come, quiet_s):
                    continue
                yield news

    @contextlib.contextmanager
    def _reading(self) -> Generator[None]:
        self._streams += 1
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(), name="dashboard-live")
        try:
            yield
        finally:
            self._streams -= 1
            if self._streams == 0:
                self._reader.cancel()
                self._reader = None

    async def _read(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self._every_s)

    async def _look(self) -> None:
        """One look. Whatever keeps it from succeeding is told to the tabs, and tried again."""
        try:
            queues = await self._queues()
            seen = await self._events.last_events(queues)
        except BarbackError:
            self._lose()
        except Exception:
            log.exception("the dashboard cannot look for events")
            self._lose()
        else:
            self._find(queues, seen)

    def _lose(self) -> None:
        if not self._away:
            self._away, self._seen = True, None
            self._wake()

    def _find(self, queues: Sequence[str], seen: Mapping[str, str]) -> None:
        before = self._seen
        changed = [queue for queue in queues if before is None or before.get(queue) != seen.get(queue)]
        self._seen = seen
        if changed or self._away:
            self._away = False
            self._wake()
            self._noticed |= dict.fromkeys(changed, self._at)

    def _wake(self) -> None:
        # Later than any news before, whatever the clock does.
        self._at = max(time.time(), self._at + 1e-3)
        self._news.set()
        self._news = asyncio.Event()

    def _after(self, since: float, only: Collection[str], told_away: bool) -> News | None:
        if self._away:
            return None if told_away else Away(self._at)
        changed = [queue for queue, at in self._noticed.items() if at > since and (not only or queue in only)]
        return Changed(changed, self._at) if changed or told_away else None


async def _came(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            return await event.wait()
    except TimeoutError:
        return False
