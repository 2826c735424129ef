"""Which queues are stored: looked for among all keys, some at a time."""

import asyncio
import time
from math import inf

from barback.bullmq.connection import Connection
from barback.bullmq.tending import glob

KEYS_A_STEP = 5_000
"""Redis goes through so many in some milliseconds."""
LOOK_FOR_S = 0.02
"""How long one call looks, after the first, which looks at all; where it stopped the next one goes on.

Somebody waits for it, and apps publish their queues anyway: what it finds is new to nobody but those who look.
"""
KNOWN_FOR_S = 5.0


class QueueFinder:
    """The queues under one prefix; remembers what it found."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._cursor = 0
        self._found: set[str] = set()
        """In the round that is under way."""
        self._known: set[str] = set()
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()
        """Two who look at once would each see a half of the keys."""

    async def queues(self) -> list[str]:
        """By name. One that is new or gone may be seen so some seconds later."""
        async with self._looking:
            now = time.monotonic()
            if self._looked_at is None:
                await self._look(inf)
            elif self._cursor or now - self._looked_at > KNOWN_FOR_S:
                await self._look(now + LOOK_FOR_S)
            return sorted(self._known)

    async def _look(self, until: float) -> None:
        while True:
            self._cursor, found = await self._step(self._cursor)
            self._found |= found
            self._known |= found
            if not self._cursor:
                self._known, self._found = self._found, set()
                self._looked_at = time.monotonic()
                return
            if time.monotonic() > until:
                return

    async def _step(self, cursor: int) -> tuple[int, set[str]]:
        before, after = f"{self._prefix}:", ":meta"
        pattern = f"{glob(before)}*{after}"
        told = await self._connection.run("SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_A_STEP, "TYPE", "hash")
        names = {str(key).removeprefix(before).removesuffix(after) for key in told[1]}
        # BullMQ allows no ':' in the name of a queue: those are keys of a job of such an id.
        return int(told[0]), {name for name in names if name and ":" not in name}
