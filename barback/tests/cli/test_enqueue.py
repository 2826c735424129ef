"""`barback enqueue`: checked before anything is sent; says what happened."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

Call = Callable[..., Any]
NOWHERE = {"REDIS_URL": "redis://127.0.0.1:1"}
"""Nobody listens there: a test that passes with it shows that nothing was sent."""
ADA = '{"name": "Ada"}'


@pytest.mark.parametrize("text", ["", "{", "{'name': 'Ada'}", '{"name": NaN}', "[" * 100_000])
def test_what_is_not_json_is_refused_before_anything_is_sent(call: Call, text: str) -> None:
    result = call("enqueue", "greet", text, environment=NOWHERE)
    assert result.code == 2
    assert result.err.startswith("barback: The payload of 'greet' is not JSON: ")


def test_a_payload_that_does_not_fit_names_each_field(call: Call) -> None:
    result = call("enqueue", "greet", '{"howOften": "often", "nam": "Ada"}', environment=NOWHERE)
    assert result.code == 2
    assert result.err.splitlines() == [
        "barback: Payload of 'greet' does not fit:",
        "  name: Field required",
        "  howOften: Input should be a valid integer, unable to parse string as an integer",
        "  nam: Extra inputs are not permitted",
        "  (its fields: name, howOften)",
    ]


@pytest.mark.parametrize("text", ["[]", "1", "null", '"Ada"'])
def test_a_payload_that_is_no_object_is_refused(call: Call, text: str) -> None:
    result = call("enqueue", "greet", text, environment=NOWHERE)
    assert result.code == 2
    assert "Payload of 'greet' does not fit" in result.err


def test_an_unknown_job_is_told_the_right_one(call: Call) -> None:
    result = call("enqueue", "greeet", ADA, environment=NOWHERE)
    assert result.code == 2
    assert "Did you mean 'greet'?" in result.err


@pytest.mark.parametrize("job_id", ["5", "wait", "completed", "a:b", "", "a\nb"])
def test_an_illegal_job_id_is_refused(call: Call, job_id: str) -> None:
    result = call("enqueue", "greet", ADA, "--job-id", job_id, environment=NOWHERE)
    assert result.code == 2
    assert "cannot be used: " in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("option", [("--priority", "-1"), ("--priority", "9999999"), ("--attempts", "0")])
def test_an_option_out_of_range_is_refused(call: Call, option: tuple[str, str]) -> None:
    result = call("enqueue", "greet", ADA, *option, environment=NOWHERE)
    assert result.code == 2
    assert f"barback: {option[0].removeprefix('--')}: expected" in result.err


def test_a_delay_that_is_none_is_refused(call: Call) -> None:
    result = call("enqueue", "greet", ADA, "--delay", "soon", environment=NOWHERE)
    assert result.code == 2
    assert "expected seconds like 5" in result.err


def test_it_says_which_job_it_made(call: Call, environment: Mapping[str, str]) -> None:
    result = call("enqueue", "greet", ADA, environment=environment)
    assert (result.code, result.out, result.err) == (0, "created 1\n", "")


def test_it_says_which_job_stands_for_it(call: Call, environment: Mapping[str, str]) -> None:
    call("enqueue", "greet", ADA, "--job-id", "ada", environment=environment)
    result = call("enqueue", "greet", ADA, "--job-id", "ada", environment=environment)
    assert (result.code, result.out) == (0, "swallowed by ada (waiting)\n")


def test_options_reach_the_job(call: Call, environment: Mapping[str, str], queue_name: str) -> None:
    options = ("--priority", "7", "--delay", "2h", "--attempts", "4", "--job-id", "ada")
    call("enqueue", "greet", ADA, *options, environment=environment)
    job = json.loads(call("jobs", "show", queue_name, "ada", "--json", environment=environment).out)
    assert job["state"] == "delayed"
    assert job["data"] == {"name": "Ada", "howOften": 1}
    wanted = {"priority": 7, "delay_s": 7200.0, "attempts": 4}
    assert {name: job["options"][name] for name in wanted} == wanted


def test_waiting_for_a_job_shows_how_it_ended(
    call: Call, start: Callable[..., Any], environment: Mapping[str, str]
) -> None:
    start("work", environment=environment).wait_for("worker started")
    done = call("enqueue", "greet", '{"name": "Ada\\u001b"}', "--wait", environment=environment)
    assert done.code == 0
    assert done.out.splitlines()[1] == 'completed: "Hello, Ada\\u001b"'
    failed = call("enqueue", "greet", '{"name": "nobody"}', "--wait", environment=environment)
    assert failed.code == 1
    assert failed.err == "failed: ValueError: nobody is there \\x1b[31m\n"


def test_a_payload_over_the_limit_is_one_message(call: Call) -> None:
    name = json.dumps({"name": "x" * 1024})
    result = call("enqueue", "greet", name, environment=NOWHERE | {"BARBACK_PAYLOAD_LIMIT_KB": "1"})
    assert result.code == 2
    assert result.err.splitlines() == [
        "barback: Payload of 'greet' does not fit:",
        "  it is 2 KB of JSON, and the limit is 1 KB (BARBACK_PAYLOAD_LIMIT_KB). "
        "Store it elsewhere and enqueue its address",
    ]


@pytest.mark.parametrize("levels", [100, 500])
def test_a_payload_that_is_too_deep_is_one_message(call: Call, levels: int) -> None:
    result = call("enqueue", "greet", '{"name":' + "[" * levels + "]" * levels + "}", environment=NOWHERE)
    assert result.code == 2
    first, second = result.err.splitlines()
    assert first == "barback: Payload of 'greet' does not fit:"
    assert second.startswith("  name[0][0][0]")
    assert second.endswith(": it is nested deeper than 100 levels")


def test_a_warning_does_not_stand_in_the_answer(start: Callable[..., Any], environment: Mapping[str, str]) -> None:
    text = json.dumps({"name": "x" * 1024, "howOften": 1}, separators=(",", ":"))
    running = start("enqueue", "greet", text, environment={**environment, "BARBACK_PAYLOAD_WARN_KB": "1"})
    warning = json.loads(running.wait_for("payload is large"))
    assert (warning["level"], warning["job"], warning["bytes"]) == ("warning", "greet", len(text))
    running.wait_for("created 1")
