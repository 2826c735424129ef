"""The embedded Valkey: set up for BullMQ, keeps its data, and is never left behind."""

import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from barback.embedded import EmbeddedValkey
from barback.embedded.valkey import free_port, is_free
from barback.errors import BarbackError, UsageError

Owner = Callable[[str, Path], subprocess.Popen[str]]


def client_of(url: str | None) -> Any:
    return cast("Any", redis.Redis).from_url(url, db=1, decode_responses=True)


def ask(server: EmbeddedValkey, *command: str) -> Any:
    with client_of(server.url) as client:
        return client.execute_command(*command)


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "yes"), ("appendfsync", "everysec"), ("save", ""), ("maxmemory-policy", "noeviction")],
)
def test_it_is_set_up_as_bullmq_needs_it(name: str, value: str, tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server, client_of(server.url) as client:
        assert client.config_get(name) == {name: value}


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        ask(server, "SET", "cafe", "Kaffeehaus")
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "GET", "cafe") == "Kaffeehaus"


def test_without_a_port_only_its_socket_leads_to_it(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server, client_of(server.url) as client:
        assert client.config_get("port") == {"port": "0"}
        assert server.tcp_url is None
        mode = stat.S_IMODE((tmp_path / "valkey.sock").stat().st_mode)
        assert mode == 0o700


def test_with_a_port_a_typescript_app_can_reach_it(tmp_path: Path) -> None:
    port = free_port()
    with EmbeddedValkey(tmp_path, port=port) as server, client_of(server.tcp_url) as client:
        assert server.tcp_url == f"redis://127.0.0.1:{port}"
        assert client.ping()
        assert not is_free(port)
    assert is_free(port)


def test_port_0_takes_a_free_one(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path, port=0) as server, client_of(server.tcp_url) as client:
        assert client.ping()


def test_a_folder_too_deep_for_a_socket_works_and_leaves_nothing_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 90) / ("y" * 90)
    with EmbeddedValkey(deep) as server:
        assert ask(server, "PING")
        elsewhere = Path(server.url.removeprefix("unix://")).parent
        assert not elsewhere.is_relative_to(tmp_path)
    assert not elsewhere.exists()


def test_a_folder_with_spaces_and_umlauts_works(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "Café #1?") as server:
        assert ask(server, "PING")


def test_without_a_folder_nothing_is_kept() -> None:
    with EmbeddedValkey() as server:
        ask(server, "SET", "cafe", "Kaffeehaus")
    assert not server.folder.exists()


def test_a_second_start_over_the_same_folder_is_refused(tmp_path: Path) -> None:
    expected = f"Valkey over {tmp_path} is already running, started by process {os.getpid()}"
    with EmbeddedValkey(tmp_path) as first:
        with pytest.raises(UsageError, match=expected), EmbeddedValkey(tmp_path):
            pass
        assert ask(first, "PING")


def test_a_killed_owner_leaves_no_server(
    tmp_path: Path,
    start_owner: Owner,
    until: Callable[[Callable[[], bool]], None],
    nothing_left: Callable[[Path], bool],
) -> None:
    owner = start_owner("EmbeddedValkey", tmp_path)
    assert not nothing_left(tmp_path)
    owner.kill()
    until(lambda: nothing_left(tmp_path))


def test_after_a_killed_owner_the_next_start_does_not_wait(tmp_path: Path, start_owner: Owner) -> None:
    owner = start_owner("EmbeddedValkey", tmp_path)
    owner.kill()
    owner.wait()
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")


def test_a_server_left_behind_is_stopped_by_the_next_start(
    tmp_path: Path,
    start_owner: Owner,
    server_pid: Callable[[Path], int],
    kill_guard: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("barback.embedded.data_folder.LEFT_BEHIND_S", 1.0)
    owner = start_owner("EmbeddedValkey", tmp_path)
    left_behind = server_pid(tmp_path)
    kill_guard(left_behind)
    owner.kill()
    owner.wait()
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")
        assert server_pid(tmp_path) != left_behind


def test_a_signal_from_the_terminal_does_not_reach_it(
    tmp_path: Path, start_owner: Owner, server_pid: Callable[[Path], int]
) -> None:
    owner = start_owner("EmbeddedValkey", tmp_path)
    assert os.getpgid(server_pid(tmp_path)) != os.getpgid(owner.pid)
    assert os.getsid(server_pid(tmp_path)) != os.getsid(owner.pid)


def test_a_server_that_does_not_obey_is_killed(
    tmp_path: Path,
    server_pid: Callable[[Path], int],
    nothing_left: Callable[[Path], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("barback.embedded.valkey.STOP_WITHIN_S", 0.2)
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")
        os.kill(server_pid(tmp_path), signal.SIGSTOP)
    assert nothing_left(tmp_path)
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")


def test_a_taken_port_ends_with_what_the_server_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(BarbackError, match=r"(?s)Valkey ended with exit code 1.*Address already in use"):
            EmbeddedValkey(tmp_path, port=port).__enter__()
    with EmbeddedValkey(tmp_path) as server:
        assert ask(server, "PING")


def test_without_any_server_program_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    monkeypatch.setattr(shutil, "which", nothing)
    with pytest.raises(UsageError, match=r"install barback\[dev\]"):
        EmbeddedValkey(tmp_path).__enter__()


def test_it_says_nothing_of_its_own() -> None:
    program = "from barback.embedded import EmbeddedValkey\nwith EmbeddedValkey(): pass"
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    arguments = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(arguments, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
