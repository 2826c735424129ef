"""`barback dashboard`: says where it is, refuses to be open to others, ends when told to."""

import re
import signal
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from barback.cli.dashboard import dashboard
from barback.dashboard.signing_in.passwords import is_hash
from barback.embedded.valkey import free_port
from barback.errors import UsageError

Call = Callable[..., Any]
Start = Callable[..., Any]

STARTED = "dashboard started"


def read(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_the_app_it_shows_all_queues_until_it_is_told_to_stop_open_pages_or_not(
    start: Start, call: Call, environment: Mapping[str, str], queue_name: str, project: Any, number: signal.Signals
) -> None:
    assert call("enqueue", "greet", '{"name": "you"}', environment=environment).code == 0
    (project / "src" / "shop" / "app.py").write_text("1 / 0")
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


def test_given_queues_it_shows_no_others(start: Start, environment: Mapping[str, str]) -> None:
    port = free_port()
    process = start("dashboard", f"--port={port}", "--queue=mail", environment=environment)
    process.wait_for(STARTED)
    shown = read(f"http://127.0.0.1:{port}/dashboard/queues")[1]
    assert re.findall(r'data-open href="[^"]*queue=([^&"]*)', shown) == ["mail"]
    assert process.stop() == 0


def test_it_makes_the_hash_of_a_password() -> None:
    password = "a glass of rye, neat"
    result = CliRunner().invoke(dashboard, ["hash"], input=f"{password}\n{password}\n")
    assert result.exit_code == 0
    [hashed] = result.stdout.splitlines()
    assert is_hash(hashed)
    assert password not in result.output


def test_of_a_password_that_is_easily_guessed_it_makes_none() -> None:
    result = CliRunner().invoke(dashboard, ["hash"], input="password1234\npassword1234\n")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("That password will not do: expected something else than")
    assert "scrypt" not in result.output


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
