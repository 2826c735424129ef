"""`barback work`: a worker, as it runs in production."""

import asyncio
import os
import signal
import sys
import threading
from dataclasses import asdict

import click
import structlog

from barback.app import AnyApp
from barback.cli.invocation import Invocation
from barback.cli.logging import configure_logging
from barback.connect import open_broker
from barback.settings import Settings
from barback.worker import Worker, WorkerOptions

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.work")


@click.command()
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Only this queue (again for more).")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Jobs in flight a queue.")
@click.pass_obj
def work(invocation: Invocation, queues: tuple[str, ...], concurrency: int | None) -> None:
    """Work the app's jobs until told to stop.

    Needs REDIS_URL. Ctrl-C or SIGTERM drains: no new jobs, the running ones may finish; a second one stops at once.
    """
    configure_logging()
    app, settings = invocation.app, invocation.settings
    options = worker_options(app, settings, queues, concurrency)
    asyncio.run(_work(app, settings, options))
    _leave_threads()


def worker_options(
    app: AnyApp, settings: Settings, queues: tuple[str, ...] = (), concurrency: int | None = None
) -> WorkerOptions:
    """How a worker of this app works. `queues` empty: all of them. `concurrency` None: as settings and app say.

    :raises UnknownQueue: names the closest one.
    """
    wanted = tuple(app.registry.check_queue(name) for name in queues) or app.registry.queues
    return WorkerOptions(
        queues=wanted,
        concurrency={name: concurrency or settings.concurrency_of(name, app.queues.get(name)) for name in wanted},
        lock_s=settings.lock_s,
        stalled_check_s=settings.stalled_check_s,
        crash_limit=settings.crash_limit,
        grace_s=settings.grace_s,
    )


async def _work(app: AnyApp, settings: Settings, options: WorkerOptions) -> None:
    async with open_broker(settings) as broker:
        worker = Worker(app, broker, options)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.stop)
        log.info("worker started", worker=worker.name, queues=list(options.queues or ()))
        report = await worker.run()
        log.info("worker stopped", worker=worker.name, **asdict(report))


def _leave_threads() -> None:
    """End although a plain `def` handler that was handed back still runs: a thread cannot be stopped, and Python would
    wait for it at its end."""
    if any(thread.name.startswith("barback-job") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
