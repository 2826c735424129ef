"""`barback dashboard`: says where it is, refuses to be open to others, ends when told to."""

import signal
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from barback.embedded.valkey import free_port

Call = Callable[..., Any]
Start = Callable[..., Any]

STARTED = "dashboard started"


def read(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_the_apps_queues_until_it_is_told_to_stop_open_pages_or_not(
    start: Start, environment: Mapping[str, str], queue_name: str, number: signal.Signals
) -> None:
    port = free_port()
    process = start("dashboard", f"--port={port}", environment=environment)
    process.wait_for(STARTED)
    url = f"http://127.0.0.1:{port}/dashboard/queues"
    assert url in process.output
    status, text = read(url)
    assert status == 200
    assert queue_name in text
    with urllib.request.urlopen(f"{url}/events", timeout=10) as stream:
        assert stream.readline() == b": connected\n"
        assert process.stop(number) == 0
    assert "Traceback" not in process.output


def test_given_queues_it_needs_no_app(start: Start, environment: Mapping[str, str], project: Any) -> None:
    (project / "src" / "shop" / "app.py").write_text("1 / 0")
    port = free_port()
    process = start("dashboard", f"--port={port}", "--queue=mail", environment=environment)
    process.wait_for(STARTED)
    assert "mail" in read(f"http://127.0.0.1:{port}/dashboard/queues")[1]
    assert process.stop() == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_is_not_open_to_others_without_a_way_to_sign_in(
    call: Call, environment: Mapping[str, str], host: str
) -> None:
    result = call("dashboard", f"--host={host}", environment=environment)
    assert result.code == 2
    assert "DASHBOARD_PASSWORD: not set, and there is no other way to sign in." in result.err


def test_without_redis_it_says_what_to_do(call: Call) -> None:
    result = call("dashboard")
    assert result.code == 2
    assert "REDIS_URL is not set" in result.err


def test_a_port_that_is_taken_is_told(start: Start, environment: Mapping[str, str]) -> None:
    port = free_port()
    first = start("dashboard", f"--port={port}", environment=environment)
    first.wait_for(STARTED)
    second = start("dashboard", f"--port={port}", environment=environment)
    second.wait_for(f"barback: Port {port} of 127.0.0.1 cannot be used")
    assert second.process.wait(20) == 1
    assert first.stop() == 0
