"""Real servers for the tests, started once; a fresh database for each test."""

import itertools
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import pytest
from psycopg import sql

from barback.bullmq import BullMQBroker
from barback.embedded import EmbeddedPostgres, EmbeddedValkey
from cafes.migrate import migrate
from cafes.store.postgres import PostgresStore

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
    with _database(postgres, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> Iterator[str]:
    with _database(postgres, "template0") as url:
        migrate(url)
        yield _name_in(url)


@pytest.fixture
def database(postgres: str, migrated_template: str) -> Iterator[str]:
    """The address of a migrated database without cafes."""
    with _database(postgres, migrated_template) as url:
        yield url


@pytest.fixture
async def store(database: str) -> AsyncGenerator[PostgresStore]:
    async with opened(database) as one:
        yield one


@pytest.fixture
def open_store(database: str) -> Callable[[], AbstractAsyncContextManager[PostgresStore]]:
    """Opens further stores on the test's database, as other workers have them."""
    return lambda: opened(database)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class _database:  # noqa: N801 — used as a function
    """A new database from a template, dropped at the end."""

    def __init__(self, server_url: str, template: str) -> None:
        self._server_url = server_url
        self._template = template
        self._name = f"test_{next(_numbers)}"

    def __enter__(self) -> str:
        self._run("create database {} template {}", self._name, self._template)
        return self._server_url.replace("/postgres?", f"/{self._name}?")

    def __exit__(self, *_: object) -> None:
        self._run("drop database {} with (force)", self._name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # pyright: ignore[reportArgumentType]


def _name_in(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]
