"""What the compose file starts works the sample, as processes (P43, P44)."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from barback.cli.dashboard import PORT

from .. import rows
from ..databases import new_database
from ..rows import read
from ..supabase_side import SECRET_KEY as KEY
from ..supabase_side import USAGE, SupabaseSide
from .compose import Service, read_compose, start
from .running import DEADLINE_S, ENV, Running, free_port, get, is_well, until

HALF_OF_ITS_MEMORY = 256
"""MB, of `mem_limit`: 512m."""


@pytest.fixture
def project(supabase: SupabaseSide) -> Iterator[str]:
    """The database of a new Supabase project."""
    with new_database(supabase.postgres_url) as url:
        rows.run(url, USAGE)
        yield url


@pytest.fixture
def deployed(
    server: Running, supabase: SupabaseSide, project: str, tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a service's command, or another one in its place, in its environment."""
    api = {"NEXT_PUBLIC_SUPABASE_URL": supabase.project_of(project).url, "SUPABASE_SERVICE_ROLE_KEY": KEY}
    given = read_compose({**ENV, "DATABASE_URL": project, **api})
    hosts = {"@redis:6379": f"@127.0.0.1:{server.port}"}
    started: list[subprocess.Popen[str]] = []

    def run(name: str, *more: str, command: list[str] | None = None, **changed: str) -> "subprocess.Popen[str]":
        settings = {**given[name].settings, **({"command": command} if command else {})}
        started.append(start(Service(name, settings), tmp_path, *more, replaced=hosts, **changed))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()
    server.clear()


@pytest.mark.slow
def test_the_worker_works_the_sample_and_the_dashboard_never_holds_the_service_key(
    deployed: Callable[..., "subprocess.Popen[str]"], project: str, tmp_path: Path
) -> None:
    """Under the shipped ACL, in the environment of the compose file, on a Supabase project."""
    health, port = free_port(), free_port()
    log = tmp_path / "worker.log"
    assert deployed("migrate").wait(DEADLINE_S) == 0
    worker = deployed("worker", BARBACK_HEALTH_PORT=str(health))
    dashboard = deployed("dashboard", f"--port={port}")
    until(lambda: get(health, "/ready") == 200, log.read_text)

    # As `docker compose exec worker …`.
    for command in (["cafes", "sample", "--rows=120", "--out", "sample.csv"], ["cafes", "import", "sample.csv"]):
        assert deployed("worker", command=command).wait(DEADLINE_S) == 0, log.read_text()
    until(lambda: read(project, "select count(*) as n from cafes where status = 'PENDING'")[0]["n"] == 0)
    assert read(project, "select count(*) as n from cafes where status = 'PUBLISHED'")[0]["n"] > 60
    assert deployed("worker", command=["barback", "jobs"]).wait(DEADLINE_S) == 0
    doctor = deployed("worker", command=["barback", "doctor"])
    told, _ = doctor.communicate(timeout=DEADLINE_S)
    assert "rights" not in told
    assert "connection" not in told

    until(lambda: get(port, "/dashboard/queues/sign-in") == 200, (tmp_path / "dashboard.log").read_text)
    assert KEY in Path(f"/proc/{worker.pid}/environ").read_text()
    assert KEY not in Path(f"/proc/{dashboard.pid}/environ").read_text()
    assert project not in Path(f"/proc/{dashboard.pid}/environ").read_text()

    assert is_well("worker", 8080, health)
    assert is_well("dashboard", PORT, port)
    assert peak_mb(worker) < HALF_OF_ITS_MEMORY
    assert peak_mb(dashboard) < HALF_OF_ITS_MEMORY

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(DEADLINE_S) == 0
    dashboard.send_signal(signal.SIGTERM)
    assert dashboard.wait(DEADLINE_S) == 0
    for name in ("worker", "dashboard"):
        said = (tmp_path / f"{name}.log").read_text()
        assert "NOPERM" not in said
        assert "outcome refused" not in said
        assert not any(secret in said for secret in (KEY, *ENV.values()))


def peak_mb(process: "subprocess.Popen[str]") -> int:
    """The most memory that it has held so far."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024
