"""`cafes import FILE.csv…`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def import_(files: tuple[Path, ...]) -> None:
    """Take cafes from CSV files and enqueue each.

    Columns: name, city or city_slug; address, postcode, lat, lon, website, comments if there are any. Needs
    a database (DATABASE_URL, or a Supabase project) and REDIS_URL, or a `barback dev` that runs in this project. A row
    without a name or a city is refused and named at the end, which is no failure. The same file again updates the cafes
    that it made.
    """
    from barback.cli.invocation import Invocation
    from barback.cli.running_dev import borrow_environment
    from cafes.settings import check

    borrow_environment(Invocation().data_folder)
    check()
    asyncio.run(_import(files))


async def _import(paths: Sequence[Path]) -> None:
    from rich.console import Console

    from barback import connect
    from cafes.importing.showing import import_shown, opened, show_report
    from cafes.services import open_services

    # Files first, then the queue, then the database: what is easiest to mend is said first, and before a row is stored.
    with opened(paths) as opened_files:
        async with connect() as producer, open_services() as services:
            report = await import_shown(opened_files, services.store, producer, Console(stderr=True))
        show_report(report, opened_files, Console())
