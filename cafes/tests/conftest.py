"""Real servers for the tests, started once; a fresh database for each test."""

import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import psycopg
import pytest

from barback.bullmq import BullMQBroker
from barback.embedded import EmbeddedPostgres, EmbeddedValkey
from cafes.migrate import migrate
from cafes.store.postgres import PostgresStore
from cafes.store.supabase import SupabaseStore

from .backends import Backend, RealProject, opened
from .databases import name_in, new_database
from .rows import run
from .supabase_side import USAGE, SupabaseSide, supabase_side

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a Postgres of our own, as its superuser."""
    with EmbeddedPostgres() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            # Nothing has to survive here, and a fresh database a test is fifteen times faster so.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set full_page_writes = off")
            connection.execute("select pg_reload_conf()")
        yield server.url


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The address of a Valkey of our own."""
    with EmbeddedValkey() as server:
        yield server.url


@pytest.fixture
def prefix() -> str:
    """Of the keys of this test: its queues are no other test's."""
    return f"test-{next(_numbers)}"


@pytest.fixture
async def broker(valkey: str, prefix: str) -> AsyncGenerator[BullMQBroker]:
    opened_broker = BullMQBroker(valkey, prefix=prefix)
    await opened_broker.open()
    yield opened_broker
    await opened_broker.close()


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """The address of a database with nothing in it."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> Iterator[str]:
    with new_database(postgres) as url:
        migrate(url)
        yield name_in(url)


@pytest.fixture
def database(postgres: str, migrated_template: str) -> Iterator[str]:
    """The address of a migrated database without cafes."""
    with new_database(postgres, migrated_template) as url:
        yield url


@pytest.fixture
async def store(database: str) -> AsyncGenerator[PostgresStore]:
    async with opened(PostgresStore(database)) as one:
        yield one


@pytest.fixture
def open_store(database: str) -> Callable[[], AbstractAsyncContextManager[PostgresStore]]:
    """Opens further stores on the test's database, as other workers have them."""
    return lambda: opened(PostgresStore(database))


# ── Supabase ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def supabase() -> Iterator[SupabaseSide]:
    """A Postgres as Supabase has them, and its API."""
    try:
        with supabase_side() as side:
            yield side
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def supabase_template(supabase: SupabaseSide) -> Iterator[str]:
    with new_database(supabase.postgres_url) as url:
        run(url, USAGE)
        migrate(url)
        yield name_in(url)


@pytest.fixture(params=["postgres", "supabase", *(["real project"] if RealProject.is_named() else [])])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A store of each kind, and the migrated, empty database under it."""
    if request.param == "postgres":
        template: str = request.getfixturevalue("migrated_template")
        with new_database(request.getfixturevalue("postgres"), template) as url:
            yield Backend(url, lambda: PostgresStore(url))
    elif request.param == "supabase":
        side: SupabaseSide = request.getfixturevalue("supabase")
        with new_database(side.postgres_url, request.getfixturevalue("supabase_template")) as url:
            yield Backend(url, lambda: SupabaseStore(side.project_of(url)))
    else:
        with RealProject.emptied() as real:
            yield real
