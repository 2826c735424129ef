"""What `barback dev` calls before it works: a migrated database with cafes in it."""

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console

from barback import connect
from barback.settings import load_settings
from cafes import sample
from cafes.importing.showing import import_shown, opened
from cafes.migrate import migrate
from cafes.services import open_services
from cafes.settings import StoreSettings


def prepare() -> None:
    """Migrate, and import the sample if there is no cafe yet. `REDIS_URL` is set, and `DATABASE_URL` or a project.

    A Supabase project is left as it is: it may be the one that people use.

    :raises BarbackError: the database or Redis cannot be used.
    """
    settings = load_settings(StoreSettings)
    if settings.supabase:
        return
    migrate(settings.postgres_url())
    asyncio.run(_import_sample())


async def _import_sample() -> None:
    async with open_services() as services, connect() as producer:
        if not await services.store.is_empty():
            return
        console = Console(stderr=True)
        with tempfile.TemporaryDirectory(prefix="cafes-") as folder:
            path = Path(folder) / "sample.csv"
            sample.write_file(path)
            with opened([path]) as files:
                report = await import_shown(files, services.store, producer, console)
        console.print(f"Imported the sample: {report.taken} cafes, {len(report.refused)} rows refused.")
