"""A broker over a real Valkey, its inspector, and jobs written as a producer of any language would."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from barback.bullmq import BullMQBroker
from barback.bullmq.connection import Call
from barback.bullmq.inspector import BullMQInspector


@dataclass(frozen=True, slots=True)
class Store:
    """One queue, written by hand."""

    broker: BullMQBroker
    queue: str

    @property
    def inspector(self) -> BullMQInspector:
        return self.broker.inspector

    async def put(self, job_id: str, state: str = "failed", score: int = 0, **fields: Any) -> None:
        """A job's hash and its place: a list's left end, or a set."""
        base = f"bull:{self.queue}:"
        stored = {"name": "any", "data": "{}", "opts": "{}", "timestamp": 1_700_000_000_000} | fields
        flat = [part for pair in stored.items() for part in pair]
        place = ("LPUSH", f"{base}wait", job_id) if state == "waiting" else ("ZADD", f"{base}{state}", score, job_id)
        commands = [("HSET", f"{base}{job_id}", *flat), place, ("HSET", f"{base}meta", "version", "bullmq:6.7.0")]
        await self.broker._connection.run_all([Call(commands)])

    async def put_many(self, jobs: Mapping[str, Mapping[str, Any]], state: str = "failed") -> None:
        for number, (job_id, fields) in enumerate(jobs.items()):
            await self.put(job_id, state, 1_700_000_000_000 + number, **fields)


@pytest.fixture
async def store(valkey_url: str, queue_name: str) -> AsyncIterator[Store]:
    broker = BullMQBroker(valkey_url)
    await broker.open()
    yield Store(broker, queue_name)
    await broker.close()
