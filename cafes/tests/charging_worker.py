"""A worker to be killed: `charging_worker.py REDIS_URL PREFIX DATABASE_URL`. Each of its jobs has one effect.

Each job writes a line into the table `ledger` and takes a moment more, in which a kill finds it. `charge` guards its
line with `once`, `charge-unguarded` does not.
"""

import asyncio
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from barback import App, Context, NoPayload, Retention, job
from barback.bullmq import BullMQBroker
from barback.worker import Worker, WorkerOptions
from cafes.store.once import once
from cafes.store.postgres import PostgresStore

LONGEST_MOMENT_S = 0.03
KEEP_ALL = Retention()


@job("charge", queue="charges", keep_completed=KEEP_ALL)
async def charge(payload: NoPayload, ctx: Context[PostgresStore]) -> None:
    async with ctx.services.transaction() as transaction:
        if await once(transaction, f"{ctx.job_name}:{ctx.job_id}:charge"):
            await _moment()
            await transaction.execute("insert into ledger (job) values (%s)", (ctx.job_id,))
    await _moment()


@job("charge-unguarded", queue="charges", keep_completed=KEEP_ALL)
async def charge_unguarded(payload: NoPayload, ctx: Context[PostgresStore]) -> None:
    async with ctx.services.transaction() as transaction:
        await _moment()
        await transaction.execute("insert into ledger (job) values (%s)", (ctx.job_id,))
    await _moment()


async def _moment() -> None:
    await asyncio.sleep(random.uniform(0, LONGEST_MOMENT_S))


async def main(redis_url: str, prefix: str, database_url: str) -> None:
    @asynccontextmanager
    async def services() -> AsyncGenerator[PostgresStore]:
        store = PostgresStore(database_url)
        await store.open()
        yield store
        await store.close()

    broker = BullMQBroker(redis_url, prefix=prefix)
    await broker.open()
    # Killed more often than a worker that is well: no job may be given up for it.
    options = WorkerOptions(default_concurrency=10, lock_s=0.5, stalled_check_s=0.1, crash_limit=1_000)
    await Worker(App(jobs=[charge, charge_unguarded], services=services), broker, options).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
