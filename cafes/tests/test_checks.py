"""What the doctor says of the service's database and keys (P40)."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cafes import checks
from cafes.checks import check_api, check_database, check_public_keys, check_service_key
from cafes.store import connecting
from cafes.store.history import migrations
from cafes.store.postgres import PostgresStore

from .backends import Backend, restricted_role
from .databases import name_in
from .rows import run
from .silent import Silent

NOW = 1_800_000_000.0
PROJECT = "https://abcdefgh.supabase.co"


def token(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.signature"


@pytest.fixture(autouse=True)
def away_from_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def migrated(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database)
    return database


@pytest.fixture
def empty(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    return empty_database


async def told() -> list[tuple[str, str, str]]:
    return [(one.check, one.text, one.advice) for one in await check_database()]


@pytest.mark.usefixtures("migrated")
async def test_of_a_migrated_database_nothing_is_said() -> None:
    assert await told() == []


async def test_without_any_database_that_is_said() -> None:
    """`barback work` would not start."""
    [finding] = await check_database()
    assert finding.level == "error"
    assert finding.text.startswith("DATABASE_URL: not set. Expected postgresql://…, or a Supabase project")


@pytest.mark.usefixtures("empty")
async def test_one_that_is_not_migrated_is_told_how() -> None:
    every = len(migrations())
    [(check, text, advice)] = await told()
    assert check == "migrations"
    assert f"lacks {every} of {every} migrations" in text
    assert advice == "Bring it up to date: run `cafes migrate`."


HISTORY = "supabase_migrations.schema_migrations"


async def test_a_changed_migration_is_named(migrated: str) -> None:
    run(migrated, f"update {HISTORY} set statements = '{{x}}' where name = %s", migrations()[0].name)
    [(_, text, _)] = await told()
    assert f"Migration {migrations()[0].version} was changed after" in text


async def test_migrations_of_others_are_no_trouble_and_newer_ones_may_be_a_newer_releases(migrated: str) -> None:
    run(migrated, f"insert into {HISTORY} (version, name) values ('20250101000000', 'blog')")
    assert await told() == []
    run(migrated, f"insert into {HISTORY} (version, name) values ('99', 'x')")
    [finding] = await check_database()
    assert finding.level == "warning"
    assert "migration 99, which is newer than this release's" in finding.text
    assert "if it is your app's own, all is well" in finding.advice


@pytest.mark.parametrize(
    ("statement", "text", "advice"),
    [
        ("drop table cafes cascade", "these are gone: table cafes", "Restore the database"),
        (
            "drop schema public cascade; create schema public",
            "all migrations are applied, but what they made is not there",
            "Restore the database",
        ),
        (
            "drop schema supabase_migrations cascade; drop function worker_lacks()",
            "a table 'cafes' but no record of migrations",
            "bring the schema 'supabase_migrations' here",
        ),
        (
            f"alter table {HISTORY} rename version to number; drop function worker_lacks()",
            "has another shape",
            "take another database",
        ),
    ],
)
async def test_a_database_on_which_jobs_must_fail_is_an_error(
    migrated: str, statement: str, text: str, advice: str
) -> None:
    """None of it is mended by `cafes migrate`, so that is not what is advised; it refuses them: see `test_migrate`."""
    run(migrated, statement)
    [finding] = await check_database()
    assert finding.level == "error"
    assert text in finding.text
    assert advice in finding.advice


async def test_a_database_that_only_reads_is_an_error(migrated: str) -> None:
    run(migrated, f"alter database {name_in(migrated)} set default_transaction_read_only = on")
    [(_, text, advice)] = await told()
    assert "only reads" in text
    assert "default_transaction_read_only" in advice


@pytest.mark.parametrize(
    "statement", ["drop schema supabase_migrations cascade", f"alter table {HISTORY} rename version to number"]
)
async def test_a_record_of_migrations_that_is_missing_is_a_warning_where_all_else_is_there(
    migrated: str, statement: str
) -> None:
    run(migrated, statement)
    [finding] = await check_database()
    assert (finding.check, finding.level) == ("migrations", "warning")


async def test_one_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://cafes:s3cret@127.0.0.1:1/cafes")
    [(check, text, _)] = await told()
    assert check == "database"
    assert "127.0.0.1:1" in text
    assert "s3cret" not in text


@pytest.fixture
def guest(migrated: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The database as `DATABASE_URL` names it to somebody who may do all that a worker does, and no more."""
    with restricted_role(Backend(migrated, lambda: PostgresStore(migrated))) as restricted:
        monkeypatch.setenv("DATABASE_URL", migrated.replace("//postgres@", f"//{restricted.role}@"))
        yield migrated


