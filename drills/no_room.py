"""Redis cannot write down what it is told."""

import asyncio
import contextlib
import time

from barback.bullmq import BullMQBroker
from barback.errors import BrokerUnavailable
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import NONE, Settings, World, eventually, until

drills = Drills()
QUICK: Settings = {"BARBACK_LOCK_S": 1.5, "BARBACK_STALLED_CHECK_S": 0.4}
CONCURRENCY = 10
RESUMES_WITHIN_S = 3.0
TOLD_WITHIN_S = 5.0


@drills.drill(
    "D9d",
    "the files of Redis may not grow, as on a full disk (MISCONF)",
    promise="P1, P20",
    passes="nothing acknowledged is lost; enqueues are refused within 5 s, saying MISCONF; work goes on within 3 s",
)
async def may_not_write(world: World, full: bool) -> Finding:
    """With appendfsync everysec, since with `always` Redis ends itself. Jobs are added all the while."""
    lasting_s, settings = (15.0, NONE) if full else (1.5, QUICK)
    server = await world.server(fsync="everysec")
    broker = await world.broker(server.url)
    await world.worker(server.url, {"WORKER_CONCURRENCY": CONCURRENCY, **settings})
    acknowledged, refusals = set[int](), list[tuple[float, str]]()
    adding = asyncio.create_task(_add_on(world, broker, acknowledged, refusals))
    await until(lambda: len(world.ledger.ended()) > 10, 20)
    server.limit_files(1)
    await eventually(lambda: _says(server, b"aof_last_write_status:err"), 10)
    await asyncio.sleep(lasting_s)
    server.limit_files(None)
    # It tries again once a second, and until then refuses all writes.
    await eventually(lambda: _says(server, b"aof_last_write_status:ok"), 10)
    ended_at = time.time()
    await until(lambda: any(line.kind == "start" and line.at > ended_at for line in world.ledger.lines()), 30)
    recovery_s = min(line.at for line in world.ledger.lines() if line.kind == "start" and line.at > ended_at) - ended_at
    adding.cancel()
    await asyncio.wait([adding])
    with contextlib.suppress(TimeoutError):
        await until(lambda: acknowledged <= world.ledger.ended(), 40)
    lost, duplicates = len(acknowledged - world.ledger.ended()), world.ledger.duplicates()
    slowest_s = max((took_s for took_s, _ in refusals), default=0.0)
    told = {told for _, told in refusals}
    failed = (await world.counts(broker)).get("failed", 0)
    passed = (
        lost == failed == 0
        and recovery_s <= RESUMES_WITHIN_S
        and duplicates <= CONCURRENCY
        and slowest_s < TOLD_WITHIN_S
        and any("MISCONF" in one for one in told)
    )
    said = f"{len(refusals)} enqueues refused after {slowest_s:.2f} s at most, {len(acknowledged)} acknowledged: "
    said += min(told, default="none was refused")
    return Finding(passed, said, lost, duplicates, failed, [recovery_s])


async def _add_on(
    world: World, broker: BullMQBroker, acknowledged: set[int], refusals: list[tuple[float, str]]
) -> None:
    number = 0
    while True:
        number += 1
        began = time.monotonic()
        try:
            await world.add(broker, [number], "sleep", 0.1)
            acknowledged.add(number)
        except BrokerUnavailable as error:
            refusals.append((time.monotonic() - began, str(error)))
        await asyncio.sleep(0.05)


async def _says(server: Valkey, what: bytes) -> bool:
    return what in await asyncio.to_thread(server.command, "INFO", "persistence")
