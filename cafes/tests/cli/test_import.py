"""`cafes import`, `migrate` and `sample` as processes."""

from pathlib import Path

import pytest

from barback.bullmq import BullMQBroker
from cafes.settings import QUEUES

from ..databases import new_database
from ..rows import read
from ..supabase_side import SupabaseSide
from .conftest import Cafes

FILE = "\ufeffName;Stadt;Adresse;rating\r\nCafé Blau;Köln;Domplatz 1;5\r\n;Köln;;\r\nCafé Rot;Köln;Domplatz 2;4\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cafes.csv"
    path.write_text(FILE, newline="")
    return path


async def test_an_import_stores_enqueues_and_names_what_it_refused(
    cafes: Cafes, file: Path, database: str, valkey: str, prefix: str, broker: BullMQBroker
) -> None:
    """C1."""
    done = cafes("import", file, DATABASE_URL=database, REDIS_URL=valkey, BARBACK_PREFIX=prefix)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 rows taken, 1 refused." in done.stdout
    assert "no name" in done.stdout
    assert "│    3 │" in done.stdout
    assert "columns that are not read: rating" in done.stdout
    assert [row["name"] for row in read(database, "select name from cafes order by position")] == [
        "Café Blau",
        "Café Rot",
    ]
    assert (await broker.counts(QUEUES.cafe_processing))["waiting"] == 2


async def test_a_supabase_project_is_imported_into_even_if_a_database_is_set(
    cafes: Cafes, file: Path, supabase: SupabaseSide, supabase_template: str, valkey: str, prefix: str
) -> None:
    """C1."""
    with new_database(supabase.postgres_url, supabase_template) as its:
        project = supabase.project_of(its)
        where = {
            "NEXT_PUBLIC_SUPABASE_URL": project.url,
            "SUPABASE_SERVICE_ROLE_KEY": project.key.get_secret_value(),
            "DATABASE_URL": "postgresql://127.0.0.1:1/for-migrations-only",
        }
        done = cafes("import", file, REDIS_URL=valkey, BARBACK_PREFIX=prefix, **where)
        assert done.returncode == 0, done.stderr
        assert [row["name"] for row in read(its, "select name from cafes order by position")] == [
            "Café Blau",
            "Café Rot",
        ]


def test_a_supabase_project_that_refuses_the_key_is_one_line_without_it(
    cafes: Cafes, file: Path, supabase: SupabaseSide, valkey: str
) -> None:
    where = {"NEXT_PUBLIC_SUPABASE_URL": f"{supabase.api}/postgres", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_geheim"}
    done = cafes("import", file, REDIS_URL=valkey, **where)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Check SUPABASE_SERVICE_ROLE_KEY" in done.stderr
    assert "geheim" not in done.stderr


def test_migrating_a_supabase_project_needs_its_database(cafes: Cafes) -> None:
    where = {"NEXT_PUBLIC_SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_geheim"}
    done = cafes("migrate", **where)
    assert done.returncode == 2
    assert "DATABASE_URL: not set. Supabase's API cannot change the schema" in done.stderr


def test_without_settings_nothing_is_imported(cafes: Cafes, file: Path, valkey: str) -> None:
    done = cafes("import", file)
    assert done.returncode == 2
    assert "REDIS_URL is not set" in done.stderr
    done = cafes("import", file, REDIS_URL=valkey)
    assert done.returncode == 2
    assert "DATABASE_URL: not set" in done.stderr


def test_a_redis_that_is_down_is_one_line_and_stores_nothing(cafes: Cafes, file: Path, database: str) -> None:
    done = cafes("import", file, DATABASE_URL=database, REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "redis://127.0.0.1:1" in done.stderr
    assert read(database, "select * from cafes") == []


def test_a_database_that_is_down_is_one_line(cafes: Cafes, file: Path, valkey: str) -> None:
    done = cafes("import", file, DATABASE_URL="postgresql://worker:geheim@127.0.0.1:1/x", REDIS_URL=valkey)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "geheim" not in done.stderr


def test_a_database_that_is_not_migrated_is_one_line(
    cafes: Cafes, file: Path, empty_database: str, valkey: str
) -> None:
    done = cafes("import", file, DATABASE_URL=empty_database, REDIS_URL=valkey)
    assert done.returncode == 1
    assert "run `cafes migrate`" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"a,b\n1,2\n"])
def test_what_is_no_list_of_cafes_is_one_line(cafes: Cafes, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    done = cafes("import", file)
    assert done.returncode == 2
    assert done.stderr.startswith(f"cafes: {file}: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_queue_name_is_a_settings_error(cafes: Cafes, file: Path) -> None:
    done = cafes("import", file, CRON_JOBS_QUEUE="a:b")
    assert done.returncode == 2
    assert "CRON_JOBS_QUEUE: expected a name without ':'" in done.stderr


def test_control_characters_in_a_file_do_not_reach_the_terminal(
    cafes: Cafes, file: Path, database: str, valkey: str, prefix: str
) -> None:
    hostile = file.with_name("caf\x1b[31mes[bold].csv")
    hostile.write_text("name,city,\x1b[31mrot\nA,,\n")
    done = cafes("import", hostile, DATABASE_URL=database, REDIS_URL=valkey, BARBACK_PREFIX=prefix)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "[bold]" in done.stdout


def test_import_without_a_file_is_a_usage_error(cafes: Cafes) -> None:
    assert cafes("import").returncode == 2


def test_migrate_says_what_it_did(cafes: Cafes, empty_database: str) -> None:
    first = cafes("migrate", DATABASE_URL=empty_database)
    assert "applied 20261123000000_cities_and_cafes" in first.stdout
    assert cafes("migrate", DATABASE_URL=empty_database).stdout == "up to date\n"


def test_sample_writes_as_many_rows_as_asked_for(cafes: Cafes, tmp_path: Path) -> None:
    assert len(cafes("sample", "--rows", "20").stdout.splitlines()) == 21
    assert cafes("sample", "--rows", "20", "--out", tmp_path / "out.csv").returncode == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 21
    assert cafes("sample", "--rows", "-1").returncode == 2


def test_debug_shows_where(cafes: Cafes, file: Path) -> None:
    file.write_bytes(b"")
    assert "Traceback" in cafes("--debug", "import", file).stderr
    assert "Traceback" not in cafes("import", file).stderr
