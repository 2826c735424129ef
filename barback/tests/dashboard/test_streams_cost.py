"""What ten open tabs cost the jobs: CPU time of the worker and of Redis, in interleaved rounds. Prints it (B5)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx2
import pytest

from barback import Context, Payload, job
from barback.bullmq import BullMQBroker
from barback.producer import Producer
from drills.servers import Valkey, free_port

pytestmark = pytest.mark.slow

QUEUE = "load"
JOBS = 20_000
ROUNDS = 5
TABS = 10
DEARER_BY = 1.05
APP = """
from barback import App, Context, Payload, job, no_services

class Nothing(Payload, frozen=True): ...

@job("nothing", queue="load")
async def nothing(payload: Nothing, ctx: Context[None]) -> None: ...

app = App(jobs=[nothing], services=no_services)
"""


class Nothing(Payload, frozen=True): ...


@job("nothing", queue=QUEUE)
async def nothing(payload: Nothing, ctx: Context[None]) -> None: ...


@dataclass(frozen=True)
class Running:
    """A server, a worker, and a dashboard, each a process of its own."""

    redis: str
    dashboard: str
    measured: list[int]

    def cpu_s(self) -> float:
        """What the worker and Redis have used so far."""
        return sum(map(_cpu_s, self.measured))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "load.py").write_text(APP)
    server = Valkey(tmp_path, "--save", "", "--appendonly", "no")
    server.start()
    port = free_port()
    environment = os.environ | {"REDIS_URL": server.url, "PYTHONPATH": str(tmp_path)}
    barback = [sys.executable, "-m", "barback.cli", "--app", "load:app"]
    commands = [[*barback, "work"], [*barback, "dashboard", "--port", str(port)]]
    processes = [subprocess.Popen(one, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL) for one in commands]
    yield Running(server.url, f"http://127.0.0.1:{port}/dashboard/queues", [processes[0].pid, server.pid])
    for process in processes:
        process.terminate()
        process.wait(30)
    server.stop()


async def test_ten_open_streams_make_a_job_dearer_by_less_than_five_percent(running: Running) -> None:
    broker = BullMQBroker(running.redis)
    await broker.open()
    await _work(broker)  # Everything is warm then.
    alone, watched = list[float](), list[float]()
    for _ in range(ROUNDS):
        alone.append(await _round(broker, running))
        async with _tabs(running.dashboard) as told:
            watched.append(await _round(broker, running))
        assert min(told) > 1, "a tab was told of nothing"
    await broker.close()
    ratios = [one / other for one, other in zip(watched, alone, strict=True)]
    print(f"\nalone {median(alone) * 1e6:.0f} µs a job, watched {median(watched) * 1e6:.0f} µs: {median(ratios):.3f}")
    assert median(ratios) < DEARER_BY


async def _round(broker: BullMQBroker, running: Running) -> float:
    """CPU seconds a job."""
    before_s = running.cpu_s()
    await _work(broker)
    return (running.cpu_s() - before_s) / JOBS


async def _work(broker: BullMQBroker) -> None:
    """Enqueue, and wait until all are worked."""
    await Producer(broker).many(nothing, (Nothing() for _ in range(JOBS)))
    while True:
        counts = await broker.counts(QUEUE)
        if not counts["waiting"] + counts["active"]:
            return
        await asyncio.sleep(0.05)


@asynccontextmanager
async def _tabs(url: str) -> AsyncGenerator[list[int]]:
    """Ten that show a list and ask for it anew at each event, as the page's script does; how often each was told."""
    told = [0] * TABS
    async with httpx2.AsyncClient(timeout=30) as client:
        tabs = [asyncio.create_task(_tab(client, url, told, n)) for n in range(TABS)]
        while not all(told):
            await asyncio.sleep(0.05)
            if any(tab.done() for tab in tabs):
                await asyncio.gather(*tabs)
        yield told
        for tab in tabs:
            tab.cancel()
        await asyncio.gather(*tabs, return_exceptions=True)


async def _tab(client: httpx2.AsyncClient, url: str, told: list[int], number: int) -> None:
    while True:
        async with client.stream("GET", f"{url}/events", params={"since": "0"}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event: changed"):
                    told[number] += 1
                    await client.get(f"{url}/jobs", params={"queue": QUEUE, "state": "active"})
