"""`/live`, `/ready`, `/metrics`: what a worker answers about itself, whatever it does (P42)."""

import asyncio
import http.client
import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from drills.servers import Valkey, free_port

from .test_logged_jobs import add

Call = Callable[..., Any]
Start = Callable[..., Any]
Until = Callable[[Callable[[], bool]], None]

SLOWLY = """
import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

@asynccontextmanager
async def slowly():
    while not Path(os.environ["BEGIN"]).exists():
        await asyncio.sleep(0.01)
    yield None
"""
"""Services that open once a file is there."""


def get(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    """Status and body; 0: nobody listens."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def two_free_ports() -> int:
    """The first of two that follow each other."""
    while True:
        port = free_port()
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue


def metric(text: str, line: str) -> float:
    """The value of one line, 0 if it is not there."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def quick(environment: Mapping[str, str]) -> dict[str, str]:
    """A lock so short that a loop that stands still is seen soon."""
    return {**environment, "BARBACK_LOCK_S": "1"}


@pytest.fixture
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


def test_metrics_count_by_queue_name_and_outcome_and_names_that_nobody_declared_are_one(
    start: Start, call: Call, environment: Mapping[str, str], queue_name: str, port: int, until: Until
) -> None:
    worker = start("work", f"--health-port={port}", environment=environment)
    worker.wait_for("worker started")
    for payload in ('{"name": "Ada"}', '{"name": "Eve"}', '{"name": "nobody"}'):
        call("enqueue", "greet", payload, environment=environment)
    asyncio.run(add(environment["REDIS_URL"], queue_name, "x1", "x2\n# forged"))
    completed = f'barback_jobs_total{{name="greet",outcome="completed",queue="{queue_name}"}}'
    other = f'barback_jobs_total{{name="other",outcome="failed",queue="{queue_name}"}}'
    until(lambda: metric(get(port, "/metrics")[1], other) == 2)
    status, text = get(port, "/metrics")
    assert status == 200
    assert metric(text, completed) == 2
    assert metric(text, completed.replace("completed", "failed")) == 1
    assert metric(text, f'barback_job_run_seconds_count{{queue="{queue_name}"}}') == 5
    assert metric(text, f'barback_job_wait_seconds_bucket{{le="+Inf",queue="{queue_name}"}}') == 5
    assert metric(text, f'barback_job_wait_seconds_sum{{queue="{queue_name}"}}') < 5 * 20
    assert metric(text, "barback_ready") == metric(text, "barback_redis_up") == 1
    for measured in ("barback_event_loop_lag_seconds_count", "barback_redis_latency_seconds_count"):
        until(lambda measured=measured: metric(get(port, "/metrics")[1], measured) > 0)
    assert "barback_schedule_lateness_seconds_count 0" in text
    assert metric(text, f'barback_concurrency{{queue="{queue_name}"}}') == 20
    assert metric(text, "process_resident_memory_bytes") > 10_000_000
    assert "forged" not in text
    assert get(port, "/live") == (200, "live\n")
    assert get(port, "/ready") == (200, "ready\n")
    assert get(port, "/ready", "HEAD") == (200, "")
    assert [get(port, "/metrics", "POST")[0], get(port, "/etc/passwd")[0]] == [405, 404]
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"GET /me")
        assert get(port, "/live")[0] == 200, "one that asks and says nothing keeps others waiting"


def test_before_it_has_begun_to_work_it_is_live_and_not_ready(
    start: Start, project: Path, environment: Mapping[str, str], port: int, until: Until, tmp_path: Path
) -> None:
    app, begin = project / "src" / "shop" / "app.py", tmp_path / "begin"
    app.write_text(SLOWLY + app.read_text().replace("services=no_services", "services=slowly"))
    worker = start("work", f"--health-port={port}", environment={**environment, "BEGIN": str(begin)})
    until(lambda: get(port, "/live") == (200, "live\n"))
    assert get(port, "/ready") == (503, "not ready: it has not begun to work\n")
    begin.touch()
    worker.wait_for("worker started")
    until(lambda: get(port, "/ready") == (200, "ready\n"))