@pytest.mark.usefixtures("guest")
async def test_a_user_who_may_not_read_the_record_of_migrations_is_warned_and_no_more() -> None:
    [finding] = await check_database()
    assert (finding.check, finding.level) == ("migrations", "warning")
    assert "'worker', the user of DATABASE_URL, may not read which migrations are applied" in finding.text


async def test_a_user_from_whom_rows_are_hidden_and_who_lacks_rights_is_named(guest: str) -> None:
    """Each right counts: one out of three is not enough."""
    run(guest, f"grant usage on schema supabase_migrations to worker; grant select on {HISTORY} to worker")
    assert await told() == []
    run(guest, "revoke insert, update on cafes from worker; revoke update on cities from worker")
    run(guest, "revoke execute on function record_cafe from worker; alter role worker nobypassrls")
    rows, rights = await told()
    assert "hides rows of 'cafes', 'cities', 'claims' from 'worker', the user of DATABASE_URL:" in rows[1]
    lacking = "execute on record_cafe, insert on cafes, update on cafes, update on cities."
    assert rights[1] == f"'worker', the user of DATABASE_URL, lacks rights: {lacking}"
    assert "Connect as the owner of the tables" in rights[2]


async def test_a_user_who_may_not_even_ask_is_told_of_rights_and_not_of_the_network(guest: str) -> None:
    run(guest, "revoke execute on function worker_lacks from worker")
    found = await check_database()
    assert "lacks rights: execute on worker_lacks" in found[0].text
    run(guest, "revoke usage on schema public from public, worker")
    [finding] = await check_database()
    assert "permission denied for schema public. Connect as the owner" in finding.text
    assert "Check that it runs" not in finding.text


async def test_a_project_that_cannot_be_used_is_named_without_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await check_api() == []
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_canary")
    [finding] = await check_api()
    assert "http://127.0.0.1:1" in finding.text
    assert "canary" not in f"{finding.text}{finding.advice}"


async def test_a_project_that_never_answers_does_not_hold_the_doctor_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "API_ANSWERS_IN_S", 0.2)
    async with Silent() as silent:
        monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", f"http://127.0.0.1:{silent.port}")
        monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_x")
        [finding] = await asyncio.wait_for(check_api(), 20)
    assert "no answer in time" in finding.text


async def test_a_database_that_lets_us_in_and_then_says_nothing_does_not_hold_the_doctor_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "ANSWER_TIMEOUT_S", 0.2)
    async with Silent() as silent:
        monkeypatch.setenv("DATABASE_URL", silent.postgres_url)
        [finding] = await asyncio.wait_for(check_database(), 20)
    assert "no answer within 0.2 s" in finding.text
    assert "has connections free" in finding.text


@pytest.mark.parametrize("key", ["sb_secret_abc", token(role="service_role", ref="abcdefgh", exp=NOW + 1)])
def test_a_services_key_is_taken_of_either_kind(key: str) -> None:
    assert list(check_service_key(key, PROJECT, NOW)) == []


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("sb_publishable_abc", "is a publishable one"),
        (token(role="anon"), "is of role 'anon'"),
        (token(role="service_role", exp=NOW - 1), "has expired"),
        (token(role="service_role", ref="other"), "is of project 'other', and NEXT_PUBLIC_SUPABASE_URL of 'abcdefgh'"),
        (token(sub="somebody"), "names no role that may write"),
        ("postgres", "is neither a secret key"),
    ],
)
def test_any_other_key_is_named_by_its_kind_and_never_shown(key: str, what: str) -> None:
    [finding] = check_service_key(key, PROJECT, NOW)
    assert what in finding.text
    assert finding.level == "error"
    assert key == "postgres" or key not in f"{finding.text}{finding.advice}"


def test_a_service_key_that_pages_would_show_is_named() -> None:
    given = {"NEXT_PUBLIC_SUPABASE_ANON_KEY": "sb_secret_abc", "NEXT_PUBLIC_KEY": token(role="anon")}
    [finding] = check_public_keys(given)
    assert finding.text.startswith("NEXT_PUBLIC_SUPABASE_ANON_KEY holds a service key")
    assert "sb_secret_abc" not in finding.text
