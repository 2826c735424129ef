"""The stores that have one contract, each with the address of its database, for tests to look beneath it."""

import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from pydantic import SecretStr

from cafes.settings import SupabaseProject
from cafes.store.postgres import PostgresStore
from cafes.store.supabase import SupabaseStore

from .rows import run

AnyStore = PostgresStore | SupabaseStore
StoreT = TypeVar("StoreT", bound=AnyStore)


@asynccontextmanager
async def opened(store: StoreT) -> AsyncGenerator[StoreT]:
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@dataclass(frozen=True)
class Backend:
    """`database`: its address. `new`: makes a store on it, unopened."""

    database: str
    new: Callable[[], AnyStore]

    def open(self) -> AbstractAsyncContextManager[AnyStore]:
        return opened(self.new())


@dataclass(frozen=True)
class Restricted:
    """A backend whose stores act as `role`, which may do what a worker does and no more."""

    backend: Backend
    role: str


GRANTS = """
    grant usage on schema public to {role};
    grant select, insert, update on cities, cafes to {role};
    grant select, insert, update, delete on claims to {role};
    grant execute on all functions in schema public to {role};
"""


@contextmanager
def restricted_role(backend: Backend) -> Generator[Restricted]:
    """On Postgres a user that does not own the tables; over the API the service role."""
    if isinstance(backend.new(), SupabaseStore):
        try:
            yield Restricted(backend, "service_role")
        finally:
            run(backend.database, "alter role service_role bypassrls")
        return
    run(backend.database, "create role worker login bypassrls")
    run(backend.database, GRANTS.format(role="worker"))
    url = backend.database.replace("//postgres@", "//worker@")
    try:
        yield Restricted(Backend(backend.database, lambda: PostgresStore(url)), "worker")
    finally:
        run(backend.database, "drop owned by worker; drop role worker")


class RealProject:
    """A project at Supabase that is there for tests: `CAFES_TEST_SUPABASE_URL`, `…_KEY` and `…_DATABASE_URL`."""

    @staticmethod
    def is_named() -> bool:
        return bool(os.environ.get("CAFES_TEST_SUPABASE_URL"))

    @staticmethod
    @contextmanager
    def emptied() -> Generator[Backend]:
        """Migrated, and nobody else's until the block ends. Refuses one in which there are cafes already."""
        url, key, database = (os.environ[f"CAFES_TEST_SUPABASE_{name}"] for name in ("URL", "KEY", "DATABASE_URL"))
        project = SupabaseProject(url, SecretStr(key))
        with psycopg.connect(database, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("select pg_advisory_lock(hashtextextended('cafes.tests', 0))")
            assert connection.execute("select public.no_cafes()").fetchone() == (True,), "not empty: not one for tests"
            try:
                yield Backend(database, lambda: SupabaseStore(project))
            finally:
                connection.execute("truncate public.cafes, public.cities, public.claims restart identity")
