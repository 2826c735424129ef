"""`barback jobs`: what is in the queues, for people and for machines."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from barback.broker import LISTED_STATES

Call = Callable[..., Any]
ADA = '{"name": "Ada"}'


@pytest.fixture
def barback(call: Call, environment: Mapping[str, str]) -> Call:
    return lambda *arguments: call(*arguments, environment=environment)


def test_alone_it_counts_the_jobs_of_each_queue(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA)
    barback("enqueue", "greet", ADA, "--delay", "1h")
    head, row = barback("jobs").out.splitlines()
    assert head.split() == ["queue", *LISTED_STATES]
    assert row.split() == [queue_name, "1", "0", "1", "0", "0", "0", "0"]


def test_machines_get_the_same_counts_as_json(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA)
    (queue,) = json.loads(barback("jobs", "--json").out)["queues"]
    assert (queue["queue"], queue["paused"], queue["counts"]["waiting"]) == (queue_name, False, 1)


def test_a_list_holds_the_jobs_of_one_state(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA, "--job-id", "first")
    barback("enqueue", "greet", ADA, "--job-id", "second")
    barback("enqueue", "greet", ADA, "--job-id", "later", "--delay", "1h")
    waiting = json.loads(barback("jobs", "list", queue_name, "--json").out)
    assert [job["id"] for job in waiting] == ["first", "second"]
    assert [job["data"] for job in waiting] == [{"name": "Ada", "howOften": 1}] * 2
    lines = barback("jobs", "list", queue_name, "--state", "delayed").out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("later  greet")


MAIL = """
from typing import Annotated
from barback import Context, Payload, Secret, job
from shop.jobs.greet import QUEUE

class Mail(Payload, frozen=True):
    to: str
    token: Annotated[str, Secret()]

@job("mail", queue=QUEUE)
async def mail(payload: Mail, ctx: Context[None]) -> None: ...
"""


def test_what_a_payload_declares_secret_is_neither_listed_nor_shown(
    barback: Call, project: Path, queue_name: str
) -> None:
    (project / "src" / "shop" / "jobs" / "mail.py").write_text(MAIL)
    barback("enqueue", "mail", '{"to": "Ada", "token": "s3cret"}', "--job-id", "one")
    for command in (("list", queue_name), ("show", queue_name, "one")):
        for form in ((), ("--json",)):
            told = barback("jobs", *command, *form).out
            assert "Ada" in told
            assert "s3cret" not in told


def test_a_list_can_be_limited_and_paged(barback: Call, queue_name: str) -> None:
    for number in range(3):
        barback("enqueue", "greet", ADA, "--job-id", f"job-{number}")
    page = json.loads(barback("jobs", "list", queue_name, "--start", "1", "--limit", "1", "--json").out)
    assert [job["id"] for job in page] == ["job-1"]


def test_an_empty_list_says_so(barback: Call, queue_name: str) -> None:
    assert barback("jobs", "list", queue_name, "--state", "failed").out == f"no failed jobs in {queue_name}\n"


def test_a_failed_job_is_shown_with_its_reason_stack_and_log(
    barback: Call, start: Callable[..., Any], environment: Mapping[str, str], queue_name: str
) -> None:
    start("work", environment=environment).wait_for("worker started")
    barback("enqueue", "greet", '{"name": "nobody"}', "--wait", "--job-id", "ada")
    result = barback("jobs", "show", queue_name, "ada")
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert result.code == 0
    assert lines[:3] == [f"job greet ada of {queue_name}", "state failed", 'payload {"name":"nobody","howOften":1}']
    assert "reason ValueError: nobody is there \\x1b[31m" in lines
    assert "log greeting" in lines
    assert any(line.startswith("stack Traceback") for line in lines)
    assert "\x1b" not in result.out

    job = json.loads(barback("jobs", "show", queue_name, "ada", "--json").out)
    assert job["failed_reason"] == "ValueError: nobody is there \x1b[31m"
    assert job["logs"] == ["greeting"]


def test_a_failed_job_can_be_retried(
    barback: Call, start: Callable[..., Any], environment: Mapping[str, str], queue_name: str
) -> None:
    worker = start("work", environment=environment)
    worker.wait_for("worker started")
    barback("enqueue", "greet", '{"name": "nobody"}', "--wait", "--job-id", "ada")
    worker.stop()
    assert barback("jobs", "retry", queue_name, "ada").out == "job ada waits again\n"
    assert json.loads(barback("jobs", "show", queue_name, "ada", "--json").out)["state"] == "waiting"


def test_a_job_that_never_failed_cannot_be_retried(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA, "--job-id", "ada")
    result = barback("jobs", "retry", queue_name, "ada")
    assert result.code == 1
    assert result.err.startswith("barback: ")


def test_a_delayed_job_can_be_promoted(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA, "--job-id", "ada", "--delay", "1h")
    assert barback("jobs", "promote", queue_name, "ada").code == 0
    assert json.loads(barback("jobs", "show", queue_name, "ada", "--json").out)["state"] == "waiting"


def test_a_job_can_be_removed_once(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA, "--job-id", "ada")
    assert barback("jobs", "remove", queue_name, "ada", "--json").out == '{\n  "removed": "ada"\n}\n'
    again = barback("jobs", "remove", queue_name, "ada")
    assert (again.code, again.err) == (2, f"barback: No job 'ada' in queue '{queue_name}'.\n")


def test_a_job_that_is_not_there_is_said_to_be_so(barback: Call, queue_name: str) -> None:
    result = barback("jobs", "show", queue_name, "ada")
    assert (result.code, result.err) == (2, f"barback: No job 'ada' in queue '{queue_name}'.\n")


def test_a_queue_can_be_paused_and_resumed(barback: Call, queue_name: str) -> None:
    barback("jobs", "pause", queue_name)
    assert f"{queue_name} (paused)" in barback("jobs").out
    barback("jobs", "resume", queue_name)
    assert "(paused)" not in barback("jobs").out


def test_a_sound_queue_needs_no_repair(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA)
    assert barback("jobs", "repair", queue_name).out == "nothing to repair\n"


@pytest.mark.parametrize("command", ["list", "pause", "resume", "repair"])
def test_an_unknown_queue_is_told_the_right_one(barback: Call, queue_name: str, command: str) -> None:
    result = barback("jobs", command, queue_name + "s")
    assert result.code == 2
    assert f"Did you mean '{queue_name}'?" in result.err


def test_a_running_job_can_be_cancelled_and_fails_with_the_reason(
    barback: Call, start: Callable[..., Any], environment: Mapping[str, str], queue_name: str, until: Callable[..., Any]
) -> None:
    start("work", environment={**environment, "BARBACK_LOCK_S": "1"}).wait_for("worker started")
    barback("enqueue", "wait", '{"seconds": 60}', "--job-id", "long")

    def job() -> Any:
        return json.loads(barback("jobs", "show", queue_name, "long", "--json").out)

    until(lambda: job()["state"] == "active")
    said = barback("jobs", "cancel", queue_name, "long", "--reason", "wrong city")
    assert (said.code, said.out) == (0, "job long will be cancelled\n")
    until(lambda: job()["state"] == "failed")
    assert job()["failed_reason"] == "Cancelled: wrong city"


def test_a_job_that_does_not_run_cannot_be_cancelled(barback: Call, queue_name: str) -> None:
    barback("enqueue", "greet", ADA, "--job-id", "ada")
    result = barback("jobs", "cancel", queue_name, "ada")
    assert (result.code, result.err) == (
        1, f"barback: Job ada of '{queue_name}' was not cancelled: it is waiting, and nobody works it.\n"
    )  # fmt: skip
