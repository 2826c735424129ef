"""Redis goes away, and comes back."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from barback.bullmq import BullMQBroker
from barback.errors import BarbackError, BrokerUnavailable
from drills.drill import Drills, Finding
from drills.proxy import Proxy
from drills.servers import Valkey
from drills.world import Settings, WorkerProcess, World, eventually, until

drills = Drills()
QUICK: Settings = {"BARBACK_LOCK_S": 1.5, "BARBACK_STALLED_CHECK_S": 0.4}
CONCURRENCY = 20
RESUMES_WITHIN_S = 3.0
FAILS_WITHIN_S = 5.0


@dataclass(slots=True)
class Stage:
    """A worker under load whose Redis can be taken away; the broker beside it goes around the proxy."""

    world: World
    server: Valkey
    proxy: Proxy
    worker: WorkerProcess
    direct: BullMQBroker
    proxied: BullMQBroker
    added: int = 0

    async def load(self, jobs: int) -> None:
        await self.world.add(self.direct, range(self.added, self.added + jobs), "jitter", 0.2)
        self.added += jobs

    async def resumed(self, since: float) -> float:
        """Seconds from then until a job started."""
        await until(lambda: any(line.at > since and line.kind == "start" for line in self.world.ledger.lines()), 30)
        return min(line.at for line in self.world.ledger.lines() if line.at > since and line.kind == "start") - since

    async def enqueue_fails(self) -> float:
        """Seconds until an enqueue through the same hole gave up; -1: it did not fail as it should."""
        began = time.monotonic()
        try:
            await self.world.add(self.proxied, [1_000_000])
        except BrokerUnavailable:
            return time.monotonic() - began
        except BarbackError:
            return -1.0
        return -1.0

    async def finding(self, recoveries_s: Sequence[float], enqueue_s: Sequence[float], outages: int) -> Finding:
        """Let all be worked, and judge."""
        await until(lambda: len(self.world.ledger.ended() - {1_000_000}) >= self.added, 60)
        counts = await self.world.finished(self.direct, self.added, 20)
        duplicates = self.world.ledger.duplicates()
        lost = self.added - len(self.world.ledger.ended() - {1_000_000})
        failed = counts.get("failed", 0)
        lines = _most_in_a_second(self.worker)
        passed = (
            lost == failed == 0
            and max(recoveries_s) <= RESUMES_WITHIN_S
            and duplicates <= outages * CONCURRENCY
            and lines <= 1
            and all(0 <= seconds < FAILS_WITHIN_S for seconds in enqueue_s)
        )
        said = f"work goes on after {max(recoveries_s):.2f} s at most, enqueue gives up after "
        said += f"{max(enqueue_s, default=0):.2f} s, {lines} lines a second at most"
        return Finding(passed, said, lost, duplicates, failed, recoveries_s)


def _most_in_a_second(worker: WorkerProcess) -> int:
    """Log lines about the outage in one second, at most."""
    seconds = [str(event["timestamp"])[:19] for event in worker.events("broker")]
    return max((seconds.count(second) for second in seconds), default=0)


@asynccontextmanager
async def stage(world: World, full: bool, *options: str, folder: Path | None = None) -> AsyncGenerator[Stage]:
    settings: dict[str, object] = {"WORKER_CONCURRENCY": CONCURRENCY, **({} if full else QUICK)}
    server = await world.server(*options, folder=folder)
    proxy = await world.proxy(server)
    worker = await world.worker(proxy.url, settings)
    yield Stage(world, server, proxy, worker, await world.broker(server.url), await world.broker(proxy.url))


async def _cut(world: World, full: bool, begin: Callable[[Proxy], None]) -> Finding:
    """For 3 s, 20 s, and longer than the lock in full length; for longer than the lock in short."""
    recoveries_s: list[float] = []
    enqueue_s: list[float] = []
    lengths_s = (3.0, 20.0, 12.0) if full else (2.5,)
    async with stage(world, full) as on:
        for length_s in lengths_s:
            await on.load(300)
            seen = len(world.ledger.ended())
            await until(lambda seen=seen: len(world.ledger.ended()) > seen + 40, 20)
            begin(on.proxy)
            began = time.monotonic()
            enqueue_s.append(await on.enqueue_fails())
            await asyncio.sleep(max(0.0, length_s - (time.monotonic() - began)))
            ended_at = time.time()
            on.proxy.let_pass()
            recoveries_s.append(await on.resumed(ended_at))
        return await on.finding(recoveries_s, enqueue_s, len(lengths_s))


@drills.drill(
    "D7",
    "Redis refuses connections (reset)",
    promise="P20",
    passes="work goes on within 3 s, duplicates at most the concurrency, at most one line a second, enqueue bounded",
)
async def refused(world: World, full: bool) -> Finding:
    """Full: for 3 s, 20 s and longer than the lock."""
    return await _cut(world, full, Proxy.refuse)


@drills.drill(
    "D8",
    "Redis is black-holed (no reset ever comes)",
    promise="P20",
    passes="as D7",
)
async def black_holed(world: World, full: bool) -> Finding:
    """Full: for 3 s, 20 s and longer than the lock."""
    return await _cut(world, full, Proxy.swallow)


Away = Callable[[Stage], Awaitable[None]]


async def _loading(on: Stage) -> None:
    """Killed, and long in loading what it has."""
    await asyncio.to_thread(on.server.stop)
    slow = ("--key-load-delay", "400", "--loading-process-events-interval-bytes", "1024")
    await asyncio.to_thread(on.server.start, *slow, ready=False)
    await eventually(lambda: asyncio.to_thread(on.server.answers), 60)
    # Its connections ended with the server, and the first call on each of them finds out.
    on.direct = await on.world.broker(on.server.url)


async def _full(on: Stage) -> None:
    await asyncio.to_thread(on.server.command, "CONFIG", "SET", "maxmemory", "1mb")
    await asyncio.sleep(2)
    await asyncio.to_thread(on.server.command, "CONFIG", "SET", "maxmemory", "0")


async def _slow_script(on: Stage) -> None:
    """Four seconds in which nobody is answered, and as long as BUSY is the answer."""
    script = (
        "local s = redis.call('TIME') local e = s[1] * 1000 + s[2] / 1000 + 4000 repeat local t = redis.call('TIME') "
        "until t[1] * 1000 + t[2] / 1000 > e"
    )
    await asyncio.to_thread(on.server.command, "EVAL", script, "0", timeout_s=30)


@drills.drill(
    "D9",
    "Redis restarts and loads, is full, runs a slow script",
    promise="P1, P20",
    passes="nothing lost, work goes on within 3 s",
)
async def troubled(world: World, full: bool) -> Finding:
    """Short: it is full."""
    recoveries_s: list[float] = []
    aways: list[Away] = [_loading, _full, _slow_script] if full else [_full]
    options = ("--enable-debug-command", "yes", "--busy-reply-threshold", "2000")
    async with stage(world, full, *options) as on:
        for away in aways:
            await on.load(300)
            seen = len(world.ledger.ended())
            await until(lambda seen=seen: len(world.ledger.ended()) > seen + 40, 20)
            await away(on)
            ended_at = time.time()
            await on.load(50)  # a full Redis takes outcomes, and what waited may be done by now
            recoveries_s.append(await on.resumed(ended_at))
        return await on.finding(recoveries_s, [], len(aways))


@drills.drill(
    "D9b",
    "the disk of Redis is full",
    promise="P1, P20",
    passes="nothing acknowledged is lost, work goes on within 3 s of there being room",
)
async def disk_full(world: World, full: bool) -> Finding:
    """A file system of 16 MB in memory, filled with a file; where it may not be mounted that is said."""
    place = world.folder / "small-disk"
    place.mkdir()
    mounted = await asyncio.to_thread(_mount, place)
    if not mounted:
        return Finding(True, "not run: this user may not mount a file system")
    try:
        async with stage(world, full, folder=place) as on:
            await on.load(200)
            await until(lambda: len(world.ledger.ended()) > 40, 20)
            filler = place / "filler"
            await asyncio.to_thread(_fill, filler)
            refused = await _refuses_to_write(on)
            filler.unlink()
            await asyncio.to_thread(_revive, on.server)
            ended_at = time.time()
            await on.load(50)
            recovery_s = await on.resumed(ended_at)
            finding = await on.finding([recovery_s], [], 1)
            return Finding(
                finding.passed and refused, f"writes refused: {refused}; {finding.said}", finding.lost,
                finding.duplicates, finding.falsely_failed, [recovery_s],
            )  # fmt: skip
    finally:
        await asyncio.to_thread(_unmount, place)


async def _refuses_to_write(on: Stage) -> bool:
    """Add until the server refuses, or has died of it."""
    big = "x" * 100_000
    for n in range(300):
        try:
            await on.direct._connection.run("SET", f"filler:{n}", big)  # pyright: ignore[reportPrivateUsage]
        except BarbackError:
            return True
    return False


def _revive(server: Valkey) -> None:
    """With appendfsync always a server that cannot write its log ends itself: nothing unwritten is acknowledged."""
    if not server.answers():
        server.stop()
        server.start()


def _mount(place: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0


def _unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def _fill(file: Path) -> None:
    with contextlib.suppress(OSError), file.open("wb") as filling:
        while True:
            filling.write(b"\0" * 65_536)
            filling.flush()


# ── another server ──────────────────────────────────────────────────────────────────────────────────────


async def _replica_of(world: World, master: Valkey) -> Valkey:
    replica = await world.server("--replicaof", "127.0.0.1", str(master.port))

    async def linked() -> bool:
        return b"master_link_status:up" in await asyncio.to_thread(replica.command, "INFO", "replication")

    await eventually(linked, 20)
    return replica


@drills.drill(
    "D16",
    "a replica is promoted that lacks what its master had acknowledged",
    promise="P21",
    passes="the worker's log says that jobs are lost; what the replica has is worked",
)
async def lacking_replica(world: World, full: bool) -> Finding:
    """The replica is cut off, jobs are added and acknowledged, the master is killed, the replica promoted."""
    async with stage(world, False) as on:
        replica = await _replica_of(world, on.server)
        await on.load(20)
        await until(lambda: len(world.ledger.ended()) == 20, 20)
        await asyncio.sleep(1.2)  # the worker looks once a second at what is acknowledged
        await asyncio.to_thread(replica.command, "REPLICAOF", "127.0.0.1", "1")
        await on.direct.pause(world.queue)
        await on.load(30)
        await asyncio.sleep(1.2)
        await asyncio.to_thread(on.server.stop)
        await asyncio.to_thread(replica.command, "REPLICAOF", "NO", "ONE")
        on.proxy.lead_to(replica.url)
        on.proxy.refuse()
        on.proxy.let_pass()
        await until(lambda: on.worker.events("jobs lost") or on.worker.events("jobs may be lost"), 10)
        said: list[Any] = [event["reason"] for event in on.worker.events("jobs")]
        other = await world.broker(replica.url)
        before = len(world.ledger.ended())
        await world.add(other, range(100, 120))
        await until(lambda: len(world.ledger.ended()) == before + 20, 20)
        certain = bool(on.worker.events("jobs lost"))
    return Finding(certain, f"30 acknowledged jobs were not in the replica. {' '.join(said)}", lost=0)


@drills.drill(
    "D22",
    "the master is demoted and another one promoted (READONLY)",
    promise="P20",
    passes="the worker finds the new one; work goes on within 3 s",
)
async def failed_over(world: World, full: bool) -> Finding:
    """By hand, as Sentinel does it; the address leads to the new one for new connections only."""
    recoveries_s: list[float] = []
    async with stage(world, False) as on:
        master = on.server
        for _ in range(3 if full else 1):
            replica = await _replica_of(world, master)
            await on.load(20)
            await until(lambda: len(world.ledger.ended()) == on.added, 20)
            on.proxy.lead_to(replica.url)
            await asyncio.to_thread(replica.command, "REPLICAOF", "NO", "ONE")
            await asyncio.to_thread(master.command, "REPLICAOF", "127.0.0.1", str(replica.port))
            switched_at = time.time()
            on.direct = await world.broker(replica.url)
            await on.load(20)
            recoveries_s.append(await on.resumed(switched_at))
            master = replica
        return await on.finding(recoveries_s, [], len(recoveries_s))
