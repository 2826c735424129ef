"""How commands end: one line for a person, an exit code for a program."""

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def test_help_needs_no_app_and_no_settings(call: Call, project: Path) -> None:
    (project / "pyproject.toml").unlink()
    result = call("--help")
    assert result.code == 0
    assert all(command in result.out for command in ("work", "dev", "enqueue", "jobs"))
    assert "prepare" not in result.out


def test_an_unknown_command_is_wrong_usage(call: Call) -> None:
    result = call("wrok")
    assert result.code == 2
    assert "No such command 'wrok'" in result.err


def test_an_error_is_one_line_without_a_traceback(call: Call) -> None:
    result = call("enqueue", "gret")
    assert (result.code, result.out) == (2, "")
    assert result.err == "barback: No job named 'gret' is registered. Did you mean 'greet'?\n"


def test_debug_shows_the_traceback_too(call: Call) -> None:
    result = call("--debug", "enqueue", "gret")
    assert result.code == 2
    assert result.err.startswith("Traceback")
    assert result.err.endswith("barback: No job named 'gret' is registered. Did you mean 'greet'?\n")


def test_an_error_nobody_expected_is_one_line_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("no \x1b[31m luck\nat all")

    monkeypatch.setattr("barback.cli.invocation.load_app", fail)
    result = call("enqueue", "greet")
    assert result.code == 1
    assert result.err == "barback: RuntimeError: no \\x1b[31m luck\\nat all (`barback --debug …` shows where)\n"


def test_the_only_error_of_a_group_is_shown_itself(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise ExceptionGroup("side by side", [ExceptionGroup("again", [ValueError("the cause")])])

    monkeypatch.setattr("barback.cli.invocation.load_app", fail)
    assert call("enqueue", "greet").err.startswith("barback: ValueError: the cause")


def test_every_wrong_setting_is_named(call: Call) -> None:
    wrong = {"REDIS_URL": "http://localhost", "REDIS_DB": "x", "WORKER_CONCURRENCY": "0"}
    result = call("work", environment=wrong)
    assert result.code == 2
    assert all(name in result.err for name in wrong)


@pytest.mark.parametrize("command", [("enqueue", "greet", '{"name": "Ada"}'), ("jobs",)])
def test_without_redis_and_without_dev_it_says_what_to_do(call: Call, command: tuple[str, ...]) -> None:
    result = call(*command)
    assert result.code == 2
    assert "REDIS_URL is not set and no 'barback dev' runs in this project" in result.err


def test_a_redis_that_is_down_is_an_error_of_one_line(call: Call) -> None:
    result = call("jobs", environment={"REDIS_URL": "redis://:secret@127.0.0.1:1"})
    assert result.code == 2
    assert result.err.startswith("barback: ")
    assert len(result.err.splitlines()) == 1
    assert "secret" not in result.err


def test_ctrl_c_ends_with_130(start: Callable[..., Any], environment: Mapping[str, str]) -> None:
    waiting = start("enqueue", "greet", '{"name": "Ada"}', "--wait", environment=environment)
    waiting.wait_for("created")
    assert waiting.stop(signal.SIGINT) == 130
    assert "Traceback" not in waiting.output
