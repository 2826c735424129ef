"""A Supabase project for tests: `@supabase/lite` over a Postgres with Supabase's roles, a project for each database."""

import contextlib
import json
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import psycopg
from pydantic import SecretStr

from barback.embedded import EmbeddedPostgres
from cafes.settings import SupabaseProject

HERE = Path(__file__).parent / "node"
SECRET_KEY = "sb_secret_2Zq0kY7cT1mW9xB4vN6rPA_5dK8sLfE"
PUBLISHABLE_KEY = "sb_publishable_8hU3eR5tY1iO7pA2sD4fGQ_6jZ0xCvB"

ROLES = """
    create role anon nologin;
    create role authenticated nologin;
    create role service_role nologin bypassrls;
"""
USAGE = "grant usage on schema public to anon, authenticated, service_role"
"""What a project's database has in the beginning. Since 2026 no more than that: who makes a table grants it."""


@dataclass(frozen=True)
class SupabaseSide:
    """`postgres_url`: its Postgres, as the superuser. `api`: where lite listens."""

    postgres_url: str
    api: str

    def project_of(self, database: str, key: str = SECRET_KEY) -> SupabaseProject:
        """The project whose database is the one at this address."""
        return SupabaseProject(f"{self.api}/{urlsplit(database).path.strip('/')}", SecretStr(key))


@contextmanager
def supabase_side() -> Generator[SupabaseSide]:
    """Its servers, while the block runs.

    :raises FileNotFoundError: Node or its packages are not there; says what to do.
    """
    if not (HERE / "node_modules" / "@supabase").is_dir():
        raise FileNotFoundError(
            "@supabase/lite is not installed: `make cafes/tests/node/node_modules/.package-lock.json`"
        )
    with EmbeddedPostgres() as postgres:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            for statement in ("alter system set fsync = off", "select pg_reload_conf()", ROLES):
                connection.execute(statement)
        with _lite(postgres.url) as api:
            yield SupabaseSide(postgres.url, api)


@contextmanager
def _lite(postgres_url: str) -> Generator[str]:
    sockets = parse_qs(urlsplit(postgres_url).query)["host"][0]
    process = subprocess.Popen(
        ["node", str(HERE / "lite.mjs"), sockets, SECRET_KEY, PUBLISHABLE_KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # It tells of each error that it answers with.
        stderr=subprocess.DEVNULL,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        start_new_session=True,
    )
    with process:
        try:
            yield f"http://127.0.0.1:{json.loads(_pipe(process.stdout).readline())['port']}"
        finally:
            with contextlib.suppress(BrokenPipeError):
                _pipe(process.stdin).close()
            process.wait(10)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
