"""arq, as arq-docs.helpmanual.io shows: WorkerSettings, no results kept, polled every millisecond."""

import asyncio

from adding import add_as_told, at_most
from arq import create_pool
from arq.connections import RedisSettings
from tally import RUN, tally

SETTINGS = RedisSettings.from_dsn(RUN.redis_url)


async def rate(ctx, cafe):
    tally.started(cafe["sentNs"])
    if RUN.io_ms:
        await asyncio.sleep(RUN.io_ms / 1000)
    tally.ended()


class WorkerSettings:
    functions = (rate,)
    redis_settings = SETTINGS
    queue_name = RUN.queue
    max_jobs = RUN.concurrency
    poll_delay = 0.001
    keep_result = 0
    log_results = False


async def main() -> None:
    pool = await create_pool(SETTINGS, default_queue_name=RUN.queue)
    add = lambda one: pool.enqueue_job("rate", one)
    await add_as_told(add, lambda many: at_most(32, add, many))
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(main())
