"""Brings a database to the schema of this release. Asking twice changes nothing.

What is applied is written where the Supabase CLI writes it, so that either goes on where the other stopped. What others
keep in the same record is left alone.
"""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from cafes.errors import MigrationRefused, StoreError
from cafes.store.connecting import OPTIONS, is_outage, store_errors
from cafes.store.fitness import ANOTHER_SHAPE, NO_HISTORY, RENEW, RESTORE, UNMADE, Condition, read_condition
from cafes.store.history import SHAPE, History, Migration, migrations, read_history

# The schema by itself: `if not exists` wants the right to make it all the same.
_NEW_RECORD = """
    do $$ begin
        if to_regnamespace('supabase_migrations') is null then
            create schema supabase_migrations;
        end if;
    end $$;
    create table supabase_migrations.schema_migrations (
        version text not null primary key, statements text[], name text
    );
"""
_WHOLE_RECORD = """
    alter table supabase_migrations.schema_migrations
        add column if not exists statements text[], add column if not exists name text;
"""
LOCK_TIMEOUT = "30s"
STATEMENT_TIMEOUT = "10min"
"""Both as Postgres reads them."""
# For one transaction: behind a pooler the next may be on another connection.
_BOUNDS = "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"
_LOCK = "select pg_advisory_xact_lock(hashtextextended('cafes.migrations', 0))"


def migrate(url: str, wanted: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; the names of those applied now.

    Any number of processes may do so at once. `wanted` None: those of this release. Not to be called where an event
    loop runs.

    :raises MigrationRefused: the database holds a migration that was changed since, these tables without a record of
        where they came from, a record that is none, or a record without the tables.
    :raises StoreUnavailable: it cannot be reached, does not answer, or our user lacks rights.
    :raises StoreError: a statement failed, or waited too long; its migration left nothing behind.
    """
    return asyncio.run(_migrate(url, wanted))


async def _migrate(url: str, wanted: Sequence[Migration] | None) -> list[str]:
    plan = migrations() if wanted is None else wanted
    applied: list[str] = []
    with store_errors(url):
        async with await AsyncConnection.connect(url, autocommit=True, **OPTIONS) as connection:
            condition = await read_condition(connection, url)
            while migration := await _apply_next(connection, plan):
                applied.append(f"{migration.version}_{migration.name}")
    if wanted is None and not applied:
        _refuse_damaged(condition)
    return applied


def _refuse_damaged(condition: Condition) -> None:
    """All migrations are applied, says the record."""
    missing = condition.lacks.missing if condition.lacks else []
    if missing or not condition.is_made:
        named = f" Missing: {', '.join(missing)}." if missing else ""
        raise MigrationRefused(f"{UNMADE}{named} {RENEW}")


async def _apply_next(connection: AsyncConnection[TupleRow], plan: Sequence[Migration]) -> Migration | None:
    """The migration that was applied. None: nothing is missing."""
    async with connection.transaction():
        await connection.execute(_BOUNDS, (LOCK_TIMEOUT, STATEMENT_TIMEOUT))
        with _waits_named():
            await connection.execute(_LOCK)
        history = await read_history(connection)
        migration = _next_of(plan, history)
        if migration:
            if history.lacks_all(plan):
                await _refuse_tables(connection)
            await _apply(connection, migration, history)
        return migration


def _next_of(plan: Sequence[Migration], history: History) -> Migration | None:
    """The first migration that is not applied. None: all are."""
    if history.has_another_shape:
        raise MigrationRefused(f"{ANOTHER_SHAPE} Rename it, or take another database.")
    if history.applied is None:
        raise psycopg.errors.InsufficientPrivilege("permission denied for supabase_migrations.schema_migrations")
    if changed := history.changed(plan):
        raise MigrationRefused(
            f"Migration {changed[0].version}_{changed[0].name} was changed after it was applied to this database. "
            "Put the file back as it was and write a new migration for what is to change."
        )
    missing = history.missing(plan)
    ours = [migration.version for migration in plan if migration not in missing]
    if missing and ours and missing[0].version < max(ours):
        raise MigrationRefused(
            f"Migration {missing[0].version}_{missing[0].name} is older than {max(ours)}, which is applied already. "
            "Give it a later version."
        )
    return missing[0] if missing else None


async def _refuse_tables(connection: AsyncConnection[TupleRow]) -> None:
    found = await connection.execute("select to_regclass('public.cafes')")
    if await found.fetchone() != (None,):
        raise MigrationRefused(f"{NO_HISTORY} {RESTORE}")


async def _apply(connection: AsyncConnection[TupleRow], migration: Migration, history: History) -> None:
    name = f"{migration.version}_{migration.name}"
    if not history.columns:
        await connection.execute(_NEW_RECORD)
    elif not history.columns.keys() >= SHAPE.keys():
        await connection.execute(_WHOLE_RECORD)
    try:
        with _waits_named():
            await connection.execute(migration.statements.encode())
    except psycopg.Error as error:
        if is_outage(error):
            raise
        raise StoreError(f"Migration {name} failed: {error}") from error
    await connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
        (migration.version, migration.name, [migration.statements]),
    )


@contextmanager
def _waits_named() -> Generator[None]:
    """:raises StoreError: something waited, or ran, for longer than it may."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise StoreError(
            f"For {LOCK_TIMEOUT} somebody else held what is to be changed, or migrated this database too. This "
            "migration left nothing behind. See who it is (pg_stat_activity), and run `cafes migrate` again."
        ) from error
    except psycopg.errors.QueryCanceled as error:
        raise StoreError(
            f"A statement took longer than {STATEMENT_TIMEOUT} and was cancelled; its migration left nothing behind. "
            "Run `cafes migrate` again when the database has less to do."
        ) from error
