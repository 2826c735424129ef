"""`barback work`: needs a Redis, works, and ends when told to, whatever its handlers do."""

import json
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from barback.app import App, no_services
from barback.cli.work import worker_options
from barback.errors import UnknownQueue
from barback.job import Context, job
from barback.payload import NoPayload
from barback.settings import Settings, load_settings

Call = Callable[..., Any]
Start = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def state(call: Call, environment: Mapping[str, str], queue_name: str) -> Callable[[str], str]:
    """The state of a job now."""

    def look(job_id: str) -> str:
        return json.loads(call("jobs", "show", queue_name, job_id, "--json", environment=environment).out)["state"]

    return look


def test_without_redis_it_says_what_to_do_and_starts_no_server(call: Call, project: Path) -> None:
    result = call("work")
    assert result.code == 2
    assert "REDIS_URL is not set" in result.err
    assert "barback dev" in result.err
    assert not (project / ".barback").exists()


def test_a_database_in_the_address_must_be_the_one_of_the_settings(call: Call) -> None:
    result = call("work", environment={"REDIS_URL": "redis://127.0.0.1:1/3", "REDIS_DB": "2"})
    assert result.code == 2
    assert "REDIS_DB: expected 3, which REDIS_URL names" in result.err


def test_six_wrong_settings_of_all_kinds_are_named_in_one_message(start: Start, project: Path) -> None:
    app = project / "src" / "shop" / "app.py"
    kind = """
from pydantic import Field, SecretStr
from barback.settings import EnvSettings

class Till(EnvSettings):
    drawers: int = Field(1, validation_alias="TILL_DRAWERS")
    pin: SecretStr = Field("12345678", validation_alias="TILL_PIN", min_length=8)

"""
    app.write_text(app.read_text().replace("\napp = App(", f"{kind}app = App(\n    settings=(Till,),"))
    wrong = {
        "REDIS_URL": "redis://user:s3cret@127.0.0.1:1/3",
        "REDIS_DB": "2",
        "WORKER_CONCURRENCY": "0",
        "BARBACK_GRACE_S": "-1",
        "TILL_DRAWERS": "two",
        "TILL_PIN": "s3cret",
        "GREETINGS_CONCURRENCY": "many",
    }
    worker = start("work", environment=wrong)
    assert worker.process.wait(20) == 2
    worker.wait_for("GREETINGS_CONCURRENCY")
    assert [line.partition(":")[0].strip() for line in worker.lines] == [
        "barback",
        "REDIS_DB",
        "WORKER_CONCURRENCY",
        "BARBACK_GRACE_S",
        "TILL_DRAWERS",
        "TILL_PIN",
        "GREETINGS_CONCURRENCY",
    ]
    assert "s3cret" not in worker.output


@pytest.mark.parametrize("command", [("enqueue", "gret"), ("jobs",), ("jobs", "list", "no-queue"), ("dev",)])
def test_every_command_names_wrong_settings_before_anything_else(call: Call, command: tuple[str, ...]) -> None:
    result = call(*command, environment={"GREETINGS_CONCURRENCY": "0", "REDIS_DB": "x"})
    assert result.code == 2
    assert result.err.startswith("barback: Wrong settings:\n  REDIS_DB: ")
    assert "GREETINGS_CONCURRENCY: expected a whole number from 1 to 10000, got '0'." in result.err


def test_a_redis_that_is_down_ends_it_within_5_s(call: Call) -> None:
    began = time.monotonic()
    result = call("work", environment={"REDIS_URL": "redis://127.0.0.1:1"})
    assert result.code == 2
    assert result.err.startswith("barback: ")
    assert time.monotonic() - began < 5


def test_an_unknown_queue_is_told_the_right_one(call: Call, environment: Mapping[str, str], queue_name: str) -> None:
    result = call("work", "--queue", queue_name + "s", environment=environment)
    assert result.code == 2
    assert f"Did you mean '{queue_name}'?" in result.err


def test_sigterm_lets_running_jobs_finish(
    start: Start, call: Call, environment: Mapping[str, str], state: Callable[[str], str], until: Until
) -> None:
    worker = start("work", environment=environment)
    call("enqueue", "wait", '{"seconds": 1}', "--job-id", "slow", environment=environment)
    until(lambda: state("slow") == "active")
    assert worker.stop(signal.SIGTERM) == 0
    assert state("slow") == "completed"
    assert json.loads(worker.lines[-1])["event"] == "worker stopped"


def test_a_second_signal_hands_running_jobs_back_at_once(
    start: Start, call: Call, environment: Mapping[str, str], state: Callable[[str], str], until: Until
) -> None:
    worker = start("work", environment=environment)
    call("enqueue", "wait", '{"seconds": 60}', "--job-id", "slow", environment=environment)
    until(lambda: state("slow") == "active")
    # Two different ones: of two that are alike the second may be lost before the first is seen.
    worker.process.send_signal(signal.SIGINT)
    assert worker.stop(signal.SIGTERM) == 0
    assert state("slow") == "waiting"


def test_a_handler_that_cannot_be_stopped_does_not_keep_it(
    start: Start, call: Call, environment: Mapping[str, str], state: Callable[[str], str], until: Until
) -> None:
    worker = start("work", environment={**environment, "BARBACK_GRACE_S": "0.1"})
    call("enqueue", "block", '{"seconds": 600}', "--job-id", "stuck", environment=environment)
    until(lambda: state("stuck") == "active")
    assert worker.stop(signal.SIGTERM) == 0
    assert state("stuck") == "waiting"


@job("one", queue="one")
async def one(payload: NoPayload, ctx: Context[None]) -> None: ...


@job("two", queue="two")
async def two(payload: NoPayload, ctx: Context[None]) -> None: ...


APP = App(jobs=[one, two], services=no_services, queues={"one": 7})


def test_all_queues_are_worked_with_the_declared_or_usual_concurrency(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_CONCURRENCY", "9")
    options = worker_options(APP, load_settings(Settings))
    assert options.queues == ("one", "two")
    assert options.concurrency == {"one": 7, "two": 9}


def test_the_variable_of_a_queue_wins_over_its_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_CONCURRENCY", "3")
    assert worker_options(APP, load_settings(Settings)).concurrency["one"] == 3


def test_the_options_of_the_command_win_over_all() -> None:
    options = worker_options(APP, load_settings(Settings), ("one",), 2)
    assert (options.queues, options.concurrency) == (("one",), {"one": 2})


def test_a_queue_nobody_declares_is_refused() -> None:
    with pytest.raises(UnknownQueue, match="Did you mean 'one'"):
        worker_options(APP, load_settings(Settings), ("on",))


def test_the_limits_of_payloads_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARBACK_PAYLOAD_LIMIT_KB", "1")
    assert worker_options(APP, load_settings(Settings)).payload_limits.limit_bytes == 1024


def test_a_coroutine_that_ignores_its_cancellation_does_not_keep_it(
    start: Start, call: Call, environment: Mapping[str, str], state: Callable[[str], str], until: Until
) -> None:
    """P22."""
    running = start("work", environment={**environment, "BARBACK_GRACE_S": "0.2"})
    running.wait_for("worker started")
    call("enqueue", "stay", "{}", "--job-id", "stays", environment=environment)
    until(lambda: state("stays") == "active")
    began = time.monotonic()
    assert running.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 3
    assert state("stays") == "waiting"
