"""A worker to be killed, run as a script without a guarded main: `orphaning_worker.py URL`."""

import asyncio
import sys

from jobs_in_processes import runs_for_ever  # pyright: ignore — beside this script

from barback.app import App, no_services
from barback.bullmq import BullMQBroker
from barback.worker import Worker


async def main() -> None:
    broker = BullMQBroker(sys.argv[1])
    await broker.open()
    await Worker(App(jobs=[runs_for_ever], services=no_services), broker).run()


asyncio.run(main())
