"""Who asks a worker how it is cannot hold it up: few at a time, each for a while (P42)."""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from barback.endpoints import serve, serving
from barback.endpoints.exposition import Exposition
from barback.telemetry.readings import Condition, Readings

DEADLINE_S = 20.0
AT_ONCE_S = 3.0
WORKER = SimpleNamespace(
    condition=lambda: Condition("w", "shop", "1", True, False, True, 0.0, 10.0, {}, {}), readings=Readings({})
)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of endpoints whose clients have half a second."""
    monkeypatch.setattr(serving, "SLOWEST_S", 0.5)
    with serve(cast("Any", WORKER), "127.0.0.1", 0) as port:
        yield port


def long_text(_: Exposition) -> bytes:
    return b"x" * 50_000_000


def is_live(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/live")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_open(client: socket.socket) -> bool:
    """After another byte of a header: none comes back while it asks."""
    try:
        client.sendall(b"a")
        return client.recv(1, socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_clients_that_never_end_their_question_are_ended_and_the_next_is_answered(port: int) -> None:
    before = threading.active_count()
    with ExitStack() as closing_:
        clients = [closing_.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)]
        for client in clients:
            client.sendall(b"GET /live HTTP/1.1\r\nX: ")
        until(lambda: sum(map(is_open, clients)) <= serving.MOST)
        assert threading.active_count() <= before + serving.MOST
        until(lambda: not any(map(is_open, clients)))
        until(lambda: threading.active_count() == before)
        assert is_live(port)


def test_of_more_than_it_serves_at_a_time_the_oldest_is_closed_and_who_asks_plainly_is_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SLOWEST_S", DEADLINE_S * 10)
    with ExitStack() as closing_:
        clients = [closing_.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(serving.MOST)]
        for client in clients:
            client.sendall(b"GET /live HTTP/1.1\r\n")
        for _ in range(5):
            assert is_live(port)
        until(lambda: not is_open(clients[0]))
        assert is_open(clients[-1])


def test_whoever_reads_nothing_is_ended_too(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exposition, "text", long_text)
    before = threading.active_count()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        until(lambda: threading.active_count() > before)
        until(lambda: threading.active_count() == before)


def test_at_its_end_nobody_is_left() -> None:
    before = threading.active_count()
    with serve(cast("Any", WORKER), "127.0.0.1", 0) as port:
        client = socket.create_connection(("127.0.0.1", port))
        until(lambda: threading.active_count() == before + 2)
    with client:
        until(lambda: threading.active_count() == before)
