"""examples/nextjs, installed and built from its lock file, beside the dashboard and a worker, each a process."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from barback.embedded import EmbeddedValkey
from barback.embedded.valkey import free_port

ROOT = Path(__file__).parents[3]
EXAMPLE = Path("examples/nextjs")
BULLMQ_5 = "5.81.5"
READY_WITHIN_S = 180.0
SEEN_WITHIN_S = 90.0
STOP_WITHIN_S = 20.0

Version = Literal[5, 6]


@dataclass(frozen=True, slots=True)
class Built:
    """The app, built. `dashboard_port`: where its rewrite leads."""

    folder: Path
    dashboard_port: int


@pytest.fixture(scope="session", params=[6, 5], ids=["bullmq6", "bullmq5"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """A copy, as a clone has it: `npm ci && npm run build`; over BullMQ 5 with that package instead of 6."""
    copied = tmp_path_factory.mktemp("nextjs")
    for path in (Path("clients/typescript"), EXAMPLE):
        shutil.copytree(ROOT / path, copied / path, ignore=shutil.ignore_patterns("node_modules", ".next"))
    folder, port = copied / EXAMPLE, free_port()
    _npm(folder, "ci")
    if request.param == 5:
        _npm(folder, "install", "--save-exact", "--prefer-offline", f"bullmq@{BULLMQ_5}")
    _npm(folder, "run", "build", environment={"DASHBOARD_URL": f"http://127.0.0.1:{port}"})
    yield Built(folder, port)
    shutil.rmtree(copied)


def _npm(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all processes of one test share."""

    environment: Mapping[str, str]
    log: Path

    @contextlib.contextmanager
    def running(
        self,
        *command: str,
        folder: Path = ROOT,
        ready: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Generator[None]:
        """A process, from when it answers at `ready` to the end of the block; that it ended well."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, **self.environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            if ready is not None:
                self._wait(process, ready)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                pytest.fail(f"{command} does not end:\n{self.log.read_text()}")

    def _wait(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not _answers(url):
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                pytest.fail(f"{url} does not answer:\n{self.log.read_text()}")
            time.sleep(0.05)

    def worker(self) -> contextlib.AbstractContextManager[None]:
        """`barback work`, of cafes."""
        return self.running(sys.executable, "-m", "barback.cli", "--app", "cafes.app:app", "work")

    def dashboard(self, port: int, **environment: str) -> contextlib.AbstractContextManager[None]:
        """`barback dashboard`."""
        command = (sys.executable, "-m", "barback.cli", "dashboard", f"--port={port}")
        return self.running(*command, ready=f"http://127.0.0.1:{port}/", environment=environment)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5.0):
            return True
    except URLError as error:
        # A page that says no is an answer.
        return hasattr(error, "code")
    except OSError:
        return False


@pytest.fixture
def surroundings(database: str, tmp_path: Path) -> Iterator[Surroundings]:
    """A Valkey of the test's own: the dashboard shows all queues that it finds."""
    with EmbeddedValkey(port=0) as server:
        assert server.tcp_url
        yield Surroundings({"REDIS_URL": server.tcp_url, "DATABASE_URL": database}, tmp_path / "log")


@pytest.fixture
def site(built: Built, surroundings: Surroundings) -> Iterator[str]:
    """The address of `next start`."""
    with serving(built, surroundings) as url:
        yield url


@contextlib.contextmanager
def serving(built: Built, surroundings: Surroundings) -> Generator[str]:
    """`next start`, at this address."""
    port = free_port()
    # Not through npm, which does not pass a signal on.
    command = ("node", "node_modules/next/dist/bin/next", "start", "--hostname=127.0.0.1", f"--port={port}")
    url = f"http://127.0.0.1:{port}"
    with surroundings.running(*command, folder=built.folder, ready=url, environment={"NEXT_TELEMETRY_DISABLED": "1"}):
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on PATH (Debian: apt-get install chromium): no page was looked at")
    # Processes start meanwhile.
    expect.set_options(timeout=SEEN_WITHIN_S * 1000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program)
        yield launched
        launched.close()


StartDashboard = Callable[..., None]


@pytest.fixture
def start_dashboard(built: Built, surroundings: Surroundings) -> Iterator[StartDashboard]:
    """Start it where the app's rewrite leads, with these variables."""
    with contextlib.ExitStack() as closing:

        def start(**environment: str) -> None:
            closing.enter_context(surroundings.dashboard(built.dashboard_port, **environment))

        yield start


@pytest.fixture
def page(browser: Browser, start_dashboard: StartDashboard) -> Iterator[Page]:
    """A tab, whose console must say nothing in the end. It is closed before the dashboard that it may look at."""
    faults: list[str] = []
    opened = browser.new_context().new_page()
    opened.set_default_timeout(SEEN_WITHIN_S * 1000)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    yield opened
    opened.context.close()
    assert not faults
