"""Who may read and write what, by Supabase's roles."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from cafes.migrate import migrate

from .rows import read, run

ROLES = ("anon", "authenticated", "service_role")
GRANTED_UNTIL_2026 = ("tables", "functions", "sequences")
BOTH = pytest.mark.parametrize(
    "like_supabase", [GRANTED_UNTIL_2026, ()], indirect=True, ids=["until 2026", "since 2026"]
)


@pytest.fixture
def like_supabase(postgres: str, empty_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database on a server with Supabase's roles, and two cafes in it.

    Until 2026 Supabase granted everything that somebody made in `public` to all three; since then nothing.
    """
    for role in ROLES:
        more = "bypassrls" if role == "service_role" else ""
        run(postgres, f"create role {role} nologin {more}")
    names = ", ".join(ROLES)
    run(empty_database, f"grant usage on schema public to {names}")
    for what in getattr(request, "param", GRANTED_UNTIL_2026):
        run(empty_database, f"alter default privileges in schema public grant all on {what} to {names}")
    migrate(empty_database)
    run(empty_database, "insert into cities (slug, name) values ('koeln', 'Köln')")
    run(
        empty_database,
        """
        insert into cafes (name, status, slug, city_id, comments) values
            ('Offen', 'PUBLISHED', 'offen', 1, 'nur intern'), ('Geprüft', 'NEEDS_REVIEW', 'geprueft', 1, '')
        """,
    )
    yield empty_database
    run(empty_database, f"drop owned by {names}")
    run(postgres, f"drop role {names}")


def as_role(url: str, role: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        answer = connection.execute(statement.encode())
        return answer.fetchall() if answer.description else []


@BOTH
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_readers_see_cities_and_published_cafes_only(like_supabase: str, role: str) -> None:
    assert as_role(like_supabase, role, "select slug from cities") == [("koeln",)]
    assert as_role(like_supabase, role, "select name from cafes") == [("Offen",)]


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into cafes (name) values ('x')",
        "update cafes set name = 'x'",
        "delete from cafes",
        "truncate cafes",
        "update cities set name = 'x'",
        "truncate cities cascade",
        "select comments from cafes",
        "select * from claims",
        "insert into claims (key) values ('x')",
        "truncate claims",
        "select once('x')",
        "select forget_claims(0, 1)",
        "select recount_cities('{koeln}')",
        "select import_cafes('[]')",
        "select record_cafe(gen_random_uuid(), '', '', '{}', '[]')",
        "select free_slug('x', gen_random_uuid())",
        "select city_slugs()",
        "select no_cafes()",
        "select * from supabase_migrations.schema_migrations",
    ],
)
def test_readers_may_write_and_call_nothing(like_supabase: str, role: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_role(like_supabase, role, statement)


@BOTH
def test_the_service_role_sees_and_may_do_everything_a_worker_does(like_supabase: str) -> None:
    assert len(as_role(like_supabase, "service_role", "select comments from cafes")) == 2
    counted = as_role(like_supabase, "service_role", "select recount_cities('{koeln}')")
    assert counted == [([{"slug": "koeln", "published": 1, "needs_review": 1, "duplicate": 0}],)]
    assert as_role(like_supabase, "service_role", "select import_cafes('[]')") == [([],)]
    assert as_role(like_supabase, "service_role", "select once('x')") == [(True,)]
    assert as_role(like_supabase, "service_role", "select forget_claims(0, 1)") == [(1,)]
    assert as_role(like_supabase, "service_role", "select city_slugs(), no_cafes()") == [(["koeln"], False)]


def test_without_supabases_roles_everybody_but_the_owner_is_shut_out(database: str) -> None:
    secured = read(
        database, "select relname, relrowsecurity from pg_class where relname in ('cafes', 'cities', 'claims')"
    )
    assert all(row["relrowsecurity"] for row in secured)
    assert len(secured) == 3
    assert read(database, "select * from pg_policies") == []
