"""dramatiq with its Redis broker, as dramatiq.io shows: an actor, the default middleware."""

import asyncio
import time

import dramatiq
from adding import add_as_told
from dramatiq.brokers.redis import RedisBroker
from tally import RUN, tally

dramatiq.set_broker(RedisBroker(url=RUN.redis_url))


@dramatiq.actor(queue_name=RUN.queue)
def rate(cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        time.sleep(RUN.io_ms / 1000)
    tally.ended()


if __name__ == "__main__":
    asyncio.run(add_as_told(rate.send, None))
