"""What handlers are given."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from barback.settings import load_settings
from cafes.settings import StoreSettings, SupabaseProject
from cafes.store import Store
from cafes.store.postgres import PostgresStore
from cafes.turns import Turns


@dataclass(frozen=True, slots=True)
class Services:
    """Opened once a worker, shared by all its jobs."""

    store: Store
    turns: Turns = field(default_factory=Turns)
    """Of groups: cafes of one name in one city."""


def open_services() -> AbstractAsyncContextManager[Services]:
    """Services as the settings say: on the Supabase project if one is set, else on `DATABASE_URL`.

    :raises SettingsError: no database is named.
    :raises StoreUnavailable: on entering: it cannot be reached, refuses us, or lacks what a worker needs.
    :raises StoreError: on entering: it is not migrated.
    """
    settings = load_settings(StoreSettings)
    if settings.supabase:
        return services_on_supabase(settings.supabase, settings.connections)
    return services_on(settings.postgres_url(), settings.connections)


@asynccontextmanager
async def services_on(postgres_url: str, connections: int = 10) -> AsyncGenerator[Services]:
    """Services on this very database. Raises as `open_services`."""
    store = PostgresStore(postgres_url, connections=connections)
    await store.open()
    try:
        yield Services(store=store)
    finally:
        await store.close()


@asynccontextmanager
async def services_on_supabase(
    project: SupabaseProject, connections: int = 10, answer_timeout_s: float = 30.0
) -> AsyncGenerator[Services]:
    """Services on this very project. Raises as `open_services`."""
    # Here, because it costs a second and 47 MB, which only those shall pay who use it.
    from cafes.store.supabase import SupabaseStore

    store = SupabaseStore(project, connections=connections, answer_timeout_s=answer_timeout_s)
    try:
        await store.open()
        yield Services(store=store)
    finally:
        await store.close()
