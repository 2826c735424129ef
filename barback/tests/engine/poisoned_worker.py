"""A worker that some of its jobs kill, run as a script: `poisoned_worker.py URL QUEUE`."""

import asyncio
import ctypes
import os
import signal
import sys
from typing import Literal

from barback.app import App, no_services
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.payload import Payload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

url, queue = sys.argv[1:]


class Deed(Payload, frozen=True):
    deed: Literal["none", "segfault", "exit", "killed"] = "none"


@job("does", queue=queue)
async def does(payload: Deed, ctx: Context[None]) -> None:
    await asyncio.sleep(0.05)
    match payload.deed:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(1)
        case "killed":  # as by the system when memory is out
            os.kill(os.getpid(), signal.SIGKILL)
        case "none":
            return


async def main() -> None:
    broker = BullMQBroker(url)
    await broker.open()
    options = WorkerOptions(concurrency={queue: 10}, lock_s=1.0, stalled_check_s=0.2)
    await Worker(App(jobs=[does], services=no_services), broker, options).run()


asyncio.run(main())
