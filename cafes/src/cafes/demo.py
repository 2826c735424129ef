"""The whole path in one process and a temporary folder: servers, import, jobs, statistics, and a check of it all."""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from barback import Producer
from barback.broker import Broker
from barback.bullmq import BullMQBroker
from barback.embedded import EmbeddedPostgres, EmbeddedValkey
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport
from cafes import sample
from cafes.app import app
from cafes.importing.importer import ImportReport
from cafes.importing.reader import CafeFile
from cafes.importing.showing import import_shown, opened, show_report
from cafes.jobs.process_cafe import process_cafe
from cafes.migrate import migrate
from cafes.services import services_on
from cafes.store.audit import Audit, audit

CONCURRENCY = 20


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo did. `imported` plus `refused` are all rows of the files.

    `processed`: cafes that have a status, all of them together. `failed`: jobs, of both kinds. `recount_equal`: the
    statistics of every city equal a plain recount. `worker_rss_mb`: the most memory that this process ever had, the
    import included.
    """

    imported: int
    processed: int
    published: int
    needs_review: int
    duplicates: int
    failed: int
    refused: int
    cities: int
    seconds: float
    recount_equal: bool
    worker_rss_mb: int

    @property
    def is_good(self) -> bool:
        return self.failed == 0 and self.recount_equal


def run_demo(paths: Sequence[Path], console: Console) -> DemoResult:
    """Import these files, or the sample if there are none, work until nothing is left, and count.

    Servers and data are gone afterwards. Progress goes to `console`.

    :raises NotCsv: a file is no list of cafes; nothing was started.
    :raises BarbackError: a server does not start; the import broke off.
    """
    started = time.monotonic()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="cafes-demo-")))
        if not paths:
            paths = [folder / "sample.csv"]
            sample.write_file(paths[0])
        files = closing.enter_context(opened(paths))
        valkey = closing.enter_context(EmbeddedValkey(folder / "valkey"))
        postgres = closing.enter_context(EmbeddedPostgres(folder / "postgres"))
        _stop_flushing(postgres.url)
        migrate(postgres.url)
        imported, worked = asyncio.run(_import_and_work(files, valkey.url, postgres.url, console))
        stored = audit(postgres.url)
    return _result(imported, worked, stored, time.monotonic() - started)


def _stop_flushing(url: str) -> None:
    # What a power cut would lose is gone in a minute anyway; what a killed process leaves is not touched by this.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter system set synchronous_commit = off")
        connection.execute("select pg_reload_conf()")


async def _import_and_work(
    files: Sequence[CafeFile], valkey_url: str, postgres_url: str, console: Console
) -> tuple[ImportReport, WorkerReport]:
    broker = BullMQBroker(valkey_url)
    await broker.open()
    try:
        async with services_on(postgres_url) as services:
            imported = await import_shown(files, services.store, Producer(broker), console)
        show_report(imported, files, console)
        demo_app = replace(app, services=partial(services_on, postgres_url))
        options = WorkerOptions(default_concurrency=CONCURRENCY, schedules=False)
        showing = asyncio.create_task(_show_progress(broker, imported.taken, console))
        worked = await Worker(demo_app, broker, options).run(until_drained=True)
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        return imported, worked
    finally:
        await broker.close()


async def _show_progress(broker: Broker, jobs: int, console: Console) -> None:
    columns = (TextColumn("working"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("working", total=jobs)
        while True:
            counts = await broker.counts(process_cafe.queue)
            left = counts["waiting"] + counts["active"] + counts["delayed"] + counts["prioritized"]
            progress.update(bar, completed=jobs - left)
            await asyncio.sleep(0.2)


def _result(imported: ImportReport, worked: WorkerReport, stored: Audit, seconds: float) -> DemoResult:
    return DemoResult(
        imported=imported.taken,
        processed=stored.processed,
        published=stored.published,
        needs_review=stored.needs_review,
        duplicates=stored.duplicates,
        failed=worked.failed,
        refused=len(imported.refused),
        cities=stored.cities,
        seconds=round(seconds, 2),
        recount_equal=not stored.wrong_cities and stored.processed == stored.cafes,
        worker_rss_mb=_peak_memory_mb(),
    )


def _peak_memory_mb() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kilobytes, macOS in bytes.
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
