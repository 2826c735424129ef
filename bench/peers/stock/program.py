"""The Python package `bullmq`, as docs.bullmq.io/python/introduction shows: a Worker with a concurrency, a Queue."""

import asyncio
import signal
import sys

from adding import add_as_told
from bullmq import Queue, Worker
from tally import RUN, tally


async def process(job, token):
    tally.started(job.data["sentNs"])
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


async def work() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    worker = Worker(RUN.queue, process, {"connection": RUN.redis_url, "concurrency": RUN.concurrency})
    await stopped.wait()
    await worker.close()


async def add() -> None:
    queue = Queue(RUN.queue, {"connection": RUN.redis_url})
    await add_as_told(
        lambda one: queue.add("rate", one, {}),
        lambda many: queue.addBulk([{"name": "rate", "data": one, "opts": {}} for one in many]),
    )
    await queue.close()


asyncio.run(work() if sys.argv[1] == "work" else add())
