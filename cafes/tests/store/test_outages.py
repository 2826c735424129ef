"""The store while its database is away, and when it is back: calls end, and say why; then they work at once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.store import connections as module
from cafes.store.connecting import is_outage, store_errors
from cafes.store.connections import PATIENCE_S
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..own_postgres import OwnPostgres, Proxy
from ..rows import read, run

LOOK_AFTER_S = 0.5
CONNECT_TIMEOUT_S = 2
SHORT_PATIENCE_S = 1.0
"""Shorter than they really are where nobody answers; psycopg takes no less."""
SLACK_S = 2.0
"""For a busy machine."""


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    server = OwnPostgres(tmp_path / "postgres")
    yield server
    server.stop()


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AFTER_S", LOOK_AFTER_S)
    monkeypatch.setattr(module, "PATIENCE_S", SHORT_PATIENCE_S)
    monkeypatch.setitem(module.OPTIONS, "connect_timeout", CONNECT_TIMEOUT_S)


@asynccontextmanager
async def opened(url: str, connections: int = 4) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url, connections=connections)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def outcomes(calls: list[Awaitable[bool]]) -> tuple[set[type], float]:
    """What became of each, and the seconds until the last one ended."""
    started = time.monotonic()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return {type(answer) for answer in answers}, time.monotonic() - started


# ── stopped ─────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_database_is_stopped_calls_end_within_seconds_and_say_why(own_postgres: OwnPostgres) -> None:
    """Those that stand in line too, however many there are."""
    async with opened(own_postgres.url) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        await asyncio.to_thread(own_postgres.stop)
        kinds, seconds = await outcomes([store.is_empty() for _ in range(100)])
        assert kinds == {StoreUnavailable}
        assert seconds < PATIENCE_S + SLACK_S
        with pytest.raises(StoreUnavailable, match=r"No such file or directory|Connection refused"):
            await store.is_empty()
        await asyncio.to_thread(own_postgres.start)


async def test_a_call_made_during_a_quick_restart_does_not_notice(own_postgres: OwnPostgres) -> None:
    async with opened(own_postgres.url) as store:
        await asyncio.to_thread(own_postgres.stop)
        calls = [asyncio.create_task(store.is_empty()) for _ in range(20)]
        await asyncio.to_thread(own_postgres.start)
        assert await asyncio.gather(*calls) == [True] * 20


async def test_connections_that_died_while_idle_fail_no_call(own_postgres: OwnPostgres) -> None:
    async with opened(own_postgres.url) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.to_thread(own_postgres.start)
        kinds, seconds = await outcomes([store.is_empty() for _ in range(20)])
        assert kinds == {bool}
        assert seconds < SLACK_S


# ── blocked ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("short_timeouts")
async def test_while_nobody_answers_calls_end_within_seconds(database: str) -> None:
    """Those under way when it began, and those that came later."""
    async with Proxy(database) as proxy, opened(proxy.url) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        proxy.block()
        kinds, seconds = await outcomes([store.is_empty() for _ in range(20)])
        assert kinds == {StoreUnavailable}
        assert seconds < LOOK_AFTER_S + CONNECT_TIMEOUT_S + SLACK_S
        kinds, seconds = await outcomes([store.is_empty() for _ in range(20)])
        assert kinds == {StoreUnavailable}
        assert seconds < CONNECT_TIMEOUT_S + SLACK_S


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("cut", [True, False], ids=["connections are gone", "connections go on"])
async def test_calls_work_at_once_when_somebody_answers_again(database: str, cut: bool) -> None:
    async with Proxy(database) as proxy, opened(proxy.url) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        proxy.block()
        under_way = [asyncio.create_task(store.is_empty()) for _ in range(20)]
        await outcomes([store.is_empty() for _ in range(20)])
        proxy.unblock(cut=cut)
        kinds, seconds = await outcomes([store.is_empty() for _ in range(20)])
        assert kinds == {bool}
        assert seconds < SLACK_S
        await asyncio.gather(*under_way, return_exceptions=True)


@pytest.mark.usefixtures("short_timeouts")
async def test_a_transaction_ends_within_seconds_when_nobody_answers(database: str) -> None:
    """P3."""
    async with Proxy(database) as proxy, opened(proxy.url) as store:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await _block_within_a_transaction(store, proxy)
        assert time.monotonic() - started < LOOK_AFTER_S + CONNECT_TIMEOUT_S + SLACK_S
        proxy.unblock(cut=True)
        assert await store.is_empty()


async def _block_within_a_transaction(store: PostgresStore, proxy: Proxy) -> None:
    async with store.transaction() as transaction:
        proxy.block()
        await transaction.execute("select 1")


@pytest.mark.usefixtures("short_timeouts")
async def test_a_slow_statement_is_not_taken_for_an_outage(store: PostgresStore) -> None:
    """Somebody answers a new connection, so the one that is busy is left alone."""
    async with store.transaction() as transaction:
        await transaction.execute("select pg_sleep(%s)", (LOOK_AFTER_S * 4,))


@pytest.mark.usefixtures("short_timeouts")
async def test_a_slow_statement_goes_on_while_the_database_refuses_new_connections(
    store: PostgresStore, postgres: str, database: str
) -> None:
    """Whoever refuses is there."""
    name = urlsplit(database).path.removeprefix("/")
    async with store.transaction() as transaction:
        run(postgres, f"alter database {name} allow_connections false")
        await transaction.execute("select pg_sleep(%s)", (LOOK_AFTER_S * 4,))


# ── the connections ─────────────────────────────────────────────────────────────────────────────────


async def test_there_are_never_more_connections_than_allowed(database: str) -> None:
    async with opened(database, connections=3) as store:
        await outcomes([store.is_empty() for _ in range(50)])
        mine = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        assert read(database, mine) == [{"count": 3}]


async def test_what_ends_one_connection_makes_all_idle_ones_be_forgotten(database: str) -> None:
    """After a failover they lead to a server that is none any more, and do not know."""
    others = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    async with opened(database) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        before = {row["pid"] for row in read(database, others)}
        assert len(before) == 4
        with pytest.raises(StoreUnavailable):
            await _end_own_connection(store)

        async def all_gone() -> bool:
            return not before & {row["pid"] for row in read(database, others)}

        await eventually(all_gone)
        assert await store.is_empty()


async def _end_own_connection(store: PostgresStore) -> None:
    async with store.transaction() as transaction:
        await transaction.execute("select pg_terminate_backend(pg_backend_pid())")


async def test_a_call_that_is_cancelled_gives_its_connection_back(database: str) -> None:
    async with opened(database, connections=1) as store:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), store.transaction() as transaction:
                    await transaction.execute("select pg_sleep(20)")
        assert await store.is_empty()


async def test_a_closed_store_is_unavailable_and_leaves_no_connection(database: str) -> None:
    async with opened(database) as store:
        await outcomes([store.is_empty() for _ in range(20)])
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        await store.is_empty()

    async def nobody() -> bool:
        others = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        return not read(database, others)

    await eventually(nobody)


async def test_a_connection_given_back_after_the_store_was_closed_is_closed(database: str) -> None:
    async with opened(database) as store, store.transaction() as transaction:
        await store.close()
    assert transaction.closed


async def test_a_connection_idle_for_long_is_not_used_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(database) as store:
        async with store.transaction() as first:
            pass
        async with store.transaction() as second:
            assert second is first
        monkeypatch.setattr(module, "LONGEST_IDLE_S", 0.0)
        async with store.transaction() as third:
            assert third is not first
        assert first.closed


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (psycopg.errors.AdminShutdown, True),
        (psycopg.errors.TooManyConnections, True),
        (psycopg.errors.ReadOnlySqlTransaction, True),
        (psycopg.errors.SerializationFailure, False),
        (psycopg.errors.DeadlockDetected, False),
        (psycopg.errors.QueryCanceled, False),
        (psycopg.errors.UniqueViolation, False),
    ],
)
def test_an_outage_is_what_waiting_helps_against(error: type[psycopg.Error], away: bool) -> None:
    assert is_outage(error("x")) is away
    with pytest.raises(StoreUnavailable if away else StoreError), store_errors("postgresql://host/db"):
        raise error("x")
