"""The store on Postgres: what it says when it cannot."""

import asyncio
import time

import psycopg
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..rows import read, run


async def _is_waiting(url: str) -> bool:
    return bool(read(url, "select 1 from pg_locks where not granted"))


async def test_a_database_that_is_down_is_named_at_once_and_without_its_password() -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"postgresql://worker:\*\*\*@127\.0\.0\.1:1/cafes") as raised:
        await PostgresStore("postgresql://worker:geheim@127.0.0.1:1/cafes").open()
    assert time.monotonic() - started < 6
    assert "geheim" not in str(raised.value)


async def test_a_database_that_is_not_migrated_is_named(empty_database: str) -> None:
    with pytest.raises(StoreError, match="run `cafes migrate`"):
        await PostgresStore(empty_database).open()


async def test_a_connection_that_the_server_closed_under_a_statement_is_an_outage_and_then_replaced(
    store: PostgresStore, database: str
) -> None:
    with psycopg.connect(database) as other:
        other.execute("lock table cities in access exclusive mode")
        waiting = asyncio.create_task(store.recount(["koeln"]))
        await eventually(lambda: _is_waiting(database))
        run(database, "select pg_terminate_backend(pid) from pg_locks where not granted")
        with pytest.raises(StoreUnavailable, match="terminating connection"):
            await waiting
    assert await store.recount(["koeln"]) == []


async def test_no_statement_is_prepared_because_a_transaction_pooler_would_not_find_it_again(database: str) -> None:
    """Supabase's on port 6543. Whatever the port: a pooler may stand anywhere."""
    store = PostgresStore(database, connections=1)
    await store.open()
    try:
        for _ in range(20):
            await store.is_empty()
            async with store.transaction() as transaction:
                found = await transaction.execute("select name from pg_prepared_statements")
                assert await found.fetchall() == []
    finally:
        await store.close()


async def test_a_statement_that_takes_too_long_is_cancelled_on_the_server(database: str) -> None:
    store = PostgresStore(database, statement_timeout_s=0.2)
    await store.open()
    try:
        with psycopg.connect(database) as other:
            other.execute("lock table cities in access exclusive mode")
            with pytest.raises(StoreError, match="took longer"):
                await store.recount(["koeln"])
            await eventually(lambda: _nobody_waits(database))
        assert await store.recount(["koeln"]) == []
    finally:
        await store.close()


async def _nobody_waits(url: str) -> bool:
    return not await _is_waiting(url)
