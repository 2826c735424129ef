"""What a job takes in Redis, waiting and kept: `python -m bench.memory`, ten seconds."""

import asyncio
import json
import tempfile
from pathlib import Path

from barback.broker import Completed, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.options import JobOptions, Retention
from bench.terminal import say
from drills.servers import Valkey

JOBS = 20_000
AT_ONCE = 1_000
LEASE = Lease("memory", 60.0)
SIZES = (150, 1_000, 10_000)


async def main() -> None:
    """Print bytes a job for payloads of several sizes. BullMQ's event stream, 10,000 entries a queue, is told apart."""
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder), "--save", "", "--appendonly", "no")
        server.start()
        broker = BullMQBroker(server.url)
        await broker.open()
        for size in SIZES:
            await _measure(broker, f"payloads-{size}", size)
        await broker.close()
        server.stop()


async def _measure(broker: BullMQBroker, queue: str, size: int) -> None:
    before, options = await _used(broker), JobOptions(keep_completed=Retention(count=JOBS))
    job = NewJob(queue, "process-cafe", json.dumps({"note": "x" * (size - 12)}), options)
    for _ in range(JOBS // AT_ONCE):
        await broker.add([job] * AT_ONCE)
    waiting, events = await _used(broker), await _events(broker, queue)
    settled: list[Settlement] = []
    while (jobs := (await broker.exchange(queue, settled, 100, LEASE)).jobs) or settled:
        settled = [Settlement(job, Completed('{"published":true}')) for job in jobs]
    kept = await _used(broker)
    say(
        f"{size:>6} bytes of payload: waiting {(waiting - before - events) / JOBS:,.0f} bytes, "
        f"kept {(kept - before - await _events(broker, queue)) / JOBS:,.0f}; "
        f"events of the queue {await _events(broker, queue) / 1e6:.1f} MB"
    )


async def _used(broker: BullMQBroker) -> int:
    return int((await broker._connection.run("INFO", "memory"))["used_memory"])  # pyright: ignore[reportPrivateUsage]


async def _events(broker: BullMQBroker, queue: str) -> int:
    """Bytes of the queue's event stream."""
    connection = broker._connection  # pyright: ignore[reportPrivateUsage]
    return int(await connection.run("MEMORY", "USAGE", f"bull:{queue}:events", "SAMPLES", 0) or 0)


if __name__ == "__main__":
    asyncio.run(main())
