"""The commands of the health checks, run as processes: no while what they ask is away, yes while it is well."""

import http.server
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from barback.cli.dashboard import PORT

from .compose import read_compose
from .running import ENV, free_port, is_well, started_redis

CLIENT = """#!{python}
import socket, sys
with socket.create_connection(("127.0.0.1", {port}), 3) as redis:
    redis.sendall(" ".join(sys.argv[1:]).encode() + b"\\r\\n")
    print(redis.recv(1000).decode())
"""
"""What `valkey-cli` does, at the port where the test's server is."""


@contextmanager
def worker_that_says(status: int) -> Generator[tuple[int, list[str]]]:
    """Its port, and the paths that were asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.mark.parametrize("status", [200, 503])
def test_a_worker_is_well_while_it_is_live(status: int) -> None:
    """Not while it is ready: one that drains, or waits for Redis, is not to be killed."""
    port = int(read_compose(ENV)["worker"].environment["BARBACK_HEALTH_PORT"])
    with worker_that_says(status) as (at, asked):
        assert is_well("worker", port, at) == (status == 200)
    assert asked == ["/live"]
    assert not is_well("worker", port, free_port())


def test_a_dashboard_is_well_while_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert is_well("dashboard", PORT, listening.getsockname()[1])
    assert not is_well("dashboard", PORT, free_port())


def test_redis_is_well_while_it_answers(tmp_path: Path) -> None:
    client = tmp_path / "valkey-cli"
    with started_redis(tmp_path) as running:
        client.write_text(CLIENT.format(python=sys.executable, port=running.port))
        client.chmod(0o755)
        assert is_well("redis", 0, 0, tmp_path)
        running.stop()
        assert not is_well("redis", 0, 0, tmp_path)


def test_redis_is_well_only_when_it_pongs(tmp_path: Path) -> None:
    client = tmp_path / "valkey-cli"
    client.write_text("#!/bin/sh\necho LOADING Valkey is loading the dataset in memory\n")
    client.chmod(0o755)
    assert not is_well("redis", 0, 0, tmp_path)
