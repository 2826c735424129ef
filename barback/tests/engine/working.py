"""A worker beside a test."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from barback.app import App, no_services
from barback.broker import Broker
from barback.job import AnyJob
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport

ENDS_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Working:
    """A running worker."""

    worker: Worker
    running: asyncio.Task[WorkerReport]

    async def stopped(self) -> WorkerReport:
        """Stop it, unless that was asked for; what it did."""
        if not self.worker._stop_asked.is_set():
            self.worker.stop()
        async with asyncio.timeout(ENDS_WITHIN_S):
            return await self.running


@asynccontextmanager
async def working(broker: Broker, jobs: AnyJob | Iterable[AnyJob], **options: Any) -> AsyncGenerator[Working]:
    """Work these jobs beside the body; the worker is stopped at its end."""
    async with working_app(broker, app_of(jobs), **options) as beside:
        yield beside


@asynccontextmanager
async def working_app(broker: Broker, app: App[Any], **options: Any) -> AsyncGenerator[Working]:
    worker = Worker(app, broker, WorkerOptions(**options))
    running = asyncio.create_task(worker.run())
    beside = Working(worker, running)
    try:
        yield beside
    except BaseException:
        worker.stop()
        worker.stop()
        await asyncio.wait([running], timeout=ENDS_WITHIN_S)
        running.cancel()
        raise
    await beside.stopped()


async def drained(
    broker: Broker, jobs: AnyJob | Iterable[AnyJob], within_s: float = 20.0, **options: Any
) -> WorkerReport:
    """Work these jobs until none is left; what was done."""
    async with asyncio.timeout(within_s):
        return await Worker(app_of(jobs), broker, WorkerOptions(**options)).run(until_drained=True)


def app_of(jobs: AnyJob | Iterable[AnyJob]) -> App[None]:
    return App(jobs=list(jobs) if isinstance(jobs, Iterable) else [jobs], services=no_services)
