"""`barback dev`: brings what is missing, reloads, and leaves nothing running however it ends."""

import fcntl
import json
import os
import re
import signal
import socket
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from barback.cli.dev_servers import choose_port
from barback.embedded import EmbeddedValkey
from barback.embedded.valkey import free_port

Call = Callable[..., Any]
Start = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

READY = "worker started"


@pytest.fixture
def start_dev(start: Start) -> Start:
    """Start `barback dev` on a port of its own; it does not watch barback's own code, which somebody may be editing."""

    def run(environment: Mapping[str, str] | None = None) -> Any:
        return start("dev", "--redis-port", str(free_port()), "--no-reload", environment=environment)

    return run


def nothing_runs(project: Path, server: str) -> bool:
    """Whether neither a server nor its guard is alive: both hold its lock."""
    with (project / ".barback" / server / "server.lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def stands_still(pid: int) -> bool:
    """Whether none of its threads takes a signal any more."""
    return all("State:\tT" in status.read_text() for status in Path(f"/proc/{pid}/task").glob("*/status"))


def pending(pid: int) -> set[signal.Signals]:
    """What was sent to a process that it has not seen yet."""
    [bits] = re.findall(r"^ShdPnd:\s+(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return {number for number in signal.Signals if int(bits, 16) >> (number - 1) & 1}


def worker_pid(started_line: str) -> int:
    """Its name is `host-pid-random`."""
    return int(json.loads(started_line)["worker"].split("-")[-2])


def develop(project: Path, code: str, options: str = "prepare=prepare") -> None:
    """Give the project's app a preparation and other options of `Development`."""
    app = project / "src" / "shop" / "app.py"
    declared = app.read_text().replace("Development()", f"Development({options})")
    app.write_text(declared.replace("app = App(", f"def prepare():\n    {code}\n\napp = App("))


def _read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=10) as page:
        return page.read().decode()


def test_it_says_what_is_where_and_other_terminals_find_it(
    start: Start, call: Call, project: Path, until: Until
) -> None:
    develop(project, 'print("prepared")')
    port = free_port()
    dev = start("dev", "--redis-port", str(port), "--no-reload")
    dev.wait_for(READY)
    assert f"redis://127.0.0.1:{port}/1 (embedded)" in dev.output
    assert f"REDIS_URL=redis://127.0.0.1:{port}/1" in dev.output
    assert f"Data        {project / '.barback'}" in dev.output
    assert "greetings (20 at a time)" in dev.output
    assert "greet → greetings" in dev.output
    assert "nightly: 0 3 * * * Europe/Berlin, next 20" in dev.output
    assert "Ctrl-C drains the worker" in dev.output
    [dashboard] = [line.split()[1] for line in dev.lines if line.strip().startswith("Dashboard ")]
    if "dashboard started" not in dev.output:
        dev.wait_for("dashboard started")
    # All that are stored, and found by itself all that the app declares.
    [shown] = [json.loads(line)["queues"] for line in dev.lines if "dashboard started" in line]
    assert shown == "all"
    until(lambda: "greetings" in _read(dashboard))
    assert "prepared" in dev.output

    assert call("enqueue", "greet", '{"name": "Ada"}', "--wait").out.endswith('completed: "Hello, Ada"\n')
    assert "greetings" in call("jobs").out
    assert dev.stop(signal.SIGTERM) == 0
    assert "no 'barback dev' runs in this project" in call("jobs").err


def test_ctrl_c_drains_the_worker_and_leaves_nothing_running(
    start_dev: Start, call: Call, project: Path, until: Until
) -> None:
    dev = start_dev()
    worker = worker_pid(dev.wait_for(READY))
    call("enqueue", "wait", '{"seconds": 1}', "--job-id", "slow")
    until(lambda: '"active"' in call("jobs", "show", "greetings", "slow", "--json").out)
    assert dev.stop(signal.SIGINT) == 0
    assert '"completed": 1' in dev.output
    assert nothing_runs(project, "valkey")
    assert not is_alive(worker)
    assert "Traceback" not in dev.output


def test_a_second_signal_does_not_wait_for_running_jobs(
    start_dev: Start, call: Call, project: Path, until: Until
) -> None:
    """Nor if the worker had no time to look between the two, as on a busy machine."""
    dev = start_dev()
    worker = worker_pid(dev.wait_for(READY))
    call("enqueue", "wait", '{"seconds": 600}', "--job-id", "slow")
    until(lambda: '"active"' in call("jobs", "show", "greetings", "slow", "--json").out)
    os.kill(worker, signal.SIGSTOP)
    until(lambda: stands_still(worker))
    dev.process.send_signal(signal.SIGINT)
    dev.process.send_signal(signal.SIGTERM)
    until(lambda: {signal.SIGTERM, signal.SIGINT} <= pending(worker))
    os.kill(worker, signal.SIGCONT)
    assert dev.process.wait(20) == 130
    assert nothing_runs(project, "valkey")


@pytest.mark.slow
def test_killed_it_leaves_nothing_running_and_its_data_can_be_used_again(
    start_dev: Start, project: Path, until: Until
) -> None:
    dev = start_dev()
    worker = worker_pid(dev.wait_for(READY))
    dev.process.kill()
    until(lambda: nothing_runs(project, "valkey"))
    until(lambda: not is_alive(worker))
    with EmbeddedValkey(project / ".barback" / "valkey") as server:
        assert server.url


def test_code_that_changes_starts_the_worker_anew_and_broken_code_waits_for_the_next_change(
    start: Start, call: Call, project: Path
) -> None:
    dev = start("dev", "--redis-port", str(free_port()))
    first = worker_pid(dev.wait_for(READY))
    code = project / "src" / "shop" / "jobs" / "greet.py"
    original = code.read_text()

    code.write_text(original.replace("Hello", "Servus"))
    dev.wait_for("greet.py changed: starting the worker anew")
    assert worker_pid(dev.wait_for(READY)) != first
    assert '"Servus, Ada"' in call("enqueue", "greet", '{"name": "Ada"}', "--wait").out

    code.write_text(original + "\nx = = 1\n")
    dev.wait_for("its import fails with SyntaxError")
    dev.wait_for("the worker ended with exit code 2; it starts again when code changes")

    code.write_text(original)
    dev.wait_for(READY)
    assert dev.stop() == 0


@pytest.mark.slow
def test_a_second_one_in_the_same_project_is_refused(start_dev: Start) -> None:
    first = start_dev()
    first.wait_for(READY)
    second = start_dev()
    second.wait_for(f"is already running, started by process {first.process.pid}")
    assert second.process.wait(20) == 2
    assert first.stop() == 0


@pytest.mark.slow
def test_a_preparation_that_fails_ends_it_and_leaves_nothing_running(start_dev: Start, project: Path) -> None:
    develop(project, 'raise RuntimeError("no luck")')
    dev = start_dev()
    dev.wait_for("RuntimeError: no luck")
    dev.wait_for("barback: The app's Development.prepare failed with exit code 1")
    assert dev.process.wait(20) == 1
    assert nothing_runs(project, "valkey")


@pytest.mark.slow
def test_with_a_redis_of_ones_own_it_starts_none(
    start_dev: Start, environment: Mapping[str, str], project: Path
) -> None:
    url = environment["REDIS_URL"].replace("redis://", "redis://default@")
    dev = start_dev(environment={**environment, "REDIS_URL": url})
    dev.wait_for(READY)
    assert f"{url}, database 1 (REDIS_URL)" in dev.output
    assert not (project / ".barback" / "valkey").exists()
    assert dev.stop() == 0


def test_an_app_that_names_its_database_gets_a_postgres(start_dev: Start, project: Path) -> None:
    ask = 'import os, psycopg; print("answer", psycopg.connect(os.environ["SHOP_DB"]).execute("select 42").fetchone())'
    develop(project, ask, "'SHOP_DB', prepare=prepare")
    dev = start_dev()
    dev.wait_for("answer (42,)")
    dev.wait_for(READY)
    assert "postgresql://postgres@/postgres?host=" in dev.output
    assert dev.stop() == 0
    assert nothing_runs(project, "postgres")


@pytest.mark.slow
def test_an_app_whose_database_is_set_gets_none(start_dev: Start, project: Path) -> None:
    develop(project, "pass", "'SHOP_DB', ('SHOP_API',)")
    dev = start_dev(environment={"SHOP_API": "http://127.0.0.1:1"})
    dev.wait_for(READY)
    assert not (project / ".barback" / "postgres").exists()
    assert dev.stop() == 0


def test_the_port_stays_the_same_if_it_can(tmp_path: Path) -> None:
    remembered = tmp_path / "redis-port"
    port = free_port()
    remembered.write_text(f"{port}\n")
    assert choose_port(remembered, 6379) == port
    with socket.create_server(("127.0.0.1", port)):
        assert choose_port(remembered, 6379) != port
