"""Brings a database to the schema of this release. Asking twice changes nothing."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from cafes.errors import MigrationRefused, StoreError
from cafes.store.connecting import CONNECT_TIMEOUT_S, unavailable

_RECORD = """
    create schema if not exists cafes_meta;
    create table if not exists cafes_meta.migrations (
        version text primary key,
        name text not null,
        checksum text not null,
        applied_at timestamptz not null default now()
    );
"""  # in a schema of its own, because Supabase's API shows all of `public`

_LOCK = "select pg_advisory_xact_lock(hashtextextended('cafes.migrations', 0))"


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file. `version`: the digits its name begins with, as the Supabase CLI reads them."""

    version: str
    name: str
    statements: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statements.encode()).hexdigest()


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


def _applied(connection: psycopg.Connection) -> dict[str, str]:
    connection.execute(_RECORD)
    return dict(connection.execute("select version, checksum from cafes_meta.migrations order by version").fetchall())


def _next_of(plan: list[Migration], applied: dict[str, str], connection: psycopg.Connection) -> Migration | None:
    """The first migration that is not applied. None: all are."""
    known = {migration.version: migration for migration in plan}
    for version, checksum in applied.items():
        if version not in known:
            raise MigrationRefused(
                f"The database holds migration {version}, which this release does not know. It was migrated by a newer "
                "release: run that one."
            )
        if known[version].checksum != checksum:
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
            "insert into cafes_meta.migrations (version, name, checksum) values (%s, %s, %s)",
            (migration.version, migration.name, migration.checksum),
        )
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise StoreError(f"Migration {migration.version}_{migration.name} failed: {error}") from error
