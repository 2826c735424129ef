"""`barback schedules`: what runs when, what a deploy would change, and single ones stopped and started."""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, cast

import pytest
import redis

Call = Callable[..., Any]


@pytest.fixture
def barback(call: Call, environment: Mapping[str, str]) -> Call:
    return lambda *arguments, **more: call(*arguments, environment={**environment, **more})


def listed(barback: Call) -> list[dict[str, Any]]:
    return json.loads(barback("schedules", "--json").out)["schedules"]


def planned(barback: Call, **more: str) -> list[tuple[str, str]]:
    changes = json.loads(barback("schedules", "plan", "--json", **more).out)["changes"]
    return [(change["id"], change["change"]) for change in changes]


def test_before_any_worker_a_schedule_is_listed_as_not_put_yet(barback: Call, queue_name: str) -> None:
    head, row = barback("schedules").out.splitlines()
    assert head.split() == ["id", "queue", "job", "when", "next", "last", "state"]
    assert row.split("  ")[0] == "nightly"
    assert "At 03:00 every day (Europe/Berlin)" in row
    assert row.endswith("not put yet")
    [schedule] = listed(barback)
    assert (schedule["queue"], schedule["nextAt"], schedule["nextTimes"]) == (queue_name, None, [])


def test_a_plan_says_what_apply_does_and_apply_does_it(barback: Call) -> None:
    assert planned(barback) == [("nightly", "add")]
    assert "add" in barback("schedules", "apply").out
    assert planned(barback) == [("nightly", "keep")]
    assert barback("schedules", "apply").out == "nothing to change\n"
    [schedule] = listed(barback)
    assert schedule["state"] == ""
    assert len(schedule["nextTimes"]) == 5
    assert schedule["nextTimes"][0] == schedule["nextAt"]


def test_a_starting_worker_applies(barback: Call, start: Callable[..., Any], environment: Mapping[str, str]) -> None:
    worker = start("work", environment=environment)
    worker.wait_for("worker started")
    assert planned(barback) == [("nightly", "keep")]
    worker.stop()


def test_a_paused_schedule_stays_so_until_it_is_resumed(barback: Call) -> None:
    barback("schedules", "apply")
    assert barback("schedules", "pause", "nightly").out == "schedule nightly is paused\n"
    barback("schedules", "apply")
    [schedule] = listed(barback)
    assert (schedule["state"], schedule["nextAt"]) == ("paused", None)
    assert json.loads(barback("schedules", "resume", "nightly", "--json").out) == {"resumed": "nightly"}
    [schedule] = listed(barback)
    assert (schedule["state"], schedule["nextAt"] is not None) == ("", True)


def test_a_schedules_job_is_run_now_beside_its_slots(barback: Call, queue_name: str) -> None:
    job = json.loads(barback("schedules", "run", "nightly", "--json").out)["job"]
    shown = json.loads(barback("jobs", "show", queue_name, job, "--json").out)
    assert (shown["state"], shown["data"]["name"]) == ("waiting", "cron")


def test_what_was_not_put_is_refused_with_a_hint(barback: Call, queue_name: str) -> None:
    barback("schedules", "apply")
    refused = barback("schedules", "pause", "nightli")
    assert refused.code == 2
    assert refused.err == f"barback: There is no schedule 'nightli' in {queue_name}. Did you mean 'nightly'?\n"


def test_what_was_never_applied_cannot_be_paused(barback: Call, queue_name: str) -> None:
    refused = barback("schedules", "pause", "nightly")
    assert refused.code == 2
    hint = "Run 'barback schedules apply', or start a worker."
    assert refused.err == f"barback: There is no schedule 'nightly' in {queue_name}. {hint}\n"


def test_a_run_by_hand_is_shown(barback: Call) -> None:
    barback("schedules", "apply")
    job = json.loads(barback("schedules", "run", "nightly", "--json").out)["job"]
    [schedule] = listed(barback)
    assert schedule["runByHand"]["jobId"] == job
    assert schedule["runByHand"]["askedAt"] == pytest.approx(time.time(), abs=30)
    assert "run by hand 20" in barback("schedules").out


def test_a_schedule_of_another_program_is_shown_so_and_can_be_removed(
    barback: Call, queue_name: str, environment: Mapping[str, str]
) -> None:
    with closing(cast("Any", redis.Redis).from_url(environment["REDIS_URL"], db=1)) as server:
        later = (time.time() + 3600) * 1000
        server.zadd(f"bull:{queue_name}:repeat", {"theirs": later, "old": later})
        server.hset(f"bull:{queue_name}:repeat:theirs", mapping={"name": "x", "every": 60_000, "ic": 1})
        server.hset(f"bull:{queue_name}:repeat:old", mapping={"name": "x", "pattern": "* * * * *"})
    states = {one["id"]: (one["owner"], one["state"]) for one in listed(barback)}
    assert states["theirs"] == ("other", "made by another program")
    assert states["old"] == ("repeatable", "repeatable of BullMQ 5: see barback doctor")
    assert barback("schedules", "remove", "nightly", "--queue", queue_name).code == 2
    for schedule_id in ("theirs", "old"):
        assert barback("schedules", "remove", schedule_id, "--queue", queue_name).code == 0
    assert [one["id"] for one in listed(barback)] == ["nightly"]
    assert barback("schedules", "remove", "theirs", "--queue", queue_name).code == 2


def test_an_older_release_is_told_that_its_worker_changes_nothing_and_goes_back_with_apply(
    barback: Call, queue_name: str
) -> None:
    """P15."""
    barback("schedules", "apply", BARBACK_RELEASE="2.10")
    said = f"release 2.10 is newer: a worker of this code leaves the schedules of {queue_name} as they are\n"
    assert barback("schedules", "plan", BARBACK_RELEASE="2.9").err == said
    barback("schedules", "apply", BARBACK_RELEASE="2.9")
    assert barback("schedules", "plan", BARBACK_RELEASE="2.9").err == ""
    assert planned(barback, BARBACK_RELEASE="2.9") == [("nightly", "keep")]


def test_a_schedule_whose_slot_has_come_while_no_worker_runs_is_shown_as_such(
    barback: Call, queue_name: str, environment: Mapping[str, str]
) -> None:
    """Who asks why nothing ran shall not read of tomorrow alone."""
    barback("schedules", "apply")
    with closing(cast("Any", redis.Redis).from_url(environment["REDIS_URL"], db=1)) as server:
        server.zadd(f"bull:{queue_name}:repeat", {"nightly": (time.time() - 90) * 1000})
    [schedule] = listed(barback)
    assert re.fullmatch(r"due for 9\d s: no worker makes its jobs", schedule["state"])
