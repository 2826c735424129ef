"""Brings a database to the schema of this release. Asking twice changes nothing.

What is applied is written where the Supabase CLI writes it, so that either goes on where the other stopped.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from cafes.errors import MigrationRefused, StoreError
from cafes.store.connecting import CONNECT_TIMEOUT_S, unavailable

_HISTORY = """
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
    alter table supabase_migrations.schema_migrations
        add column if not exists statements text[], add column if not exists name text;
"""
_APPLIED = "select version, statements from supabase_migrations.schema_migrations order by version"
_LOCK = "select pg_advisory_xact_lock(hashtextextended('cafes.migrations', 0))"


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. `version`: the digits its name begins with, as the Supabase CLI reads them."""

    version: str
    name: str
    statements: str

    def is_as(self, applied: Sequence[str] | None) -> bool:
        """Whether it says what was `applied`. None: nobody wrote down what that was.

        The Supabase CLI writes statement by statement, without the semicolons between them and blanks at their ends.
        """
        return applied is None or _bare("".join(applied)) == _bare(self.statements)


def migrations() -> list[Migration]:
    """The migrations of this release, oldest first."""
    found: list[Migration] = []
    for file in (files("cafes") / "migrations").iterdir():
        version, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql"):
            # A checkout that writes CRLF must not look like a changed migration.
            found.append(Migration(version, name, file.read_text("utf-8").replace("\r\n", "\n")))
    return sorted(found, key=lambda migration: migration.version)


def migrate(url: str, wanted: list[Migration] | None = None) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; the names of those applied now.

    Any number of processes may do so at once. `wanted` None: those of this release.

    :raises MigrationRefused: the database holds a migration that is not known here or was changed since, or these
        tables without a record of where they came from.
    :raises StoreUnavailable: it cannot be reached.
    :raises StoreError: a statement failed; its migration left nothing behind.
    """
    applied: list[str] = []
    plan = migrations() if wanted is None else wanted
    try:
        # No prepared statements: behind a transaction pooler the next transaction may be on another connection.
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, prepare_threshold=None) as connection:
            for migration in plan:
                with connection.transaction():
                    connection.execute(_LOCK)
                    if _next_of(plan, _applied(connection), connection) == migration:
                        _apply(connection, migration)
                        applied.append(f"{migration.version}_{migration.name}")
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from error
    return applied


def _applied(connection: psycopg.Connection) -> dict[str, list[str] | None]:
    connection.execute(_HISTORY)
    return dict(connection.execute(_APPLIED).fetchall())


def _bare(statements: str) -> str:
    return re.sub(r"[\s;]+", "", statements)


def _next_of(
    plan: list[Migration], applied: dict[str, list[str] | None], connection: psycopg.Connection
) -> Migration | None:
    """The first migration that is not applied. None: all are."""
    known = {migration.version: migration for migration in plan}
    for version, statements in applied.items():
        if version not in known:
            raise MigrationRefused(
                f"The database holds migration {version}, which this release does not know. If a newer release made "
                "it, run that one. If others keep migrations there too, put the files of cafes/migrations among theirs "
                "and go on with `supabase db push`."
            )
        if not known[version].is_as(statements):
            raise MigrationRefused(
                f"Migration {version}_{known[version].name} was changed after it was applied to this database. "
                "Put the file back as it was and write a new migration for what is to change."
            )
    missing = [migration for migration in plan if migration.version not in applied]
    if missing and applied and missing[0].version < max(applied):
        raise MigrationRefused(
            f"Migration {missing[0].version}_{missing[0].name} is older than {max(applied)}, which is applied already. "
            "Give it a later version."
        )
    if missing and not applied and connection.execute("select to_regclass('public.cafes')").fetchone() != (None,):
        raise MigrationRefused(
            "The database has a table 'cafes' but no record of migrations: something else made it. Use an empty "
            "database, or go on with the tool that made it (`supabase db push` with the files in cafes/migrations)."
        )
    return missing[0] if missing else None


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        connection.execute(migration.statements.encode())
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
            (migration.version, migration.name, [migration.statements]),
        )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise StoreError(f"Migration {migration.version}_{migration.name} failed: {error}") from error
