"""What the doctor says of the service's database and keys (P40)."""

import base64
import json
from pathlib import Path

import psycopg
import pytest

from cafes.checks import check_api, check_database, check_public_keys, check_service_key
from cafes.migrate import migrate, migrations

NOW = 1_800_000_000.0
PROJECT = "https://abcdefgh.supabase.co"


def token(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.signature"


@pytest.fixture
def database(empty_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database)
    return empty_database


async def told() -> list[tuple[str, str, str]]:
    return [(one.check, one.text, one.advice) for one in await check_database()]


async def test_of_a_migrated_database_nothing_is_said(database: str) -> None:
    migrate(database)
    assert await told() == []


async def test_one_that_is_not_migrated_is_told_how(database: str) -> None:
    every = len(migrations())
    [(check, text, advice)] = await told()
    assert check == "migrations"
    assert f"lacks {every} of {every} migrations" in text
    assert advice == "Run: cafes migrate."


async def test_a_newer_releases_database_and_a_changed_migration_are_named(database: str) -> None:
    migrate(database)
    with psycopg.connect(database) as connection:
        history = "supabase_migrations.schema_migrations"
        connection.execute(f"insert into {history} (version, name, statements) values ('99', 'x', '{{x}}')")
        connection.execute(f"update {history} set statements = '{{x}}' where name = %s", [migrations()[0].name])
    newer, changed = await told()
    assert "migration 99, which this release does not know" in newer[1]
    assert f"Migration {migrations()[0].version} was changed after" in changed[1]


async def test_one_that_is_away_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://cafes:s3cret@127.0.0.1:1/cafes")
    [(check, text, _)] = await told()
    assert check == "database"
    assert "127.0.0.1:1" in text
    assert "s3cret" not in text


async def test_a_user_from_whom_rows_are_hidden_is_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create role guest login")
        connection.execute("grant usage on schema supabase_migrations to guest")
        connection.execute("grant select on supabase_migrations.schema_migrations to guest")
    try:
        monkeypatch.setenv("DATABASE_URL", database.replace("//postgres", "//guest"))
        rows, rights = await told()
        assert "hides rows of 'cafes' from 'guest'" in rows[1]
        assert "may not read and write the table 'cafes'" in rights[1]
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("drop owned by guest")
            connection.execute("drop role guest")


async def test_a_project_that_cannot_be_used_is_named_without_its_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await check_api() == []
    monkeypatch.setenv("NEXT_PUBLIC_SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_canary")
    [finding] = await check_api()
    assert "http://127.0.0.1:1" in finding.text
    assert "canary" not in f"{finding.text}{finding.advice}"


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
