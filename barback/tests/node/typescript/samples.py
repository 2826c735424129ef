"""Payloads of the torture app, as they are on the wire, and a worker's lease."""

from typing import Any

from barback.broker import FetchedJob, Lease
from barback.bullmq import BullMQBroker

LEASE = Lease("python", lock_s=60.0)
ID = "9b2c1e0e-0000-4000-8000-00000000000a"
SCALARS: dict[str, Any] = {
    "flag": True, "whole": 1, "real": 1.5, "text": "", "id": ID, "day": "2026-01-01", "clock": "10:00",
    "moment": "2026-01-01T10:00:00Z", "span": "PT1S", "price": 1, "level": 1, "size": None,
}  # fmt: skip
THREAD = {"text": "a", "replies": [{"text": "b"}]}
NESTED: dict[str, Any] = {
    "payment": {"kind": "cash", "given": "1.50"},
    "thread": THREAD,
    "threads": {"items": []},
    "numbers": {"items": [1]},
    "maybe": None,
    "either": None,
    "pair": [1, "a"],
    "byName": {},
    "byColour": {},
    "on": {"date": "2026-01-31"},
}


async def fetch(broker: BullMQBroker) -> FetchedJob:
    """The next job."""
    fetched = await fetch_any(broker)
    assert fetched is not None
    return fetched


async def fetch_any(broker: BullMQBroker) -> FetchedJob | None:
    """The next job, if one waits."""
    return next(iter((await broker.exchange("torture", [], 1, LEASE)).jobs), None)
