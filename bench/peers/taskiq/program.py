"""taskiq with taskiq-redis, as taskiq-python.github.io shows: stream broker, pydantic payload, no results."""

import asyncio

from adding import add_as_told, at_most
from pydantic import BaseModel
from taskiq_redis import RedisStreamBroker
from tally import RUN, tally

broker = RedisStreamBroker(RUN.redis_url, queue_name=RUN.queue)


class Cafe(BaseModel):
    cafeId: str
    name: str
    rating: float
    tags: list[str]
    sentNs: int


@broker.task
async def rate(cafe: Cafe) -> None:
    tally.started(cafe.sentNs)
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


async def main() -> None:
    # It makes the consumer group too: what is added before it would never be read.
    await broker.startup()
    add = lambda one: rate.kiq(Cafe(**one))
    await add_as_told(add, lambda many: at_most(32, add, many))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
