"""barback's worker through its public API, default settings: works `jobs` no-op jobs, prints what it cost."""

import asyncio
import json
import resource
import sys
import time

from barback import App, Context, NoPayload, job, no_services
from barback.bullmq import BullMQBroker
from barback.worker import Worker, WorkerOptions


async def main(port: str, queue: str, concurrency: str) -> None:
    """Work the queue until it is drained."""

    @job("no-op", queue=queue)
    async def no_op(payload: NoPayload, ctx: Context[None]) -> None:
        return None

    broker = BullMQBroker(f"redis://127.0.0.1:{port}")
    await broker.open()
    app = App(jobs=[no_op], services=no_services)
    started, before = time.perf_counter(), time.process_time()
    await Worker(app, broker, WorkerOptions(default_concurrency=int(concurrency))).run(until_drained=True)
    cost = {
        "seconds": time.perf_counter() - started,
        "cpu_s": time.process_time() - before,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(cost))  # noqa: T201 — its answer
    await broker.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
