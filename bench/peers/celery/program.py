"""Celery with Redis, as docs.celeryq.dev shows for many short jobs: a large prefetch, no results, no remote control."""

import asyncio
import time

from adding import add_as_told
from tally import RUN, tally

from celery import Celery

app = Celery("program", broker=RUN.redis_url)
app.conf.update(
    task_default_queue=RUN.queue,
    task_ignore_result=True,
    worker_prefetch_multiplier=64 if RUN.mode == "work" else 1,
    broker_connection_retry_on_startup=True,
)


@app.task
def rate(cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        time.sleep(RUN.io_ms / 1000)
    tally.ended()


if __name__ == "__main__":
    asyncio.run(add_as_told(rate.delay, None))
