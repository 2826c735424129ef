"""Claims on a real Postgres: an effect and its claim commit together or not at all (P3)."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import LiteralString

import psycopg
import pytest

from barback.errors import UsageError
from cafes.errors import StoreError, StoreUnavailable
from cafes.store import CLAIMS_KEPT_S
from cafes.store.once import LONGEST_KEY, once
from cafes.store.postgres import PostgresStore

from ..eventually import eventually
from ..rows import read, run

OpenStore = Callable[[], AbstractAsyncContextManager[PostgresStore]]

KEY = "charge-cafe:1:charge"


@pytest.fixture(autouse=True)
def ledger(database: str) -> None:
    run(database, "create table ledger (effect text not null)")


def effects(database: str) -> int:
    (row,) = read(database, "select count(*) from ledger")
    return row["count"]


async def charge(store: PostgresStore, key: str = KEY) -> bool:
    """What a guarded handler does."""
    async with store.transaction() as transaction:
        if not await once(transaction, key):
            return False
        await transaction.execute("insert into ledger values (%s)", (key,))
        return True


async def test_an_effect_happens_once_although_its_job_runs_twice(store: PostgresStore, database: str) -> None:
    """P3."""
    assert [await charge(store), await charge(store)] == [True, False]
    assert effects(database) == 1


async def test_another_effect_of_the_same_job_has_a_claim_of_its_own(store: PostgresStore, database: str) -> None:
    """P3."""
    assert [await charge(store), await charge(store, "charge-cafe:1:mail")] == [True, True]
    assert effects(database) == 2


async def test_a_claim_whose_effect_failed_is_free_again(store: PostgresStore, database: str) -> None:
    """P3."""
    with pytest.raises(StoreError):
        await _charge_in_vain(store, "select 1 / 0")
    assert effects(database) == 0
    assert await charge(store)
    assert effects(database) == 1


async def _charge_in_vain(store: PostgresStore, and_then: LiteralString, *parameters: object) -> None:
    async with store.transaction() as transaction:
        assert await once(transaction, KEY)
        await transaction.execute("insert into ledger values ('half')")
        await transaction.execute(and_then, parameters)


async def test_a_claim_within_one_transaction_is_given_once(store: PostgresStore) -> None:
    """P3."""
    async with store.transaction() as transaction:
        assert [await once(transaction, KEY), await once(transaction, KEY)] == [True, False]


@pytest.mark.parametrize("first_commits", [True, False])
async def test_of_two_at_once_the_second_waits_for_the_first(
    store: PostgresStore, open_store: OpenStore, database: str, first_commits: bool
) -> None:
    """P3. Committed: the effect is done. Rolled back: it is the second one's to do."""
    async with open_store() as other:
        with psycopg.connect(database) as first:
            assert first.execute("select once(%s)", (KEY,)).fetchone() == (True,)
            second = asyncio.create_task(charge(other))
            await eventually(lambda: _somebody_waits(database))
            assert not second.done()
            if first_commits:
                first.execute("insert into ledger values ('first')")
                first.commit()
            else:
                first.rollback()
        assert await second is not first_commits
    assert effects(database) == 1
    assert await charge(store) is False


async def _somebody_waits(database: str) -> bool:
    return bool(read(database, "select 1 from pg_locks where not granted"))


async def test_many_at_once_do_it_once(store: PostgresStore, database: str) -> None:
    """P3."""
    assert sorted(await asyncio.gather(*(charge(store) for _ in range(20)))) == [False] * 19 + [True]
    assert effects(database) == 1


async def test_a_function_claims_and_does_it_in_one_statement(database: str) -> None:
    """P3. As Supabase's API calls it, which has one transaction a request; the example in the migration."""
    run(
        database,
        """
        create table charges (job text, cents integer check (cents > 0));
        create function charge_once(job text, cents integer) returns boolean
        language plpgsql volatile set search_path = '' as $f$
        begin
            if not public.once('charge-cafe:' || job || ':charge') then
                return false;
            end if;
            insert into public.charges (job, cents) values (job, cents);
            return true;
        end
        $f$;
        """,
    )
    with psycopg.connect(database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("select charge_once('7', -1)")
        answers = [connection.execute("select charge_once('7', 300)").fetchone() for _ in range(2)]
    assert answers == [(True,), (False,)]
    assert read(database, "select * from charges") == [{"job": "7", "cents": 300}]


# ── what it refuses ─────────────────────────────────────────────────────────────────────────────────


async def test_a_claim_outside_a_transaction_is_refused(database: str) -> None:
    """P3. It would commit by itself, and a crash before the effect would lose that for good."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        with pytest.raises(UsageError, match="in no transaction, so the claim would commit without its effect"):
            await once(connection, KEY)
        async with connection.transaction():
            assert await once(connection, KEY)


async def test_a_connection_that_begins_transactions_by_itself_will_do(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        assert await once(connection, KEY)
        await connection.rollback()
        assert await once(connection, KEY)


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1), "a\0b"])
async def test_a_key_that_names_nothing_is_refused(store: PostgresStore, key: str) -> None:
    with pytest.raises(UsageError, match="expected a key of 1 to 300 characters"):
        await charge(store, key)


async def test_the_longest_key_is_stored_whatever_its_characters(store: PostgresStore, database: str) -> None:
    assert await charge(store, "ß" * LONGEST_KEY)
    with pytest.raises(psycopg.errors.CheckViolation):
        run(database, "select once(repeat('x', %s))", LONGEST_KEY + 1)


# ── the transaction ─────────────────────────────────────────────────────────────────────────────────


async def test_a_statement_that_fails_in_a_transaction_is_a_store_error(store: PostgresStore) -> None:
    with pytest.raises(StoreError, match="would not do it: division by zero"):
        await _charge_in_vain(store, "select 1 / 0")


async def test_what_a_handler_raises_in_a_transaction_undoes_it_and_is_left_as_it_is(
    store: PostgresStore, database: str
) -> None:
    async def raise_halfway() -> None:
        async with store.transaction() as transaction:
            await transaction.execute("insert into ledger values ('half')")
            raise TimeoutError("of the handler's own")

    with pytest.raises(TimeoutError, match="of the handler's own"):
        await raise_halfway()
    assert effects(database) == 0


async def test_a_connection_lost_in_a_transaction_is_an_outage_and_undoes_it(
    store: PostgresStore, database: str
) -> None:
    with pytest.raises(StoreUnavailable):
        await _charge_in_vain(store, "select pg_terminate_backend(pg_backend_pid())")
    assert await charge(store)
    assert effects(database) == 1


# ── forgetting ──────────────────────────────────────────────────────────────────────────────────────


async def test_old_claims_are_forgotten_the_oldest_first_and_so_many_at_most(
    store: PostgresStore, database: str
) -> None:
    ages = "select 'old-' || n, now() - make_interval(days => 30 + n) from generate_series(1, 5) n"
    run(database, f"insert into claims {ages}")
    run(database, "insert into claims values ('young', now() - interval '29 days')")
    assert await store.forget_claims(at_most=2) == 2
    assert [row["key"] for row in read(database, "select key from claims order by claimed_at")] == [
        "old-3",
        "old-2",
        "old-1",
        "young",
    ]
    assert await store.forget_claims() == 3
    assert await store.forget_claims() == 0
    assert CLAIMS_KEPT_S == 30 * 86_400
    assert await store.forget_claims(older_than_s=60.0) == 1


async def test_a_claim_that_is_forgotten_can_be_made_again(store: PostgresStore, database: str) -> None:
    await charge(store)
    await store.forget_claims(older_than_s=0.0)
    assert await charge(store)
    assert effects(database) == 2
