"""Npm bullmq is on the same queues."""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE, Process

from barback.broker import QueueLimits
from barback.bullmq import BullMQBroker
from barback.options import JobOptions
from drills.drill import Drills, Finding
from drills.servers import Valkey
from drills.world import ROOT, World, until

drills = Drills()
MODULES = ROOT / "barback" / "tests" / "node" / "node_modules"
PEER = ROOT / "drills" / "node_peer.cjs"
ENDS_WITHIN_S = 30.0
CONCURRENCY = 30
WITHIN = 0.15

PLAIN = JobOptions()


async def _node(server: Valkey, queue: str, *deed: str) -> Process:
    words = [str(PEER), str(MODULES), str(server.port), queue, *deed]
    return await asyncio.create_subprocess_exec("node", *words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)


async def _run_node(server: Valkey, queue: str, deed: str) -> None:
    """Have it done."""
    peer = await _node(server, queue, deed)
    async with asyncio.timeout(ENDS_WITHIN_S):
        await peer.communicate()
    assert peer.returncode == 0, f"node {deed} ended with {peer.returncode}"


async def _start_node_worker(world: World, server: Valkey, queue: str) -> None:
    """Until the world ends."""
    peer = await _node(server, queue, "work6", str(CONCURRENCY))

    async def end() -> None:
        if peer.returncode is None:
            peer.kill()
        # Its pipes are closed with it.
        await peer.communicate()

    world.stack.push_async_callback(end)
    assert peer.stdout is not None
    async with asyncio.timeout(ENDS_WITHIN_S):
        assert await peer.stdout.readline() == b"ready\n"


@drills.drill(
    "D18",
    "Node 5 pauses, Python adds, Node 5 resumes",
    promise="P6, P18",
    passes="every job is in a list, and worked",
)
async def paused_by_node_5(world: World, full: bool) -> Finding:
    """Jobs before, during and after the pause; with a priority, too. Full: 4,000 of them."""
    share = 1_000 if full else 10
    server = await world.server()
    broker = await world.broker(server.url)
    await world.add(broker, range(share))
    await _run_node(server, world.queue, "pause5")
    await world.add(broker, range(share, 2 * share))
    await world.add(broker, range(2 * share, 3 * share), options=JobOptions(priority=3))
    await _run_node(server, world.queue, "resume5")
    counts = await world.counts(broker)
    listed = counts.get("waiting", 0) + counts.get("prioritized", 0)
    await world.add(broker, range(3 * share, 4 * share))
    await world.worker(server.url)
    with contextlib.suppress(TimeoutError):
        await until(lambda: len(world.ledger.ended()) == 4 * share, 30)
    lost = set(range(4 * share)) - world.ledger.ended()
    said = (
        f"of {3 * share:,} jobs {listed:,} were in a list after the pause; of {4 * share:,} {len(lost)} were not worked"
    )
    return Finding(listed == 3 * share and not lost, said, len(lost), world.ledger.duplicates())


@drills.drill(
    "D19",
    "a rate of 10 a second, and 2 jobs at a time, beside Node 6 under the same limits",
    promise="P18",
    passes="within 15 % of Node's time",
    alone=True,
)
async def limited(world: World, full: bool) -> Finding:
    """30 jobs, and 20 of 100 ms; all four at the same time, each on a queue of its own. Full: the median of three."""
    server = await world.server()
    broker = await world.broker(server.url)
    rated, bounded = QueueLimits(rate=(10, 1.0)), QueueLimits(concurrency=2)
    ratios: list[float] = []
    said: list[str] = []
    for what, limits, jobs, for_s in (("10 a second", rated, 30, 0.0), ("2 at a time", bounded, 20, 0.1)):
        rounds = [await _race(world, server, broker, limits, jobs, for_s, turn) for turn in range(3 if full else 1)]
        ours_s, node_s = sorted(rounds)[len(rounds) // 2]
        ratios.append(ours_s / node_s)
        said.append(f"{what}: {ours_s:.2f} s, Node {node_s:.2f} s")
    passed = all(abs(ratio - 1) <= WITHIN for ratio in ratios)
    return Finding(passed, "; ".join(said))


async def _race(
    world: World, server: Valkey, broker: BullMQBroker, limits: QueueLimits, jobs: int, for_s: float, turn: int
) -> tuple[float, float]:
    """Seconds from the first start to the last end: ours, and Node's."""
    ours, theirs = (world.on_queue(f"{who}-{jobs}-{turn}") for who in ("ours", "theirs"))
    for side in (ours, theirs):
        await broker.set_limits(side.queue, limits)
    worker = await ours.worker(server.url, {"WORKER_CONCURRENCY": CONCURRENCY})
    await _start_node_worker(world, server, theirs.queue)
    for side in (ours, theirs):
        await side.add(broker, range(jobs), "sleep", for_s, options=PLAIN)
    spans = [await _span_s(side, broker, jobs) for side in (ours, theirs)]
    await worker.kill()
    return spans[0], spans[1]


async def _span_s(side: World, broker: BullMQBroker, jobs: int) -> float:
    counts = await side.finished(broker, jobs, ENDS_WITHIN_S)
    assert counts == {"completed": jobs}, counts
    done = await broker.list_jobs(side.queue, "completed", 0, jobs)
    return max(job.finished_at or 0 for job in done) - min(job.started_at or 0 for job in done)
