"""SAQ, as saq-py.readthedocs.io shows: a Redis queue with hiredis, settings with a concurrency."""

import asyncio

from adding import add_as_told, at_most
from saq import Queue
from tally import RUN, tally

queue = Queue.from_url(RUN.redis_url, name=RUN.queue)


async def rate(ctx, *, cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


settings = {"queue": queue, "functions": [rate], "concurrency": RUN.concurrency}


async def main() -> None:
    await queue.connect()
    add = lambda one: queue.enqueue("rate", cafe=one)
    await add_as_told(add, lambda many: at_most(32, add, many))
    await queue.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
