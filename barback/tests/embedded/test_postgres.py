"""The embedded Postgres: keeps its data, works as root and without, and is never left behind."""

import importlib.util
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from barback.embedded import EmbeddedPostgres
from barback.embedded.postgres import find_postgres, reachable_programs
from barback.errors import UsageError

Owner = Callable[[str, Path], subprocess.Popen[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all tests that start and stop a server over it: making one takes a second."""
    return tmp_path_factory.mktemp("postgres")


def ask(server: EmbeddedPostgres, sql: str) -> Any:
    with psycopg.connect(server.url) as connection:
        return connection.execute(sql.encode()).fetchone()


def test_it_answers_at_its_url_and_writes_durably(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select current_setting('fsync'), current_setting('full_page_writes')") == ("on", "on")


def test_it_knows_letters_beyond_ascii(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select lower('DÜSSELDORF'), current_setting('server_encoding')") == ("düsseldorf", "UTF8")


def test_it_counts_time_in_utc(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select current_setting('timezone')") == ("UTC",)


def test_it_listens_on_no_port(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select current_setting('listen_addresses')") == ("",)


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server, psycopg.connect(server.url) as connection:
        connection.execute("create table cafes as select 'Kaffeehaus' as name")
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select name from cafes") == ("Kaffeehaus",)


def test_clients_that_stay_do_not_hold_it_up(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        connection = psycopg.connect(server.url)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    connection.close()


def test_variables_of_other_postgres_tools_change_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    with EmbeddedPostgres(folder) as server:
        monkeypatch.delenv("PGPORT")
        assert ask(server, "select 1") == (1,)


def test_a_second_start_over_the_same_folder_is_refused(folder: Path) -> None:
    expected = f"Postgres over {folder} is already running, started by process {os.getpid()}"
    with EmbeddedPostgres(folder) as first:
        with pytest.raises(UsageError, match=expected), EmbeddedPostgres(folder):
            pass
        assert ask(first, "select 1") == (1,)


def test_a_killed_owner_leaves_no_server_and_the_data_are_whole(
    folder: Path,
    start_owner: Owner,
    until: Callable[[Callable[[], bool]], None],
    nothing_left: Callable[[Path], bool],
) -> None:
    owner = start_owner("EmbeddedPostgres", folder)
    assert not nothing_left(folder)
    owner.kill()
    until(lambda: nothing_left(folder))
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select 1") == (1,)


def test_a_server_left_behind_is_stopped_by_the_next_start(
    folder: Path,
    start_owner: Owner,
    server_pid: Callable[[Path], int],
    kill_guard: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("barback.embedded.data_folder.LEFT_BEHIND_S", 2.0)
    owner = start_owner("EmbeddedPostgres", folder)
    kill_guard(server_pid(folder))
    owner.kill()
    owner.wait()
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select 1") == (1,)


def test_a_pid_file_left_by_a_crash_does_not_stop_the_next_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        content = (server.data / "postmaster.pid").read_text().splitlines()
    # Our own pid: alive, as a pid that was given anew would be.
    (server.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *content[1:]]))
    with EmbeddedPostgres(folder) as server:
        assert ask(server, "select 1") == (1,)


def test_a_first_start_that_was_broken_off_is_begun_anew(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        home = server.data.parent
    server.data.rename(home / "half-initialised")
    (home / "half-initialised" / "PG_VERSION").unlink()
    with EmbeddedPostgres(tmp_path) as server:
        assert ask(server, "select 1") == (1,)


def test_a_private_folder_stays_private(tmp_path: Path) -> None:
    private = tmp_path / "home"
    private.mkdir(mode=0o700)
    with EmbeddedPostgres(private / "project" / ".barback" / "postgres") as server:
        assert ask(server, "select 1") == (1,)
        # As root it runs as another user, who cannot go in there.
        assert server.data.is_relative_to(private) is (os.getuid() != 0)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_programs_that_another_user_cannot_reach_are_copied_once(tmp_path: Path) -> None:
    private = tmp_path / "venv"
    private.mkdir(mode=0o700)
    package = find_postgres().parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        subprocess.run(["cp", "-r", str(part), str(private)], check=True)
    programs = reachable_programs(private / package.name / "pginstall" / "bin")
    assert not programs.is_relative_to(private)
    assert programs == reachable_programs(private / package.name / "pginstall" / "bin")
    subprocess.run([str(programs / "initdb"), "--version"], check=True)


def test_programs_that_all_can_reach_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_to_all(_folder: Path) -> bool:
        return True

    monkeypatch.setattr("barback.embedded.postgres.open_to_all", open_to_all)
    assert reachable_programs(find_postgres()) == find_postgres()


def test_without_its_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(UsageError, match=r"install barback\[dev\]"):
        EmbeddedPostgres(tmp_path).__enter__()


def test_without_a_folder_nothing_is_kept() -> None:
    with EmbeddedPostgres() as server:
        assert ask(server, "select 1") == (1,)
    assert not server.folder.exists()
