"""The schema: applied once, in order, and never over a state that is not understood."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import cafes.migrate
from cafes.errors import MigrationRefused, StoreError, StoreUnavailable
from cafes.migrate import migrate
from cafes.store import connecting
from cafes.store.history import Migration, migrations

from .rows import read, run
from .silent import Silent

FIRST = Migration("20260101000000", "first", "create table one (id int)")
SECOND = Migration("20260102000000", "second", "create table two (id int)")


def tables(url: str) -> set[str]:
    return {row["tablename"] for row in read(url, "select tablename from pg_tables where schemaname = 'public'")}


def test_an_empty_database_is_migrated_and_the_second_time_nothing_happens(empty_database: str) -> None:
    assert migrate(empty_database) == [f"{each.version}_{each.name}" for each in migrations()]
    assert tables(empty_database) == {"cities", "cafes", "claims"}
    assert migrate(empty_database) == []


def test_file_names_are_what_the_supabase_cli_reads() -> None:
    assert migrations()
    for migration in migrations():
        assert len(migration.version) == 14
        assert migration.version.isdigit()
        assert migration.name


def test_only_what_is_missing_is_applied(empty_database: str) -> None:
    migrate(empty_database, [FIRST])
    assert migrate(empty_database, [FIRST, SECOND]) == ["20260102000000_second"]


def test_many_at_once_apply_each_migration_once(empty_database: str) -> None:
    applied: list[str] = []
    threads = [threading.Thread(target=lambda: applied.extend(migrate(empty_database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [f"{each.version}_{each.name}" for each in migrations()]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str) -> None:
    broken = Migration("20260102000000", "broken", "create table two (id int); select 1 / 0")
    with pytest.raises(StoreError, match="20260102000000_broken failed: division by zero"):
        migrate(empty_database, [FIRST, broken])
    assert tables(empty_database) == {"one"}
    assert migrate(empty_database, [FIRST, SECOND]) == ["20260102000000_second"]


def test_a_changed_migration_is_refused(empty_database: str) -> None:
    migrate(empty_database, [FIRST])
    changed = Migration(FIRST.version, FIRST.name, "create table other (id int)")
    with pytest.raises(MigrationRefused, match="20260101000000_first was changed after it was applied"):
        migrate(empty_database, [changed, SECOND])
    assert tables(empty_database) == {"one"}


def test_a_database_of_a_newer_release_is_left_as_it_is(empty_database: str) -> None:
    """The doctor tells of it."""
    migrate(empty_database, [FIRST, SECOND])
    assert migrate(empty_database, [FIRST]) == []
    assert tables(empty_database) == {"one", "two"}


def test_a_migration_older_than_those_applied_is_refused(empty_database: str) -> None:
    migrate(empty_database, [SECOND])
    with pytest.raises(MigrationRefused, match="20260101000000_first is older than 20260102000000"):
        migrate(empty_database, [FIRST, SECOND])


def test_tables_that_something_else_made_are_refused(empty_database: str) -> None:
    run(empty_database, "create table cafes (id int)")
    with pytest.raises(MigrationRefused, match=r"a table 'cafes' but no record of migrations.*bring the schema"):
        migrate(empty_database)
    assert read(empty_database, "select from pg_namespace where nspname = 'supabase_migrations'") == []


# ── beside the Supabase CLI ─────────────────────────────────────────────────────────────────────────


def pushed(url: str, wanted: list[Migration]) -> None:
    """What `supabase db push` leaves: each statement by itself, without the semicolon and the blanks around it."""
    run(url, "create schema if not exists supabase_migrations")
    run(url, "create table if not exists supabase_migrations.schema_migrations (version text not null primary key)")
    run(url, "alter table supabase_migrations.schema_migrations add column if not exists statements text[]")
    run(url, "alter table supabase_migrations.schema_migrations add column if not exists name text")
    for migration in wanted:
        # It does not cut within a quoted body; where it cuts is nothing that we may depend on.
        statements = [part.strip() for part in migration.statements.split(";") if part.strip()]
        run(url, migration.statements)
        run(
            url,
            "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
            migration.version,
            migration.name,
            statements,
        )


def test_what_the_supabase_cli_applied_is_gone_on_from(empty_database: str) -> None:
    first, *others = migrations()
    pushed(empty_database, [first])
    assert migrate(empty_database) == [f"{each.version}_{each.name}" for each in others]
    assert migrate(empty_database) == []


def test_what_was_applied_here_is_what_the_supabase_cli_would_find(empty_database: str) -> None:
    migrate(empty_database)
    found = read(
        empty_database, "select version, name, statements from supabase_migrations.schema_migrations order by 1"
    )
    assert [(row["version"], row["name"]) for row in found] == [(each.version, each.name) for each in migrations()]
    assert [row["statements"] for row in found] == [[each.statements] for each in migrations()]


def test_a_migration_that_was_changed_after_the_supabase_cli_applied_it_is_refused(empty_database: str) -> None:
    pushed(empty_database, [FIRST])
    changed = Migration(FIRST.version, FIRST.name, "create table one (id bigint)")
    with pytest.raises(MigrationRefused, match="was changed after it was applied"):
        migrate(empty_database, [changed, SECOND])
    assert tables(empty_database) == {"one"}


def test_a_history_that_says_no_more_than_versions_is_taken_at_its_word(empty_database: str) -> None:
    """As old releases of the Supabase CLI wrote it."""
    run(empty_database, "create schema supabase_migrations")
    run(empty_database, "create table supabase_migrations.schema_migrations (version text not null primary key)")
    run(empty_database, "insert into supabase_migrations.schema_migrations values (%s)", FIRST.version)
    assert migrate(empty_database, [FIRST, SECOND]) == ["20260102000000_second"]


@pytest.mark.parametrize("version", ["20250101000000", "20990101000000"])
def test_migrations_of_others_in_the_same_history_are_left_alone(empty_database: str, version: str) -> None:
    pushed(empty_database, [Migration(version, "blog", "create table posts (id int)")])
    assert len(migrate(empty_database)) == len(migrations())
    assert migrate(empty_database) == []
    assert tables(empty_database) == {"posts", "cities", "cafes", "claims"}


def test_tables_of_ours_beside_a_history_of_others_alone_are_refused(empty_database: str) -> None:
    pushed(empty_database, [Migration("20250101000000", "blog", "create table cafes (id int)")])
    with pytest.raises(MigrationRefused, match="a table 'cafes' but no record"):
        migrate(empty_database)


@pytest.mark.parametrize(
    "shape", ["number text", "version bigint", "version text, statements text", "version text, name jsonb"]
)
def test_a_record_of_another_shape_is_refused(empty_database: str, shape: str) -> None:
    run(empty_database, "create schema supabase_migrations")
    run(empty_database, f"create table supabase_migrations.schema_migrations ({shape})")
    with pytest.raises(MigrationRefused, match=r"another shape.*version text, statements text\[\], name text"):
        migrate(empty_database)
    assert tables(empty_database) == set()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("drop table claims", "Missing: table claims. Restore"),
        ("drop function once", "Missing: function once. Restore"),
        ("drop schema public cascade; create schema public", "what they made is not there. Restore"),
    ],
)
def test_a_record_without_what_it_tells_of_is_refused(database: str, statement: str, named: str) -> None:
    run(database, statement)
    with pytest.raises(MigrationRefused, match=named):
        migrate(database)


# ── who may, and how long ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def low(database: str) -> Iterator[str]:
    """The address of the migrated database as somebody's who may make nothing."""
    run(database, "create role low login")
    yield database.replace("//postgres@", "//low@")
    run(database, "drop owned by low; drop role low")


