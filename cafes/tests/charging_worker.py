"""A worker to be killed: `charging_worker.py REDIS_URL PREFIX ADDRESS [KEY]`. Each of its jobs has one effect.

`ADDRESS` is a database's, or with a `KEY` a Supabase project's. Each job writes a line into the table `ledger` and
takes a moment more, in which a kill finds it. `charge` guards its line with `once`, `charge-by-function` has a function
in the database do so, `charge-unguarded` does not.
"""

import asyncio
import random
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from barback import App, Context, NoPayload, Retention, job
from barback.bullmq import BullMQBroker
from barback.worker import Worker
from barback.worker_options import WorkerOptions
from cafes.jobs.outage import outages_waited_out
from cafes.settings import SupabaseProject
from cafes.store.once import once
from cafes.store.postgres import PostgresStore
from cafes.store.supabase import SupabaseStore

AnyStore = PostgresStore | SupabaseStore

LONGEST_MOMENT_S = 0.03
KEEP_ALL = Retention()


@job("charge", queue="charges", keep_completed=KEEP_ALL)
async def charge(payload: NoPayload, ctx: Context[AnyStore]) -> None:
    async with _postgres(ctx).transaction() as transaction:
        if await once(transaction, f"{ctx.job_name}:{ctx.job_id}:charge"):
            await _moment()
            await transaction.execute("insert into ledger (job) values (%s)", (ctx.job_id,))
    await _moment()


FUNCTION = """
    create function charge_once(job text) returns boolean language plpgsql volatile set search_path = '' as $f$
    begin
        if not public.once('charge-by-function:' || job || ':charge') then
            return false;
        end if;
        perform pg_catalog.pg_sleep(random() * 0.03);
        insert into public.ledger (job) values (charge_once.job);
        return true;
    end
    $f$
"""


@job("charge-by-function", queue="charges", keep_completed=KEEP_ALL)
async def charge_by_function(payload: NoPayload, ctx: Context[AnyStore]) -> None:
    with outages_waited_out(ctx):
        await ctx.services.call("charge_once", {"job": ctx.job_id})
    await _moment()


@job("charge-unguarded", queue="charges", keep_completed=KEEP_ALL)
async def charge_unguarded(payload: NoPayload, ctx: Context[AnyStore]) -> None:
    async with _postgres(ctx).transaction() as transaction:
        await _moment()
        await transaction.execute("insert into ledger (job) values (%s)", (ctx.job_id,))
    await _moment()


def _postgres(ctx: Context[AnyStore]) -> PostgresStore:
    assert isinstance(ctx.services, PostgresStore), "Supabase's API has no transaction over several requests"
    return ctx.services


async def _moment() -> None:
    await asyncio.sleep(random.uniform(0, LONGEST_MOMENT_S))


async def main(redis_url: str, prefix: str, address: str, key: str = "") -> None:
    @asynccontextmanager
    async def services() -> AsyncGenerator[AnyStore]:
        store = SupabaseStore(SupabaseProject(address, SecretStr(key))) if key else PostgresStore(address)
        await store.open()
        yield store
        await store.close()

    broker = BullMQBroker(redis_url, prefix=prefix)
    await broker.open()
    # Killed more often than a worker that is well: no job may be given up for it.
    options = WorkerOptions(default_concurrency=10, lock_s=0.5, stalled_check_s=0.1, crash_limit=1_000)
    await Worker(App(jobs=[charge, charge_by_function, charge_unguarded], services=services), broker, options).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
