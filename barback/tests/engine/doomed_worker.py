"""A worker to be killed, run as a script: `doomed_worker.py URL QUEUE`. Its jobs never end."""

import asyncio
import sys

from barback.app import App, no_services
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.payload import NoPayload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

url, queue = sys.argv[1:]


@job("never-ends", queue=queue)
async def never_ends(payload: NoPayload, ctx: Context[None]) -> None:
    await asyncio.Event().wait()


async def main() -> None:
    broker = BullMQBroker(url)
    await broker.open()
    options = WorkerOptions(concurrency={queue: 10}, lock_s=1.0, stalled_check_s=0.5)
    await Worker(App(jobs=[never_ends], services=no_services), broker, options).run()


asyncio.run(main())
