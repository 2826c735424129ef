"""A small project of somebody else's, and `barback` run in it: in this process, or as a real one."""

import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import structlog

from barback.cli import main
from drills.servers import Valkey

from .installation import Installation

DEADLINE_S = 20.0

APP = """
from barback import App, Development, Schedule, no_services
from shop import jobs
from shop.jobs.greet import Greet, greet

app = App(
    jobs=jobs,
    services=no_services,
    name="shop",
    schedules=(Schedule("nightly", greet, "0 3 * * *", "Europe/Berlin", Greet(name="cron")),),
    development=Development(),
)
"""

JOBS = """
import asyncio
import os
import time
from barback import Context, NoPayload, Payload, job

QUEUE = os.environ.get("SHOP_QUEUE", "greetings")

class Greet(Payload, frozen=True):
    name: str
    how_often: int = 1

class Wait(Payload, frozen=True):
    seconds: float

@job("greet", queue=QUEUE)
async def greet(payload: Greet, ctx: Context[None]) -> str:
    await ctx.log("greeting")
    if payload.name == "nobody":
        raise ValueError("nobody is there \\x1b[31m")
    return f"Hello, {payload.name}"

@job("wait", queue=QUEUE)
async def wait(payload: Wait, ctx: Context[None]) -> int:
    await asyncio.sleep(payload.seconds)
    return os.getpid()

@job("stay", queue=QUEUE)
async def stay(payload: NoPayload, ctx: Context[None]) -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

@job("block", queue=QUEUE)
def block(payload: Wait, ctx: Context[None]) -> int:
    time.sleep(payload.seconds)
    return os.getpid()
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command ended with."""

    code: int
    out: str
    err: str


class Running:
    """A `barback` that runs; its output by lines, as it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, text: str) -> str:
        """The next line that holds `text`."""
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._new.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {text!r} within {DEADLINE_S:g} s, only:\n{self.output}")
            if line is None:
                pytest.fail(f"ended without a line with {text!r}:\n{self.output}")
            if text in line:
                return line

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._new.put(line)
        self._new.put(None)


@pytest.fixture(scope="package", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A system's temporary folder of our own, in which other users may go: pytest's is private."""
    tmp_path_factory.getbasetemp()  # made when it is first asked for, and not to be within ours
    folder = Path(tempfile.mkdtemp(prefix="bb-"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield
    shutil.rmtree(folder)


Call = Callable[..., Result]
Start = Callable[..., Running]


def write_project(folder: Path) -> Path:
    """A project with an app `shop.app:app`: jobs `greet`, `wait` and `block` in one queue."""
    package = folder / "src" / "shop"
    (package / "jobs").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[tool.barback]\napp = "shop.app:app"\n')
    (package / "__init__.py").touch()
    (package / "app.py").write_text(APP)
    (package / "jobs" / "__init__.py").touch()
    (package / "jobs" / "greet.py").write_text(JOBS)
    return folder


def environment_of(given: Mapping[str, str]) -> dict[str, str]:
    """Our own without any setting of an app, and what is given."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS", "BARBACK", "NODE_ENV"))}
    return {**own, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **given}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.fixture
def environment(valkey_url: str, queue_name: str) -> dict[str, str]:
    """What leads the project to a real Valkey and a queue of its own."""
    return {"REDIS_URL": valkey_url, "SHOP_QUEUE": queue_name}


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run `barback` in this process, in the project: fast, for what needs no process of its own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(project)
    before = set(sys.modules)
    handlers, level = list(logging.root.handlers), logging.root.level

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in environment_of(environment or {}).items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments), prog_name="barback")
        assert isinstance(ended.value.code, int)
        said = capsys.readouterr()
        return Result(ended.value.code, said.out, said.err)

    yield run
    # A command configures logging for its process, and to the stderr of this test.
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("shop", "other"):
            del sys.modules[name]


@pytest.fixture
def start(project: Path) -> Iterator[Start]:
    """Start a `barback` process in the project; stdout and stderr in one. `own_group`: it can be signalled as one."""
    started: list[Running] = []

    def run(*arguments: str, environment: Mapping[str, str] | None = None, own_group: bool = False) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "barback.cli", *arguments],
            cwd=project,
            env=environment_of(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=own_group,
            # Tests that run in the background ignore Ctrl-C, and their children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        started.append(Running(process))
        return started[-1]

    yield run
    for running in started:
        with running.process as process:
            process.kill()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true; fail after a deadline."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"not true within {DEADLINE_S:g} s"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"), fsync="everysec")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def shop(valkey: Valkey, call: Call, project: Path) -> Iterator[Installation]:
    """Sound, and alone on its server; what a set-up changed of the server is put back."""
    changed = (
        "maxmemory-policy",
        "maxmemory",
        "maxclients",
        "replica-serve-stale-data",
        "appendonly",
        "save",
        "requirepass",
    )
    with closing(cast("Any", redis.Redis).from_url(valkey.url, db=1)) as server:
        before = {name: value for asked in changed for name, value in server.config_get(asked).items()}
        yield Installation(valkey.url, "greetings", server, project, call)
        for name, value in before.items():
            server.config_set(name, value)
        server.slaveof()
        server.flushall()