def test_without_the_right_to_make_anything_what_is_applied_is_seen(low: str, database: str) -> None:
    run(database, "grant usage on schema supabase_migrations to low")
    run(database, "grant select on supabase_migrations.schema_migrations to low")
    assert migrate(low) == []


def test_who_lacks_rights_is_told_so(low: str, database: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"permission denied.*Connect as the owner"):
        migrate(low)
    run(database, "drop schema supabase_migrations cascade; drop schema public cascade; create schema public")
    with pytest.raises(StoreUnavailable, match=r"permission denied.*Connect as the owner"):
        migrate(low)


def test_what_somebody_else_holds_is_not_waited_for_for_ever(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cafes.migrate, "LOCK_TIMEOUT", "100ms")
    migrate(empty_database, [FIRST])
    alter = Migration("20260102000000", "second", "alter table one add two int")
    with psycopg.connect(empty_database) as other:
        other.execute("lock table one")
        with pytest.raises(StoreError, match=r"somebody else held what is to be changed.*run `cafes migrate` again"):
            migrate(empty_database, [FIRST, alter])
        other.rollback()
        other.execute("select pg_advisory_lock(hashtextextended('cafes.migrations', 0))")
        with pytest.raises(StoreError, match=r"somebody else held.*or migrated this database too"):
            migrate(empty_database, [FIRST, alter])
    assert migrate(empty_database, [FIRST, alter]) == ["20260102000000_second"]


def test_a_statement_does_not_run_for_ever(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cafes.migrate, "STATEMENT_TIMEOUT", "100ms")
    with pytest.raises(StoreError, match=r"longer than 100ms and was cancelled.*left nothing behind"):
        migrate(empty_database, [Migration("20260102000000", "slow", "create table one (); select pg_sleep(60)")])
    assert tables(empty_database) == set()


async def test_a_database_that_lets_us_in_and_then_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "ANSWER_TIMEOUT_S", 0.2)
    async with Silent() as silent:
        with pytest.raises(StoreUnavailable, match=r"no answer within 0\.2 s.*has connections free"):
            await asyncio.wait_for(asyncio.to_thread(migrate, silent.postgres_url), 20)


def test_the_supabase_cli_finds_the_same_files() -> None:
    """`supabase --workdir cafes db push` reads `cafes/supabase/migrations`."""
    ours = Path(cafes.migrate.__file__).parent / "migrations"
    folder = Path(__file__).parent.parent / "supabase" / "migrations"
    assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in ours.iterdir())
    assert folder.resolve() == ours.resolve()


def test_a_database_that_is_down_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as raised:
        migrate("postgresql://worker:geheim@127.0.0.1:1/cafes")
    assert "postgresql://worker:***@127.0.0.1:1/cafes" in str(raised.value)
    assert "geheim" not in str(raised.value)
    assert raised.value.exit_code == 2


def test_no_function_looks_for_its_tables_where_its_caller_says(database: str) -> None:
    """A caller's `search_path` may name a schema of anybody's first."""
    found = read(database, "select proname, proconfig from pg_proc where pronamespace = 'public'::regnamespace")
    assert len(found) >= 9
    assert [row["proname"] for row in found if row["proconfig"] != ['search_path=""']] == []


def test_the_checks_hold_what_the_jobs_promise(database: str) -> None:
    """C5. A published cafe has a slug and a city, whoever writes it."""
    with pytest.raises(psycopg.errors.CheckViolation):
        run(database, "insert into cafes (name, status) values ('x', 'PUBLISHED')")
    with pytest.raises(psycopg.errors.CheckViolation):
        run(database, "insert into cities (slug, name) values ('Köln', 'Köln')")
