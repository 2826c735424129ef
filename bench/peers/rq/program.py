"""RQ, as python-rq.org shows: SimpleWorker for short jobs, JSON, results that nobody reads not kept, `enqueue_many`."""

import asyncio

import handler
from adding import add_as_told
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from tally import RUN

ADDED_AT_ONCE = 1000

queue = Queue(RUN.queue, connection=Redis.from_url(RUN.redis_url), serializer=JSONSerializer)


def add_many(many) -> None:
    for at in range(0, len(many), ADDED_AT_ONCE):
        queue.enqueue_many(
            [Queue.prepare_data(handler.rate, (one,), result_ttl=0) for one in many[at : at + ADDED_AT_ONCE]]
        )


def add(one) -> None:
    queue.enqueue(handler.rate, one, result_ttl=0)


asyncio.run(add_as_told(add, add_many))
