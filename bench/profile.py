"""Where the microseconds of a job go, in the worker and in Redis: `python -m bench profile [--concurrency 100]`.

The CPU of a job is measured without a profiler. cProfile then says how it is shared out; it makes Python calls look
dearer than C, so the parts are shares, not stopwatch readings.
"""

import asyncio
import cProfile
import pstats
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import barback
from barback import App, Context, Payload, Producer, job, no_services
from barback.bullmq import BullMQBroker
from barback.worker import Worker
from barback.worker_options import WorkerOptions
from bench.server import Server
from bench.terminal import say

JOBS = 20_000
ROUNDS = 3
LIBRARY = str(Path(barback.__file__).parent)
ROOMS = {
    "the loop: pump, what runs": ("pump.py", "pumps.py", "running.py", "worker.py"),
    "one attempt: handler, context, payload, outcome": (
        "executor.py", "contexts.py", "outcomes.py", "payload.py", "job.py", "registry.py", "pydantic",
    ),
    "between values and BullMQ's": ("bullmq/", "msgpack", "hiredis"),
    "locks, quarantine": ("locks.py", "quarantine.py", "outage.py", "pulse.py", "recovery.py"),
    "redis-py": ("redis-py",),
    "asyncio, sockets": ("asyncio", "socket"),
}  # fmt: skip


class Cafe(Payload, frozen=True):
    cafe_id: str
    name: str
    rating: float
    tags: list[str]


@job("rate", queue="profile")
async def rate(payload: Cafe, ctx: Context[None]) -> None:
    """Does nothing."""


def print_profile(concurrency: int) -> None:
    """Work thrice, then once more under the profiler; print who used what."""
    with Server(aof=False) as server:
        worker, in_redis = min(_measure(server, concurrency) for _ in range(ROUNDS))
        asyncio.run(_enqueue(server.url))
        profiler = cProfile.Profile()
        profiler.enable()
        asyncio.run(_work(server.url, concurrency))
        profiler.disable()
        server.empty()
    say(f"{JOBS:,} jobs, {concurrency} at a time: {worker:.1f} µs of the worker's CPU a job, {in_redis:.1f} of Redis's")
    shares = _shares(cast("Any", pstats.Stats(profiler)).stats)
    for room, share in shares.most_common():
        say(f"  {room:50} {worker * share:5.1f} µs")


def _measure(server: Server, concurrency: int) -> tuple[float, float]:
    """CPU of the worker and of Redis, microseconds a job."""
    server.empty()
    asyncio.run(_enqueue(server.url))
    before = server.spent()
    worker_s = asyncio.run(_work(server.url, concurrency))
    return worker_s / JOBS * 1e6, server.spent().since(before).cpu_s / JOBS * 1e6


async def _enqueue(url: str) -> None:
    cafes = (Cafe(cafe_id=str(n), name="Café Grundmann", rating=4.5, tags=["wifi", "breakfast"]) for n in range(JOBS))
    broker = _broker(url)
    await broker.open()
    await Producer(broker).many(rate, cafes)
    await broker.close()


async def _work(url: str, concurrency: int) -> float:
    """CPU seconds."""
    broker = _broker(url)
    await broker.open()
    began = time.process_time()
    app = App(jobs=[rate], services=no_services)
    await Worker(app, broker, WorkerOptions(default_concurrency=concurrency)).run(until_drained=True)
    spent = time.process_time() - began
    await broker.close()
    return spent


def _broker(url: str) -> BullMQBroker:
    address, _, database = url.rpartition("/")
    return BullMQBroker(address, db=int(database))


def _shares(stats: dict[Any, Any]) -> Counter[str]:
    """Of each room, its own time in all: what is built into Python is its caller's."""
    own: Counter[str] = Counter()
    for (file, _, name), (_, _, own_s, _, callers) in stats.items():
        if "poll" in name:
            # Waiting.
            continue
        room = _room(name if file == "~" else file)
        if file == "~" and room == "the rest":
            for (caller, _, _), (_, _, called_s, _) in callers.items():
                own[_room(caller)] += called_s
        else:
            own[room] += own_s
    total = sum(own.values())
    return Counter({room: cast("Any", spent / total) for room, spent in own.items()})


def _room(place: str) -> str:
    place = place.removeprefix(f"{LIBRARY}/").replace("/site-packages/redis/", "redis-py")
    for room, parts in ROOMS.items():
        if any(part in place for part in parts):
            return room
    return "the rest"
