"""Handlers block what they run in."""

import asyncio

from barback.bullmq import BullMQBroker
from barback.options import JobOptions
from drills.drill import Drills, Finding
from drills.world import Settings, WorkerProcess, World, until

drills = Drills()


def _blocked_s(full: bool) -> float:
    """Three locks; in short two."""
    return 30.0 if full else 2.0


def _settings(full: bool) -> Settings:
    """One job a worker, so that each blocks one of its own."""
    quick: Settings = {"BARBACK_LOCK_S": 1.0, "BARBACK_STALLED_CHECK_S": 0.25}
    return {"WORKER_CONCURRENCY": 1, **({} if full else quick)}


@drills.drill(
    "D12",
    "handlers block the event loop for three locks",
    promise="P10, P19",
    passes="one start each; a warning names the job",
    alone=True,
)
async def loop_blocked(world: World, full: bool) -> Finding:
    """One sleeps, one computes, each in a worker of its own; a third worker is idle."""
    server = await world.server()
    broker = await world.broker(server.url)
    # All of them first: one that starts beside a loop that spins takes longer than the lock.
    workers = await world.workers(3, server.url, _settings(full))
    blocked_s = _blocked_s(full)
    await world.add(broker, [1], "block", blocked_s)
    await world.add(broker, [2], "spin", blocked_s)
    await until(lambda: len(world.ledger.starts()) == 2, 10)
    await until(lambda: len(world.ledger.ended()) == 2, blocked_s + 20)
    counts = await world.finished(broker, 2, 10)
    named = sorted(line["job"] for worker in workers for line in worker.events("event loop blocked"))
    duplicates = world.ledger.duplicates()
    passed = duplicates == 0 and named == ["note 1", "note 2"] and counts == {"completed": 2}
    said = f"blocked for {blocked_s:g} s; warned of: {', '.join(named)}"
    return Finding(passed, said, 2 - len(world.ledger.ended()), duplicates, counts.get("failed", 0))


@drills.drill(
    "D13",
    "a C call keeps the GIL for three locks in a job that runs in a process",
    promise="P10",
    passes="one start, completed",
    alone=True,
)
async def gil_kept_in_process(world: World, full: bool) -> Finding:
    """Another worker is idle."""
    server = await world.server()
    broker = await world.broker(server.url)
    kept_s = _blocked_s(full)
    workers = await world.workers(2, server.url, _settings(full))
    await world.add(broker, [1], for_s=kept_s, name="hold-in-process")
    counts = await world.finished(broker, 1, kept_s + 20)
    duplicates = world.ledger.duplicates()
    stood_still = sum(len(worker.events("process stood still")) for worker in workers)
    passed = duplicates == 0 and counts == {"completed": 1} and stood_still == 0
    said = f"kept for {kept_s:g} s: {duplicates + 1} start, {counts}"
    return Finding(passed, said, 1 - len(world.ledger.ended()), duplicates, counts.get("failed", 0))


@drills.drill(
    "D13b",
    "the same in a plain def, whose thread shares the worker's GIL",
    promise="P2, P8, P10",
    passes="the late outcome is refused, the job completed elsewhere; one that does so each time fails with a reason; "
    "the log says that the process stood still",
    alone=True,
)
async def gil_kept_in_thread(world: World, full: bool) -> Finding:
    """No lock can be renewed. Two jobs, each in a world of its own: one does it once, one each time it is started."""
    once, always = await asyncio.gather(_keep_gil(world, full, 1), _keep_gil(world, full, 0))
    blamed = always.reason.startswith("Its worker died or stood still while it ran")
    failed_with_reason = always.counts == {"failed": 1} and blamed
    passed = (
        once.counts == {"completed": 1}
        and once.refused == once.starts - 1
        and (always.counts == {"completed": 1} or failed_with_reason)
        and once.stood_still > 0
        and always.stood_still > 0
    )
    said = f"once: {once.starts} starts, {once.refused} late outcomes refused, {once.counts}; each time: "
    said += f"{always.starts} starts, {always.refused} refused, {always.counts} {always.reason!r}"
    lost = sum(not kept.counts for kept in (once, always))
    falsely_failed = once.counts.get("failed", 0)
    return Finding(passed, said, lost, once.starts + always.starts - 2, falsely_failed)


class _Kept:
    """What came of one such job."""

    def __init__(self, world: World, workers: list[WorkerProcess]) -> None:
        self._world = world
        self._workers = workers
        self.counts: dict[str, int] = {}
        self.reason = ""

    @property
    def starts(self) -> int:
        return self._world.ledger.duplicates() + 1

    @property
    def refused(self) -> int:
        return self._said("outcome refused")

    @property
    def stood_still(self) -> int:
        return self._said("process stood still")

    def _said(self, event: str) -> int:
        return sum(len(worker.events(event)) for worker in self._workers)


async def _keep_gil(outer: World, full: bool, times: int) -> _Kept:
    world = outer.beside(f"gil-{times}")
    server = await world.server()
    broker = await world.broker(server.url)
    kept_s = _blocked_s(full)
    kept = _Kept(world, await world.workers(2, server.url, _settings(full)))
    # Nobody may take the end of an attempt for a failure of it.
    await world.add(broker, [1], for_s=kept_s, times=times, name="hold-in-thread", options=JobOptions())
    await world.finished(broker, 1, 10 + 8 * kept_s)
    await until(lambda: _starts(world) == _ends(world), 2 * kept_s)
    await until(lambda: kept.refused >= kept.starts - 1 or full, 2)
    kept.counts = {str(state): n for state, n in (await world.counts(broker)).items()}
    kept.reason = await _reason(world, broker)
    return kept


def _starts(world: World) -> int:
    return sum(line.kind == "start" for line in world.ledger.lines())


def _ends(world: World) -> int:
    return sum(line.kind == "end" for line in world.ledger.lines())


async def _reason(world: World, broker: BullMQBroker) -> str:
    failed = await broker.list_jobs(world.queue, "failed", 0, 1)
    return failed[0].failed_reason or "" if failed else ""
