"""Workers are asked to stop."""

import asyncio
import signal
import time
from typing import Any

from drills.drill import Drills, Finding
from drills.world import WorkerProcess, World, until

drills = Drills()


def _report(worker: WorkerProcess) -> dict[str, Any]:
    """What it said when it stopped; empty: nothing."""
    said = worker.events("worker stopped")
    return said[-1] if said else {}


@drills.drill("D4", "SIGTERM while short jobs run", promise="P22", passes="exit 0, no duplicate, none lost")
async def with_short_jobs(world: World, full: bool) -> Finding:
    """Two workers, one stopped in the middle."""
    jobs = 2_000 if full else 300
    server = await world.server()
    broker = await world.broker(server.url)
    stopped = await world.worker(server.url)
    await world.add(broker, range(jobs), "sleep", 0.05)
    await until(lambda: len(world.ledger.ended()) > jobs // 10, 20)
    stopped.send(signal.SIGTERM)
    took_s = await stopped.ended(10)
    await world.worker(server.url)
    await until(lambda: len(world.ledger.ended()) == jobs, 60)
    duplicates = world.ledger.duplicates()
    passed = stopped.code == 0 and duplicates == 0 and took_s < 2 and bool(_report(stopped))
    said = f"exit {stopped.code} after {took_s:.2f} s, {_report(stopped).get('completed')} finished"
    return Finding(passed, said, jobs - len(world.ledger.ended()), duplicates)


@drills.drill(
    "D5",
    "SIGTERM while a job runs that takes longer than the grace",
    promise="P9, P22",
    passes="over within grace + 1 s, exit 0; the job waits again, its attempt not used up",
    alone=True,
)
async def with_a_long_job(world: World, full: bool) -> Finding:
    """Full: the default grace of 25 s."""
    grace_s = 25.0 if full else 1.5
    server = await world.server()
    broker = await world.broker(server.url)
    stopped = await world.worker(server.url, {"BARBACK_GRACE_S": grace_s})
    await world.add(broker, [1], "sleep", 3600)
    await until(world.ledger.starts, 10)
    stopped.send(signal.SIGTERM)
    took_s = await stopped.ended(grace_s + 10)
    job = await broker.get(world.queue, "1")
    assert job is not None
    back = job.state == "waiting" and job.attempts_made == 0 and job.crashes == 0
    passed = stopped.code == 0 and grace_s <= took_s < grace_s + 1 and back
    said = f"exit {stopped.code} {took_s - grace_s:.2f} s after the grace; the job is {job.state}"
    return Finding(
        passed, f"{said}, {job.attempts_made} attempts made, handed back: {_report(stopped).get('handed_back')}"
    )


@drills.drill("D6", "SIGTERM while Redis is down", promise="P22", passes="over within grace + 1 s", alone=True)
async def with_redis_down(world: World, full: bool) -> Finding:
    """Full: the default grace of 25 s; a job runs."""
    grace_s = 25.0 if full else 1.5
    server = await world.server()
    broker = await world.broker(server.url)
    stopped = await world.worker(server.url, {"BARBACK_GRACE_S": grace_s})
    await world.add(broker, [1], "sleep", 3600)
    await until(world.ledger.starts, 10)
    await asyncio.to_thread(server.stop)
    stopped.send(signal.SIGTERM)
    took_s = await stopped.ended(grace_s + 10)
    return Finding(took_s < grace_s + 1, f"exit {stopped.code} {took_s - grace_s:.2f} s after the grace")


@drills.drill("D6b", "a second signal", promise="P9, P22", passes="over at once, the job handed back", alone=True)
async def at_once(world: World, full: bool) -> Finding:
    """SIGINT twice."""
    server = await world.server()
    broker = await world.broker(server.url)
    stopped = await world.worker(server.url)
    await world.add(broker, [1], "sleep", 3600)
    await until(world.ledger.starts, 10)
    began = time.monotonic()
    stopped.send(signal.SIGINT)
    await asyncio.sleep(0.2)
    stopped.send(signal.SIGINT)
    await stopped.ended(10)
    took_s = time.monotonic() - began
    counts = await world.counts(broker)
    return Finding(took_s < 1.5 and counts == {"waiting": 1} and stopped.code == 0, f"{took_s:.2f} s, {counts}")


@drills.drill(
    "D20",
    "two releases side by side, replaced one after the other under load",
    promise="P2, P9, P22",
    passes="0 lost, 0 duplicates",
)
async def rolling_restart(world: World, full: bool) -> Finding:
    """Each worker is stopped with SIGTERM and replaced by one of the next release while jobs are added."""
    batches, workers = (60, 3) if full else (12, 2)
    server = await world.server()
    broker = await world.broker(server.url)
    old = [await world.worker(server.url, {"DRILLS_RELEASE": 1}) for _ in range(workers)]
    codes: list[int | None] = []

    async def roll() -> None:
        for worker in old:
            await world.worker(server.url, {"DRILLS_RELEASE": 2})
            worker.send(signal.SIGTERM)
            await worker.ended(30)
            codes.append(worker.code)

    rolling = asyncio.create_task(roll())
    for batch in range(batches):
        await world.add(broker, range(batch * 50, batch * 50 + 50), "jitter", 0.3)
        await asyncio.sleep(0.1)
    await rolling
    jobs = batches * 50
    await until(lambda: len(world.ledger.ended()) == jobs, 60)
    lost, duplicates = jobs - len(world.ledger.ended()), world.ledger.duplicates()
    passed = lost == 0 and duplicates == 0 and codes == [0] * workers
    return Finding(passed, f"{jobs:,} jobs, {workers} workers replaced, exit codes {codes}", lost, duplicates)
