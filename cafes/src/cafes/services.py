"""What handlers are given."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from barback.settings import load_settings
from cafes.settings import StoreSettings
from cafes.store import Store
from cafes.store.postgres import PostgresStore


@dataclass(frozen=True, slots=True)
class Services:
    """Opened once a worker, shared by all its jobs."""

    store: Store


@asynccontextmanager
async def open_services() -> AsyncGenerator[Services]:
    """Services for one worker, by the settings.

    :raises SettingsError: no database is named.
    :raises StoreUnavailable: it cannot be reached; within seconds.
    """
    settings = load_settings(StoreSettings)
    store = PostgresStore(settings.postgres_url(), connections=settings.connections)
    await store.open()
    try:
        yield Services(store=store)
    finally:
        await store.close()
