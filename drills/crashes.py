"""Workers and Redis are killed."""

import asyncio
import random
import signal
import time

from barback.broker import StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.options import JobOptions
from drills.app import Deed, Note
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import NONE, Settings, WorkerProcess, World, eventually, until

drills = Drills()
QUICK: Settings = {"BARBACK_LOCK_S": 1.5, "BARBACK_STALLED_CHECK_S": 0.4}
CONCURRENCY = 20


@drills.drill(
    "D1",
    "many jobs, workers and Redis killed again and again",
    promise="P1, P2, P7, P8",
    passes="0 lost, 0 falsely failed, duplicates at most the concurrency of each worker killed or cut off",
)
async def killed_again_and_again(world: World, full: bool) -> Finding:
    """Full: 20,000 jobs, 3 workers, 25 SIGKILLs, 3 restarts of Redis after a SIGKILL, default settings."""
    jobs, workers, kills, restarts = (20_000, 3, 25, 3) if full else (600, 2, 4, 1)
    settings: Settings = {"WORKER_CONCURRENCY": CONCURRENCY, **({} if full else QUICK)}
    server = await world.server()
    broker = await world.broker(server.url)
    await world.add(broker, range(jobs), "jitter", 0.25)
    running = [await world.worker(server.url, settings) for _ in range(workers)]
    for turn in range(kills):
        await asyncio.sleep(random.uniform(0.5, 1.5) if full else random.uniform(0.3, 0.6))
        victim = turn % workers
        await running[victim].kill()
        running[victim] = await world.start_worker(server.url, settings)
        if turn % (kills // restarts) == kills // restarts - 1:
            await asyncio.to_thread(_restart, server)
    counts = await world.finished(broker, jobs, within_s=240 if full else 40)
    lost = jobs - len(world.ledger.ended())
    failed = counts.get("failed", 0)
    duplicates = world.ledger.duplicates()
    # A killed Redis answers nobody: what was ending just then cannot be written down.
    most = (kills + restarts * workers) * CONCURRENCY
    passed = lost == 0 and failed == 0 and duplicates <= most and counts == {"completed": jobs}
    return Finding(
        passed,
        f"{jobs:,} jobs, {kills} kills of {workers} workers, {restarts} of Redis: {counts}, "
        f"at most {most} duplicates allowed",
        lost,
        duplicates,
        failed,
    )


def _restart(server: Valkey) -> None:
    server.stop()
    server.start()


@drills.drill(
    "D2",
    "a worker is killed; another one works its job",
    promise="P2, P7",
    passes="run again within 20 s at default settings",
    alone=True,
)
async def killed_once(world: World, full: bool) -> Finding:
    """Full: five times. Short: a lock of 1.5 s, and within 5 s."""
    rounds, within_s, settings = (5, 20.0, NONE) if full else (1, 5.0, QUICK)
    server = await world.server()
    broker = await world.broker(server.url)
    recoveries_s: list[float] = []
    for number in range(rounds):
        doomed = await world.worker(server.url, settings)
        await world.add(broker, [number], "sleep", 0.5 if number else 1.0)
        await until(lambda number=number: number in world.ledger.starts(), 10)
        killed = time.monotonic()
        await doomed.kill()
        heir = await world.worker(server.url, settings)
        await until(lambda number=number: len(world.ledger.starts()[number]) > 1, 30)
        recoveries_s.append(time.monotonic() - killed)
        await world.finished(broker, number + 1, 10)
        await heir.kill()
    counts = await world.counts(broker)
    passed = max(recoveries_s) < within_s and counts == {"completed": len(recoveries_s)}
    said = f"run again after {max(recoveries_s):.1f} s at most"
    lost, duplicates = rounds - len(world.ledger.ended()), world.ledger.duplicates()
    return Finding(passed, said, lost, duplicates, counts.get("failed", 0), recoveries_s)


@drills.drill(
    "D3",
    "a worker stands still for two locks (SIGSTOP) and goes on",
    promise="P10",
    passes="one duplicate start at most; the late outcome is refused",
)
async def stands_still(world: World, full: bool) -> Finding:
    """Full: default settings."""
    lock_s = 10.0 if full else 1.5
    settings: Settings = {} if full else QUICK
    server = await world.server()
    broker = await world.broker(server.url)
    stopped = await world.worker(server.url, settings)
    await world.add(broker, [1], "sleep", lock_s)
    await until(lambda: 1 in world.ledger.starts(), 10)
    stopped.send(signal.SIGSTOP)
    await world.worker(server.url, settings)
    await asyncio.sleep(2 * lock_s)
    stopped.send(signal.SIGCONT)
    counts = await world.finished(broker, 1, 4 * lock_s)
    await until(lambda: stopped.events("outcome refused") or stopped.events("lock lost"), 5 + lock_s)
    duplicates = world.ledger.duplicates()
    refused = len(stopped.events("outcome refused"))
    passed = duplicates <= 1 and refused == 1 and counts == {"completed": 1}
    return Finding(passed, f"{duplicates} more start, {refused} outcome refused, {counts}", duplicates=duplicates)


@drills.drill(
    "D14",
    "jobs that kill their worker, beside innocent ones",
    promise="P8",
    passes="each failed after 3 crashes with a reason that says so; no innocent one failed",
)
async def poison(world: World, full: bool) -> Finding:
    """A segfault, `os._exit`, SIGKILL as when memory is out; plain and made by a schedule. Short: one segfault."""
    deeds: list[Deed] = ["segfault", "exit", "killed"] if full else ["segfault"]
    innocent = 50 if full else 15
    settings: Settings = {"WORKER_CONCURRENCY": CONCURRENCY, **({} if full else QUICK)}
    server = await world.server()
    broker = await world.broker(server.url)
    poisons = 0
    for number, deed in enumerate(deeds, 1001):
        await world.add(broker, [number], deed)
        poisons += 1
        if full:
            data = Note(number=number + 1000, deed=deed).model_dump_json()
            schedule = StoredSchedule(
                f"deadly-{deed}", "note", Timing("0 3 * * *"), data, broker.now(), JobOptions(attempts=5)
            )
            await broker.put_schedule(world.queue, schedule)
            poisons += 1
    await world.add(broker, range(innocent), "jitter", 0.2)
    deaths = await _work_with_new_workers(world, server.url, broker, innocent + poisons, settings, 400 if full else 40)
    failed = await broker.list_jobs(world.queue, "failed", 0, 100)
    reasons = [job.failed_reason or "" for job in failed]
    told = sum(reason.startswith("Its worker died or stood still while it ran, 3 times") for reason in reasons)
    lost = len(set(range(innocent)) - world.ledger.ended())
    passed = len(failed) == told == poisons and lost == 0
    said = f"{poisons} poisonous jobs failed, saying so: {told}; {innocent} innocent ones done; {deaths} workers died"
    return Finding(passed, said, lost, falsely_failed=len(failed) - told)


async def _work_with_new_workers(
    world: World, url: str, broker: BullMQBroker, jobs: int, settings: Settings, within_s: float
) -> int:
    """Start a worker each time one dies, until all jobs have ended; how many died."""
    worker: WorkerProcess = await world.start_worker(url, settings)
    deaths = 0

    async def ended() -> bool:
        nonlocal worker, deaths
        if worker.code is not None:
            deaths += 1
            worker = await world.start_worker(url, settings)
        counts = await world.counts(broker)
        return counts.get("completed", 0) + counts.get("failed", 0) >= jobs

    await eventually(ended, within_s)
    return deaths


@drills.drill(
    "D17",
    "Redis is killed after it has acknowledged adds",
    promise="P1",
    passes="every acknowledged job is there (appendfsync always)",
)
async def durable(world: World, full: bool) -> Finding:
    """Full: ten times 1,000."""
    rounds, size = (10, 1000) if full else (3, 100)
    server = await world.server()
    broker = await world.broker(server.url)
    acknowledged = 0
    for turn in range(rounds):
        adding = asyncio.create_task(_add_until_refused(world, broker, turn * size, size))
        await asyncio.sleep(random.uniform(0.0, 0.1))
        await asyncio.to_thread(server.stop)
        acknowledged += await adding
        await asyncio.to_thread(server.start)
    counts = await world.counts(broker)
    # One add of each round may have been stored without its answer getting through.
    lost = max(0, acknowledged - counts.get("waiting", 0))
    said = f"{acknowledged:,} acknowledged, {counts.get('waiting', 0):,} there after {rounds} kills"
    return Finding(lost == 0, said, lost)


async def _add_until_refused(world: World, broker: BullMQBroker, first: int, most: int) -> int:
    for n in range(most):
        try:
            await world.add(broker, [first + n])
        except Exception:  # noqa: BLE001 — whatever keeps it from being acknowledged
            return n
    return most


@drills.drill(
    "D21",
    "a backlog, worked while workers are killed",
    promise="P2",
    passes="0 lost; memory of a worker flat",
)
async def backlog(world: World, full: bool) -> Finding:
    """Full: 200,000 jobs, default settings, three kills."""
    jobs, kills = (200_000, 3) if full else (3_000, 1)
    settings: Settings = {"WORKER_CONCURRENCY": 100, **({} if full else QUICK)}
    server = await world.server(fsync="everysec")
    broker = await world.broker(server.url)
    for start in range(0, jobs, 10_000):
        await world.add(broker, range(start, min(jobs, start + 10_000)))
    # Else the first to come has done it all before the second is there.
    await broker.pause(world.queue)
    running = [await world.worker(server.url, settings) for _ in range(2)]
    await broker.resume(world.queue)
    early_mb = _memory_mb(running[1])
    for turn in range(kills):
        before = len(world.ledger.ended())
        await until(lambda before=before: len(world.ledger.ended()) > before + jobs // 10, 120)
        await running[0].kill()
        running[0] = await world.start_worker(server.url, settings)
        early_mb = _memory_mb(running[1]) if turn == 0 else early_mb
    await until(lambda: len(world.ledger.ended()) >= jobs, 600 if full else 40)

    async def settled() -> bool:
        return not {"waiting", "active"} & set(await world.counts(broker))

    await eventually(settled, 60)
    late_mb = _memory_mb(running[1])
    lost = jobs - len(world.ledger.ended())
    duplicates = world.ledger.duplicates()
    passed = lost == 0 and late_mb < early_mb * 1.3 + 5 and duplicates <= kills * 100
    said = f"{jobs:,} jobs; a worker that lived held {early_mb:.0f} MB early and {late_mb:.0f} MB at the end"
    return Finding(passed, said, lost, duplicates)


def _memory_mb(worker: WorkerProcess) -> float:
    with open(f"/proc/{worker.process.pid}/statm") as file:  # noqa: PTH123 — not a file of ours
        return int(file.read().split()[1]) * 4096 / 1e6
