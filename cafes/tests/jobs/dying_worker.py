"""A worker that is killed right after its first commit: `dying_worker.py REDIS_URL PREFIX DATABASE_URL`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from barback.bullmq import BullMQBroker
from barback.worker import Worker
from barback.worker_options import WorkerOptions
from cafes.app import app
from cafes.rules import CleanedCafe, Verdict
from cafes.services import Services
from cafes.store import RecordAnswer, StoredCafe
from cafes.store.postgres import PostgresStore


class Deadly(PostgresStore):
    async def record(
        self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
    ) -> RecordAnswer:
        await super().record(cafe, cleaned, verdicts, seen)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


async def main(redis_url: str, prefix: str, database_url: str) -> None:
    @asynccontextmanager
    async def services() -> AsyncGenerator[Services]:
        store = Deadly(database_url)
        await store.open()
        yield Services(store=store)

    broker = BullMQBroker(redis_url, prefix=prefix)
    await broker.open()
    await Worker(
        replace(app, services=services), broker, WorkerOptions(schedules=False, lock_s=1.0, stalled_check_s=0.2)
    ).run()


asyncio.run(main(*sys.argv[1:]))
