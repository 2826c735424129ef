"""The Protocols Inspector and Operator over Redis, on the connection of a `BullMQBroker`."""

import time
from collections.abc import Sequence
from typing import Any, cast

from barback.broker import JobRecord, ListedState, QueueLimits
from barback.bullmq import acting, glancing, inspecting, looking
from barback.bullmq.connection import Connection, client_name
from barback.bullmq.finding import QueueFinder
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.server_info import clock_ahead_s, read_server
from barback.bullmq.swallows import read_swallows
from barback.inspector import (
    EVERYTHING,
    Acted,
    Action,
    Family,
    Glance,
    LogEnd,
    Scanned,
    Server,
    Sieve,
    Swallows,
    Target,
)

SECTIONS = ("server", "memory", "persistence", "clients")


class BullMQInspector:
    """An `Inspector` and `Operator`; made by `BullMQBroker.inspector`, and open as long as that is."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._finder = QueueFinder(connection, prefix)

    def now(self) -> float:
        return time.time()

    async def queues(self) -> list[str]:
        return await self._finder.queues()

    async def server(self) -> Server:
        infos = await self._connection.ask([("INFO", section) for section in SECTIONS])
        [save] = await self._connection.ask([("CONFIG", "GET", "save")])
        asked_at = self.now()
        [theirs] = await self._connection.ask([("TIME",)])
        ahead_s = clock_ahead_s(asked_at, theirs, self.now())
        info: dict[str, Any] = {name: value for section in infos if section for name, value in section.items()}
        return read_server(info, cast("dict[str, str]", save or {}).get("save"), ahead_s)

    async def glance(self, queues: Sequence[str]) -> list[Glance]:
        return await glancing.glance(self._connection, [self._keys(queue) for queue in queues])

    async def count(self, queue: str, state: ListedState) -> int:
        return await inspecting.count(self._connection, self._keys(queue), state)

    async def ids(self, queue: str, state: ListedState, start: int, count: int) -> list[str]:
        return await looking.read_ids(self._connection, self._keys(queue), state, start, count)

    async def scan(
        self, queue: str, state: ListedState, start: int, count: int, sieve: Sieve = EVERYTHING, *, wanted: int = 1_000
    ) -> Scanned:
        return await inspecting.scan(self._connection, self._keys(queue), state, start, count, sieve, wanted)

    async def place(self, queue: str, state: ListedState, job_id: str) -> int | None:
        return await inspecting.find_place(self._connection, self._keys(queue), state, job_id)

    async def records(self, queue: str, job_ids: Sequence[str]) -> list[JobRecord | None]:
        return await inspecting.read_many(self._connection, self._keys(queue), job_ids)

    async def limits(self, queue: str) -> QueueLimits:
        return await inspecting.read_limits(self._connection, self._keys(queue))

    async def limited_for_s(self, queue: str) -> float:
        return await inspecting.read_limited_for_s(self._connection, self._keys(queue))

    async def due_at(self, queue: str, job_id: str) -> float | None:
        return await inspecting.read_due_at(self._connection, self._keys(queue), job_id)

    async def family(self, queue: str, job_id: str) -> Family:
        return await inspecting.read_family(self._connection, self._keys(queue), job_id)

    async def log_end(self, queue: str, job_id: str, count: int) -> LogEnd:
        return await looking.read_log_end(self._connection, self._keys(queue), job_id, count)

    async def stands_for(self, queue: str, deduplication_id: str) -> str | None:
        return await self._connection.run("GET", self._keys(queue)[f"de:{deduplication_id}"])

    async def swallows(self, queue: str, job_id: str) -> Swallows:
        return await read_swallows(self._connection, self._keys(queue), job_id)

    async def listeners(self, queue: str) -> int | None:
        return await inspecting.count_listeners(self._connection, client_name(self._prefix, queue))

    async def act(self, queue: str, state: ListedState, action: Action, targets: Sequence[Target]) -> list[Acted]:
        return await acting.act(self._connection, self._keys(queue), state, action, targets, self.now())

    def _keys(self, queue: str) -> Keys:
        return keys_of(self._prefix, queue)
