"""A worker whose event loop is blocked for ever, run as a script: `stuck_worker.py URL QUEUE`."""

import asyncio
import sys

from barback.app import App, no_services
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.payload import NoPayload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

url, queue = sys.argv[1:]


@job("sticks", queue=queue)
async def sticks(payload: NoPayload, ctx: Context[None]) -> None:
    while True:
        pass


async def main() -> None:
    broker = BullMQBroker(url)
    await broker.open()
    await Worker(App(jobs=[sticks], services=no_services), broker, WorkerOptions(lock_s=1.0)).run()


asyncio.run(main())
