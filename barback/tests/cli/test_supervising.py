"""`barback work --processes N`: N workers, each started again when it dies, none left when it ends."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
Start = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

HANG = """

@job("hang", queue=QUEUE)
async def hang(payload: Wait, ctx: Context[None]) -> None:
    time.sleep(payload.seconds)
"""


@pytest.fixture
def show(call: Call, environment: Mapping[str, str], queue_name: str) -> Callable[[str], dict[str, Any]]:
    """All of a job now."""

    def look(job_id: str) -> dict[str, Any]:
        return json.loads(call("jobs", "show", queue_name, job_id, "--json", environment=environment).out)

    return look


@pytest.fixture
def enqueue(call: Call, environment: Mapping[str, str]) -> Callable[[str, str, float], None]:
    """Add a job that takes so many seconds."""

    def add(name: str, job_id: str, seconds: float) -> None:
        result = call("enqueue", name, json.dumps({"seconds": seconds}), "--job-id", job_id, environment=environment)
        assert result.code == 0, result.err

    return add


Show = Callable[[str], dict[str, Any]]
Enqueue = Callable[[str, str, float], None]


def started_pid(worker: Any) -> int:
    """The pid of the next worker that says it started."""
    name = json.loads(worker.wait_for('"worker started"'))["worker"]
    return int(re.findall(r"-(\d+)-[0-9a-f]{6}$", name)[0])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def events(worker: Any, event: str) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in worker.lines if line.startswith("{")]
    return [entry for entry in entries if entry["event"] == event]


# ── working and stopping ────────────────────────────────────────────────────────────────────────────────


def test_several_processes_share_the_work_and_drain_when_told_to(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    many = start("work", "--processes", "2", "--concurrency", "1", environment=environment)
    pids = {started_pid(many), started_pid(many)}
    for job_id in ("a", "b"):
        enqueue("wait", job_id, 1.5)
    until(lambda: [show(job_id)["state"] for job_id in ("a", "b")] == ["active", "active"])
    assert many.stop(signal.SIGTERM) == 0
    assert [show(job_id)["state"] for job_id in ("a", "b")] == ["completed", "completed"]
    assert {int(show(job_id)["result"]) for job_id in ("a", "b")} == pids
    assert [entry["exit_code"] for entry in events(many, "supervisor stopped")] == [0]
    assert not any(map(is_alive, pids))


def test_the_number_of_processes_may_be_a_setting_and_the_option_wins(
    start: Start, environment: Mapping[str, str]
) -> None:
    several = {**environment, "WORKER_PROCESSES": "2"}
    many = start("work", environment=several)
    assert len({started_pid(many), started_pid(many), many.process.pid}) == 3
    assert many.stop() == 0
    one = start("work", "--processes", "1", environment=several)
    assert started_pid(one) == one.process.pid
    assert one.stop() == 0


def test_ctrl_c_in_a_terminal_reaches_all_and_counts_once(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    many = start("work", "--processes", "2", environment=environment, own_group=True)
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 1.0)
    until(lambda: show("a")["state"] == "active")
    os.killpg(many.process.pid, signal.SIGINT)
    assert many.process.wait(20) == 0
    assert show("a")["state"] == "completed"
    assert not any(map(is_alive, pids))


@pytest.mark.slow
def test_a_sigterm_to_every_process_counts_once(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    """As systemd stops a service: supervisor, guard and worker each get it, and the guard passes it on as well."""
    many = start("work", "--processes", "2", environment=environment)
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 1.0)
    until(lambda: show("a")["state"] == "active")
    for pid in [*pids, *map(os.getsid, pids), many.process.pid]:
        os.kill(pid, signal.SIGTERM)
    assert many.process.wait(20) == 0
    assert show("a")["state"] == "completed"


def test_a_second_signal_hands_running_jobs_back_at_once(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    """P9."""
    many = start("work", "--processes", "2", environment=environment)
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 600)
    until(lambda: show("a")["state"] == "active")
    many.process.send_signal(signal.SIGINT)
    assert many.stop(signal.SIGTERM) == 0
    assert show("a")["state"] == "waiting"
    assert not any(map(is_alive, pids))


def test_a_third_signal_kills_what_does_not_listen_any_more(
    start: Start, project: Path, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    jobs = project / "src" / "shop" / "jobs" / "greet.py"
    jobs.write_text(jobs.read_text() + HANG)
    many = start("work", "--processes", "2", environment=environment)
    pids = [started_pid(many), started_pid(many)]
    enqueue("hang", "a", 600)
    until(lambda: show("a")["state"] == "active")
    for number in (signal.SIGINT, signal.SIGTERM):
        many.process.send_signal(number)
    until(lambda: sum(map(is_alive, pids)) == 1)
    began = time.monotonic()
    assert many.stop(signal.SIGHUP) == 1
    assert time.monotonic() - began < 5
    assert [entry["ended"] for entry in events(many, "worker did not drain")] == ["SIGKILL"]
    assert not any(map(is_alive, pids))


def test_no_worker_outlives_a_killed_supervisor(
    start: Start, project: Path, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    """It drains, and if it cannot it is killed."""
    jobs = project / "src" / "shop" / "jobs" / "greet.py"
    jobs.write_text(jobs.read_text() + HANG)
    many = start(
        "work", "--processes", "2", "--concurrency", "1", environment={**environment, "BARBACK_GRACE_S": "1.5"}
    )
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 0.5)
    enqueue("hang", "b", 600)
    until(lambda: [show(job_id)["state"] for job_id in ("a", "b")] == ["active", "active"])
    many.process.kill()
    until(lambda: not any(map(is_alive, pids)))
    assert show("a")["state"] == "completed"


@pytest.mark.slow
def test_a_worker_whose_guard_is_killed_drains_and_does_not_work_on_unseen(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    """Nobody could stop it any more: it would work with old code through every release to come."""
    many = start("work", "--processes", "2", environment=environment)
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 2.0)
    until(lambda: show("a")["state"] == "active")
    for pid in pids:
        os.kill(os.getsid(pid), signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids)))
    assert show("a")["state"] == "completed"
    assert not set(pids) & {started_pid(many), started_pid(many)}
    assert many.stop(signal.SIGTERM) == 0


# ── dying and starting again ────────────────────────────────────────────────────────────────────────────


def test_a_killed_worker_is_started_again_and_its_job_runs_to_its_end(
    start: Start, environment: Mapping[str, str], enqueue: Enqueue, show: Show, until: Until
) -> None:
    """P2, P8."""
    quick = {**environment, "BARBACK_LOCK_S": "1", "BARBACK_STALLED_CHECK_S": "0.3"}
    many = start("work", "--processes", "2", environment=quick)
    pids = [started_pid(many), started_pid(many)]
    enqueue("wait", "a", 1.0)
    until(lambda: show("a")["state"] == "active")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    again = [started_pid(many), started_pid(many)]
    assert not set(pids) & set(again)
    until(lambda: show("a")["state"] == "completed")
    assert int(show("a")["result"]) in again
    told = events(many, "worker ended, another is started")
    assert sorted((entry["process"], entry["ended"], entry["after_s"]) for entry in told) == [
        (1, "SIGKILL", 0.1),
        (2, "SIGKILL", 0.1),
    ]
    assert many.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "cannot be reached"),
        ({"REDIS_DB": "99"}, "has no database 99"),
        ({"GREETINGS_CONCURRENCY": "0"}, "GREETINGS_CONCURRENCY: expected a whole number"),
        ({"WORKER_PROCESSES": "0"}, "WORKER_PROCESSES: input should be greater than or equal to 1, got '0'."),
        ({"WORKER_PROCESSES": "0", "GREETINGS_CONCURRENCY": "0"}, "GREETINGS_CONCURRENCY: expected a whole number"),
    ],
)
def test_what_keeps_all_workers_from_starting_is_said_once_and_ends_it(
    start: Start, valkey_url: str, wrong: dict[str, str], told: str
) -> None:
    began = time.monotonic()
    many = start("work", "--processes", "3", environment={"REDIS_URL": valkey_url, **wrong})
    assert many.process.wait(20) == 2
    assert time.monotonic() - began < 10
    many.wait_for(told)
    assert many.output.count(told) == 1


@pytest.mark.slow
def test_services_that_cannot_be_opened_start_no_storm(
    start: Start, project: Path, environment: Mapping[str, str], until: Until
) -> None:
    """Only exit code 2 says that it is of no use to try again."""
    app = project / "src" / "shop" / "app.py"
    app.write_text(app.read_text().replace("services=no_services", "services=lambda: 1 / 0"))
    many = start("work", "--processes", "3", environment=environment)
    for after_s in (0.1, 0.2, 0.4):
        ended = json.loads(many.wait_for("worker ended, another is started"))
        assert (ended["process"], ended["ended"], ended["after_s"]) == (1, "exit code 1", after_s)
    assert many.stop(signal.SIGTERM) == 0


# ── recycling ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_recycled_workers_are_replaced_until_all_is_done(
    start: Start, call: Call, environment: Mapping[str, str], queue_name: str, until: Until
) -> None:
    for n in range(6):
        call("enqueue", "wait", '{"seconds": 0}', "--job-id", f"j{n}", environment=environment)
    options = ("--processes", "2", "--concurrency", "1", "--recycle-after-jobs", "1")
    many = start("work", *options, environment=environment)

    def all_done() -> bool:
        counts = json.loads(call("jobs", "--json", environment=environment).out)
        return counts["queues"][0]["counts"]["completed"] == 6

    until(all_done)
    many.wait_for("worker ended, another is started")
    assert many.stop(signal.SIGTERM) == 0
    told = events(many, "worker ended, another is started")
    assert {(entry["ended"], entry["after_s"], entry["level"]) for entry in told} == {("exit code 0", 0.0, "info")}
    assert "recycled" in [entry["ended"] for entry in events(many, "worker stopped")]


def test_alone_a_recycled_worker_ends_well_and_says_why(
    start: Start, environment: Mapping[str, str], call: Call
) -> None:
    call("enqueue", "wait", '{"seconds": 0}', environment=environment)
    one = start("work", "--recycle-after-jobs", "1", environment=environment)
    assert one.process.wait(20) == 0
    one.wait_for('"worker stopped"')
    [recycles] = events(one, "worker recycles")
    assert recycles["reason"] == "1 jobs worked, of 1"
    [stopped] = events(one, "worker stopped")
    assert (stopped["ended"], stopped["completed"]) == ("recycled", 1)


def test_a_memory_bound_below_what_a_worker_holds_is_refused_once(start: Start, environment: Mapping[str, str]) -> None:
    many = start("work", "--processes", "2", "--recycle-after-mb", "5", environment=environment)
    assert many.process.wait(20) == 2
    many.wait_for("recycle_after_mb: this worker holds")
    assert many.output.count("recycle_after_mb") == 1


def test_help_says_who_starts_a_recycled_worker_again(call: Call) -> None:
    told = " ".join(call("work", "--help").out.split())
    assert "without it this ends with exit code 0, for systemd or Docker to start it again" in told
    assert "--supervised" not in told