def test_it_answers_at_the_address_that_it_is_told_and_at_no_other(
    start: Start, environment: Mapping[str, str], port: int
) -> None:
    worker = start("work", f"--health-port={port}", environment={**environment, "BARBACK_HEALTH_HOST": "127.0.0.2"})
    worker.wait_for("worker started")
    assert get(port, "/ready", host="127.0.0.2") == (200, "ready\n")
    assert get(port, "/ready") == (0, "")


def test_one_that_drains_is_live_and_not_ready(
    start: Start, call: Call, environment: Mapping[str, str], port: int, until: Until
) -> None:
    worker = start("work", environment={**environment, "BARBACK_HEALTH_PORT": str(port)})
    worker.wait_for("worker started")
    call("enqueue", "wait", '{"seconds": 30}', environment=environment)
    running = 'barback_jobs_running{queue="'
    until(lambda: f'{running}{environment["SHOP_QUEUE"]}"}} 1.0' in get(port, "/metrics")[1])
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: get(port, "/ready")[0] == 503)
    assert get(port, "/ready") == (503, "not ready: it drains\n")
    assert get(port, "/live") == (200, "live\n")
    assert worker.stop(signal.SIGTERM) == 0
    assert get(port, "/live")[0] == 0


def test_while_redis_is_away_it_is_live_and_not_ready(
    start: Start, own_valkey: Valkey, port: int, until: Until
) -> None:
    worker = start("work", f"--health-port={port}", environment={"REDIS_URL": own_valkey.url})
    worker.wait_for("worker started")
    own_valkey.stop()
    until(lambda: get(port, "/ready") == (503, "not ready: Redis does not answer\n"))
    assert get(port, "/live") == (200, "live\n")
    own_valkey.start()
    until(lambda: get(port, "/ready") == (200, "ready\n"))


def test_while_the_loop_stands_still_it_answers_all_the_same_that_it_is_not_live(
    start: Start, call: Call, project: Path, quick: Mapping[str, str], port: int, until: Until
) -> None:
    jobs = project / "src" / "shop" / "jobs" / "greet.py"
    jobs.write_text(
        jobs.read_text().replace("    await asyncio.sleep(payload.seconds)", "    time.sleep(payload.seconds)")
    )
    worker = start("work", f"--health-port={port}", environment=quick)
    worker.wait_for("worker started")
    call("enqueue", "wait", '{"seconds": 2.5}', environment=quick)
    until(lambda: get(port, "/live")[0] == 503)
    assert re.fullmatch(r"not live: the event loop has stood still for [12]\.\d s\n", get(port, "/live")[1])
    assert get(port, "/ready")[0] == 503
    until(lambda: get(port, "/live")[0] == get(port, "/ready")[0] == 200)


@pytest.mark.slow
def test_of_several_processes_each_answers_at_a_port_of_its_own(
    start: Start, environment: Mapping[str, str], until: Until
) -> None:
    port = two_free_ports()
    worker = start("work", "--processes=2", f"--health-port={port}", environment=environment)
    for _ in range(2):
        worker.wait_for("worker started")
    until(lambda: get(port, "/ready")[0] == get(port + 1, "/ready")[0] == 200)
    names = [re.findall(r'worker="([^"]+)"', get(p, "/metrics")[1]) for p in (port, port + 1)]
    assert len({name for found in names for name in found}) == 2
    assert worker.stop(signal.SIGTERM) == 0


def test_a_port_that_is_taken_is_named_and_nothing_begins(start: Start, environment: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start("work", f"--health-port={port}", environment=environment)
        worker.wait_for(f"Port {port} of 127.0.0.1 cannot be used")
        assert worker.process.wait(20) == 2
