"""The store while its database is away, and when it is back: calls end, and say why; then they work at once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.store import connections
from cafes.store.connecting import is_outage, store_errors
from cafes.store.connections import GIVE_UP_S
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..own_postgres import OwnPostgres, Proxy
from ..rows import read

STATEMENT_S = 2.0
SLACK_S = 2.0
"""For a busy machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    server = OwnPostgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def own_postgres(server: OwnPostgres) -> Iterator[OwnPostgres]:
    """Running; a test may leave it stopped."""
    yield server
    server.stop()
    server.start()


@asynccontextmanager
async def opened(url: str, connections: int = 4) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url, connections=connections, statement_timeout_s=STATEMENT_S)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def outcomes(calls: list[Awaitable[bool]]) -> tuple[set[type], float]:
    """What became of each, and the seconds until the last one ended."""
    answers, seconds = await answered(calls)
    return {type(answer) for answer in answers}, seconds


async def answered(calls: list[Awaitable[bool]]) -> tuple[list[bool | BaseException], float]:
    started = time.monotonic()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return answers, time.monotonic() - started


# ── stopped ─────────────────────────────────────────────────────────────────────────────────────────


async def test_while_the_database_is_stopped_calls_end_within_seconds(own_postgres: OwnPostgres) -> None:
    """Those that stand in line too, however many there are."""
    async with opened(own_postgres.url) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        await asyncio.to_thread(own_postgres.stop)
        answers, seconds = await answered([store.is_empty() for _ in range(100)])
        assert {type(answer) for answer in answers} == {StoreUnavailable}
        assert seconds < GIVE_UP_S + SLACK_S
        assert "no connection could be made within 5 s" in str(answers[-1])


async def test_a_call_made_during_a_quick_restart_does_not_notice(own_postgres: OwnPostgres) -> None:
    async with opened(own_postgres.url, connections=1) as store:
        await stopped(own_postgres, store)
        calls = [asyncio.create_task(store.is_empty()) for _ in range(20)]
        await asyncio.to_thread(own_postgres.start)
        assert await asyncio.gather(*calls) == [True] * 20


async def test_a_call_is_answered_although_the_pool_gave_up_meanwhile(
    own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody else asks: for those who wait it tries again by itself."""
    monkeypatch.setattr(connections, "RECONNECT_S", 0.1)

    async def gave_up() -> bool:
        return "reconnection attempt in pool" in caplog.text

    async with opened(own_postgres.url, connections=1) as store:
        await stopped(own_postgres, store)
        calls = [asyncio.create_task(store.is_empty()) for _ in range(20)]
        await eventually(gave_up)
        await asyncio.to_thread(own_postgres.start)
        assert await asyncio.gather(*calls) == [True] * 20


async def test_connections_that_died_while_idle_cost_a_call_each_and_no_time(own_postgres: OwnPostgres) -> None:
    async with opened(own_postgres.url, connections=4) as store:
        await outcomes([store.is_empty() for _ in range(20)])
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.to_thread(own_postgres.start)
        started, failed = time.monotonic(), 0
        while not await works(store):
            failed += 1
        assert failed <= 4
        assert time.monotonic() - started < SLACK_S


async def stopped(server: OwnPostgres, store: PostgresStore) -> None:
    """And the store's one connection, which died while idle, has cost its call."""
    assert await store.is_empty()
    await asyncio.to_thread(server.stop)
    assert not await works(store)


async def works(store: PostgresStore) -> bool:
    try:
        return await store.is_empty()
    except StoreUnavailable:
        return False


# ── lost ────────────────────────────────────────────────────────────────────────────────────────────


async def test_while_nobody_answers_new_calls_end_within_seconds_and_work_when_somebody_does(database: str) -> None:
    async with Proxy(database) as proxy, opened(proxy.url) as store:
        proxy.block()
        kinds, seconds = await outcomes([store.is_empty() for _ in range(20)])
        assert kinds <= {StoreUnavailable, StoreError}
        assert seconds < STATEMENT_S + GIVE_UP_S + SLACK_S
        proxy.unblock(cut=True)
        await eventually(lambda: works(store), within_s=GIVE_UP_S + SLACK_S)


async def test_a_transaction_ends_when_the_connection_is_cut(database: str) -> None:
    """P3."""
    async with Proxy(database) as proxy, opened(proxy.url) as store:
        with pytest.raises(StoreUnavailable):
            await _cut_within_a_transaction(store, proxy)
        await eventually(lambda: works(store), within_s=SLACK_S)


async def _cut_within_a_transaction(store: PostgresStore, proxy: Proxy) -> None:
    async with store.transaction() as transaction:
        proxy.block()
        proxy.unblock(cut=True)
        await transaction.execute("select 1")


# ── the connections ─────────────────────────────────────────────────────────────────────────────────


async def test_there_are_never_more_connections_than_allowed(database: str) -> None:
    async with opened(database, connections=3) as store:
        await outcomes([store.is_empty() for _ in range(50)])
        mine = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        assert read(database, mine) == [{"count": 3}]


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
