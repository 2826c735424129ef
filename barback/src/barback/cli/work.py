"""`barback work`: a worker, as it runs in production."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Any

import click
import structlog

from barback.app import AnyApp
from barback.cli.invocation import Invocation
from barback.cli.supervising import own_settings, supervise
from barback.connect import open_broker
from barback.settings import Settings
from barback.threads import NAME
from barback.worker import Worker
from barback.worker_options import WorkerOptions

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.work")

PARENT_CHECK_S = 1.0
LEAVE_S = 0.1
"""How long handlers have to end that were cancelled, and handed back, before."""


@click.command()
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Only this queue (again for more).")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Jobs in flight a queue.")
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    metavar="N",
    help="So many worker processes, each started again when it dies (WORKER_PROCESSES; else 1: this process itself).",
)
@click.option(
    "--recycle-after-mb",
    type=click.IntRange(1),
    metavar="MB",
    help="Drain a worker that holds so much memory; with --processes another takes its place, without it this ends "
    "with exit code 0, for systemd or Docker to start it again.",
)
@click.option("--recycle-after-jobs", type=click.IntRange(1), metavar="N", help="The same after so many jobs.")
@click.option(
    "--health-port",
    type=click.IntRange(1, 65_535),
    metavar="PORT",
    help="Answer /live, /ready and /metrics there (BARBACK_HEALTH_PORT; at BARBACK_HEALTH_HOST, else 127.0.0.1). With "
    "--processes the first one does, and each other at the next port.",
)
@click.option("--supervised", "ready_fd", type=int, hidden=True, help="We are one of many; tell this file our start.")
@click.pass_obj
def work(  # noqa: PLR0913, PLR0917 — one for each option
    invocation: Invocation,
    queues: tuple[str, ...],
    concurrency: int | None,
    processes: int | None,
    recycle_after_mb: int | None,
    recycle_after_jobs: int | None,
    health_port: int | None,
    ready_fd: int | None,
) -> None:
    """Work the app's jobs until told to stop.

    Needs REDIS_URL. Ctrl-C or SIGTERM drains: no new jobs, the running ones may finish; a second one stops at once.
    With --processes a third one kills.
    """
    own = own_settings(invocation)
    if (processes or own.processes) > 1:
        given = {
            "concurrency": concurrency,
            "recycle-after-mb": recycle_after_mb,
            "recycle-after-jobs": recycle_after_jobs,
        }
        arguments = [f"--queue={name}" for name in queues]
        arguments += [f"--{name}={value}" for name, value in given.items() if value is not None]
        raise click.exceptions.Exit(supervise(invocation, own, processes or own.processes, arguments, health_port))
    app, settings = invocation.app, invocation.settings
    options = replace(
        worker_options(app, settings, queues, concurrency),
        recycle_after_mb=recycle_after_mb,
        recycle_after_jobs=recycle_after_jobs,
    )
    settings = settings.model_copy(update={"health_port": health_port or settings.health_port})
    asyncio.run(_work(app, settings, options, ready_fd))


def worker_options(
    app: AnyApp, settings: Settings, queues: tuple[str, ...] = (), concurrency: int | None = None
) -> WorkerOptions:
    """How a worker of this app works. `queues` empty: all of them. `concurrency` None: as settings and app say.

    :raises UnknownQueue: names the closest one.
    """
    wanted = tuple(app.registry.check_worked_queue(name) for name in queues) or app.registry.queues
    return WorkerOptions(
        queues=wanted,
        concurrency={name: concurrency or settings.concurrency_of(name, app.queues.get(name)) for name in wanted},
        lock_s=settings.lock_s,
        stalled_check_s=settings.stalled_check_s,
        crash_limit=settings.crash_limit,
        grace_s=settings.grace_s,
        payload_limits=settings.payload_limits,
    )


async def _work(app: AnyApp, settings: Settings, options: WorkerOptions, ready_fd: int | None) -> None:
    async with open_broker(settings) as broker:
        worker = Worker(app, broker, options)
        _obey_signals(worker, supervised=ready_fd is not None)
        beside = [asyncio.create_task(_tell_start(worker, options, ready_fd))]
        if ready_fd is not None:
            beside.append(asyncio.create_task(_end_with_parent(worker)))
        try:
            with _endpoints(worker, settings):
                report = await worker.run()
        finally:
            for one in beside:
                one.cancel()
        log.info("worker stopped", worker=worker.name, **asdict(report))
    await _leave_what_does_not_end()


def _endpoints(worker: Worker, settings: Settings) -> AbstractContextManager[object]:
    if settings.health_port is None:
        return contextlib.nullcontext()
    # Not at the top: most workers that are started in development have no use for it.
    from barback.endpoints import serve

    return serve(worker, settings.health_host, settings.health_port)


def _obey_signals(worker: Worker, supervised: bool) -> None:
    def stop_at_once() -> None:
        worker.stop()
        worker.stop()

    # systemd sends SIGTERM to us and to who supervises us, who passes it on: there the second one means nothing.
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.drain if supervised else worker.stop)
    loop.add_signal_handler(signal.SIGINT, stop_at_once if supervised else worker.stop)


async def _tell_start(worker: Worker, options: WorkerOptions, ready_fd: int | None) -> None:
    await worker.started.wait()
    log.info("worker started", worker=worker.name, queues=list(options.queues or ()))
    if ready_fd is not None:
        with contextlib.suppress(OSError):
            os.write(ready_fd, b"1")
            os.close(ready_fd)


async def _end_with_parent(worker: Worker) -> None:
    """Our parent ends us with our supervisor. If it is killed itself, nobody could ever stop us."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 — nothing tells it
        await asyncio.sleep(PARENT_CHECK_S)
    log.warning("worker left alone: draining", worker=worker.name)
    worker.drain()


async def _leave_what_does_not_end() -> None:
    """End although handlers that were handed back still run: a thread cannot be stopped, a coroutine may swallow its
    cancellation, and Python would wait for both at its end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for one in tasks:
        one.cancel()
    left = (await asyncio.wait(tasks, timeout=LEAVE_S))[1] if tasks else set[Any]()
    if left or any(thread.name.startswith(NAME) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
