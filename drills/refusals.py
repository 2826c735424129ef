"""Whoever enqueues while Redis is there and does not serve is told so, soon."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from barback.bullmq import BullMQBroker
from barback.errors import BrokerUnavailable
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import World, eventually

drills = Drills()
TOLD_WITHIN_S = 5.0
TAKEN_AGAIN_WITHIN_S = 3.0
STORED = 2_000
"""So many jobs there are to load."""
COMMANDS_A_JOB = 8
BUSY_AFTER_MS = "300"


async def _load(server: Valkey, for_s: float) -> None:
    """Killed, and long in reading what it has. Clients are looked at once in 1024 commands: they must be many."""
    await asyncio.to_thread(server.stop)
    delay_us = str(int(for_s * 1e6 / STORED / COMMANDS_A_JOB))
    await asyncio.to_thread(server.start, "--key-load-delay", delay_us, ready=False)
    await eventually(lambda: asyncio.to_thread(server.answers), for_s + 60)


async def _fill(server: Valkey, for_s: float) -> None:
    await _ask(server, "CONFIG", "SET", "maxmemory", "1mb")
    await asyncio.sleep(for_s)
    await _ask(server, "CONFIG", "SET", "maxmemory", "0")


async def _be_silent(server: Valkey, for_s: float) -> None:
    await _ask(server, "CONFIG", "SET", "busy-reply-threshold", "60000")
    await _spin(server, for_s)


async def _be_busy(server: Valkey, for_s: float) -> None:
    await _ask(server, "CONFIG", "SET", "busy-reply-threshold", BUSY_AFTER_MS)
    await _spin(server, for_s)


async def _spin(server: Valkey, for_s: float) -> None:
    # Redis's own clock stands still within a script.
    script = f"local ends = os.clock() + {for_s} while os.clock() < ends do end"
    await asyncio.to_thread(server.command, "EVAL", script, "0", timeout_s=for_s + 60)


async def _ask(server: Valkey, *words: str) -> None:
    answer = await asyncio.to_thread(server.command, *words)
    assert answer.startswith(b"+"), answer


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with Redis, for how long (short, full), and what an enqueue is told."""

    name: str
    told: str
    lasting_s: tuple[float, float]
    cause: Callable[[Valkey, float], Awaitable[None]]


TROUBLES = (
    Trouble("is loading", "still loading", (1.0, 4.0), _load),
    Trouble("is full", "maxmemory", (0.5, 5.0), _fill),
    Trouble("is silent in a slow script", "no answer in time", (2.3, 4.0), _be_silent),
    Trouble("is BUSY with a slow script", "BUSY", (0.8, 8.0), _be_busy),
)


@drills.drill(
    "D9c",
    "jobs are enqueued while Redis loads, is full, or runs a slow script",
    promise="P1, P20",
    passes="refused within 5 s with what is the matter; taken within 3 s of its end; what was acknowledged is there",
)
async def refused_in_time(world: World, full: bool) -> Finding:
    """Full: for up to 12 s."""
    server = await world.server()
    broker = await world.broker(server.url)
    await world.add(broker, range(STORED))
    acknowledged = STORED
    wrong: list[str] = []
    slowest_s, recoveries_s = 0.0, list[float]()
    for trouble in TROUBLES:
        causing = asyncio.create_task(_cause(trouble, server, full))
        told: list[str] = []
        while not causing.done():
            took_s, refusal = await _enqueue(world, broker)
            slowest_s = max(slowest_s, took_s)
            acknowledged += refusal is None
            told += [refusal] if refusal else []
            await asyncio.sleep(0.05)
        ended_at = await causing
        await eventually(lambda: _is_taken(world, broker), 30)
        acknowledged += 1
        recoveries_s.append(time.monotonic() - ended_at)
        if not any(trouble.told in refusal for refusal in told):
            wrong.append(f"while it {trouble.name} an enqueue was told {sorted(set(told)) or 'nothing'}")
    stored = (await world.counts(broker)).get("waiting", 0)
    lost = max(0, acknowledged - stored)
    passed = not wrong and lost == 0 and slowest_s < TOLD_WITHIN_S and max(recoveries_s) < TAKEN_AGAIN_WITHIN_S
    said = f"told after {slowest_s:.1f} s at most; of {acknowledged:,} acknowledged jobs {lost} are not there"
    return Finding(passed, "; ".join([said, *wrong]), lost, recoveries_s=recoveries_s)


async def _is_taken(world: World, broker: BullMQBroker) -> bool:
    return (await _enqueue(world, broker))[1] is None


async def _cause(trouble: Trouble, server: Valkey, full: bool) -> float:
    """When it was over, by the monotonic clock."""
    await trouble.cause(server, trouble.lasting_s[full])
    return time.monotonic()


async def _enqueue(world: World, broker: BullMQBroker) -> tuple[float, str | None]:
    """How long it took to be answered, and with what; None: it was taken."""
    began = time.monotonic()
    try:
        await world.add(broker, [0])
    except BrokerUnavailable as error:
        return time.monotonic() - began, str(error)
    return time.monotonic() - began, None
