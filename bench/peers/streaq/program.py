"""streaQ, as streaq.readthedocs.io shows: a Worker with a concurrency, both optimizations, `enqueue_many`."""

import asyncio

import coredis
from adding import add_as_told
from streaq import Worker
from tally import RUN, tally

ADDED_AT_ONCE = 1000
coredis.Config.optimized = True

worker = Worker(
    redis_url=RUN.redis_url,
    queue_name=RUN.queue,
    concurrency=RUN.concurrency,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(ttl=0)
async def rate(cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


async def add_many(many) -> None:
    for at in range(0, len(many), ADDED_AT_ONCE):
        await worker.enqueue_many([rate.enqueue(one) for one in many[at : at + ADDED_AT_ONCE]])


async def add_one(one) -> None:
    await rate.enqueue(one)


async def main() -> None:
    async with worker:
        await add_as_told(add_one, add_many)


if __name__ == "__main__":
    asyncio.run(main())
