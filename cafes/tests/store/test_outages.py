"""The store while its database is away, and when it is back: calls end, and say why; then they work at once."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.store import connecting, connections
from cafes.store.connecting import is_outage, store_errors
from cafes.store.connections import GIVE_UP_S, LONGEST_IDLE_S
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..own_postgres import OwnPostgres, Proxy
from ..rows import read
from ..silent import Silent

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
async def opened(url: str, connections: int = 4, statement_s: float = STATEMENT_S) -> AsyncGenerator[PostgresStore]:
    store = PostgresStore(url, connections=connections, statement_timeout_s=statement_s)
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


async def in_use(store: PostgresStore, connections: int, until: asyncio.Event) -> list["asyncio.Task[None]"]:
    """So many of its connections are, until then."""
    began = asyncio.Semaphore(0)

    async def hold() -> None:
        async with store.transaction():
            began.release()
            await until.wait()

    holders = [asyncio.create_task(hold()) for _ in range(connections)]
    for _ in holders:
        await began.acquire()
    return holders


async def test_while_all_connections_are_busy_a_call_waits_as_long_as_a_statement_may_take(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P7. It is no outage, and no job need be put off for it."""
    monkeypatch.setattr(connections, "GIVE_UP_S", 0.1)
    async with opened(database, connections=2, statement_s=30.0) as store:
        over = asyncio.Event()
        holders = await in_use(store, 2, over)
        calls = [asyncio.create_task(store.is_empty()) for _ in range(20)]
        done, _ = await asyncio.wait(calls, timeout=0.5)
        assert not done
        over.set()
        assert await asyncio.gather(*calls) == [True] * 20
        await asyncio.gather(*holders)


async def test_a_call_that_waited_so_long_says_that_all_were_busy(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "GIVE_UP_S", 0.1)
    async with opened(database, connections=2, statement_s=0.3) as store:
        over = asyncio.Event()
        holders = await in_use(store, 2, over)
        with pytest.raises(StoreUnavailable, match=r"all 2 connections were busy for 0.3 s\. Fewer jobs") as raised:
            await store.is_empty()
        assert "DATABASE_CONNECTIONS" in str(raised.value)
        assert "Check that it runs" not in str(raised.value)
        over.set()
        await asyncio.gather(*holders)


async def test_each_connection_of_the_pool_notices_in_time_that_nobody_is_there(database: str) -> None:
    """Connecting has a bound, packets that nobody confirms too, and none is idle for so long that it is forgotten."""
    async with opened(database) as store, store.transaction() as transaction:
        given = transaction.info.get_parameters()
        assert given["connect_timeout"] == "5"
        assert given["tcp_user_timeout"] == "10000"
        assert [given[f"keepalives_{name}"] for name in ("idle", "interval", "count")] == ["30", "5", "3"]
        assert store._connections._pool.max_idle == LONGEST_IDLE_S < 350


async def test_a_database_that_lets_us_in_and_then_says_nothing_is_not_begun_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "ANSWER_TIMEOUT_S", 0.2)
    async with Silent() as silent:
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s.*has connections free") as raised:
            await asyncio.wait_for(PostgresStore(silent.postgres_url).open(), 20)
    assert "geheim" not in str(raised.value)


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
        (psycopg.errors.InsufficientPrivilege, True),
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
