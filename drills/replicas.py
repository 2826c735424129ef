"""A replica takes its master's place before anybody has seen what it lacks."""

import asyncio
import contextlib

from barback.options import JobOptions
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import Settings, World, eventually, until

drills = Drills()
QUICK: Settings = {"BARBACK_LOCK_S": 1.5, "BARBACK_STALLED_CHECK_S": 0.4}


@drills.drill(
    "D16b",
    "a replica is promoted right after its master took jobs that it lacks",
    promise="P21",
    passes="the worker's log says that jobs are, or may be, lost; all that the replica has is worked",
)
async def unseen_loss(world: World, full: bool) -> Finding:
    """The lost ones are delayed by an hour, so that none of them can have been worked. Full: three times."""
    finding = Finding(False, "")
    for turn in range(3 if full else 1):
        finding = await _one(world.beside(f"turn-{turn}"), lost_jobs=20)
        if not finding.passed:
            break
    return finding


async def _one(world: World, lost_jobs: int) -> Finding:
    master = await world.server()
    replica = await world.server("--replicaof", "127.0.0.1", str(master.port))
    await eventually(lambda: _says(replica, b"master_link_status:up"), 20)
    proxy = await world.proxy(master)
    worker = await world.worker(proxy.url, QUICK)
    broker = await world.broker(master.url)
    kept = set(range(40))
    await world.add(broker, range(20), "sleep", 0.05)
    await world.add(broker, range(20, 40), "sleep", 1.5)
    await world.finished(broker, 20, 20)
    await asyncio.to_thread(master.command, "WAIT", "1", "5000")
    await asyncio.to_thread(replica.command, "REPLICAOF", "127.0.0.1", "1")
    await world.add(broker, range(100, 100 + lost_jobs), options=JobOptions(delay_s=3600.0))
    await asyncio.to_thread(master.stop)
    await asyncio.to_thread(replica.command, "REPLICAOF", "NO", "ONE")
    proxy.lead_to(replica.url)
    told_s = await until(lambda: worker.events("jobs lost") or worker.events("jobs may be lost"), 20)
    other = await world.broker(replica.url)

    async def all_done() -> bool:
        return kept <= world.ledger.ended() and not {"waiting", "active"} & set(await world.counts(other))

    with contextlib.suppress(TimeoutError):
        await eventually(all_done, 30)
    counts = await world.counts(other)
    lost = kept - world.ledger.ended()
    [first, *_] = worker.events("jobs")
    said = f"{lost_jobs} acknowledged jobs were not in the replica, told after {told_s:.1f} s: {first['reason']}"
    passed = not lost and counts.get("completed", 0) == len(kept) and counts.get("failed", 0) == 0
    return Finding(passed, said, len(lost), world.ledger.duplicates(), counts.get("failed", 0), [told_s])


async def _says(server: Valkey, what: bytes) -> bool:
    return what in await asyncio.to_thread(server.command, "INFO", "replication")
