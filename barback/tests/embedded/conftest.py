"""Processes that own a server and are then killed, and what of it is left."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

DEADLINE_S = 20.0

OWNER = """
import sys
from pathlib import Path
from barback.embedded import EmbeddedPostgres, EmbeddedValkey
with {kind}(Path({folder!r})) as server:
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="package", autouse=True)
def temporary_folder() -> Iterator[None]:
    """A system's temporary folder of our own, in which other users may go: pytest's is private."""
    folder = Path(tempfile.mkdtemp(prefix="bb-"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield
    shutil.rmtree(folder)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true; fail after a deadline."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"not true within {DEADLINE_S:g} s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def start_owner() -> Iterator[Callable[[str, Path], subprocess.Popen[str]]]:
    """Start a process that owns an embedded server (`EmbeddedValkey` or `EmbeddedPostgres`) over a folder."""
    owners: list[subprocess.Popen[str]] = []

    def start(kind: str, folder: Path) -> subprocess.Popen[str]:
        program = OWNER.format(kind=kind, folder=str(folder))
        owner = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        owners.append(owner)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        return owner

    yield start
    for owner in owners:
        with owner:
            owner.kill()


@pytest.fixture
def server_pid() -> Callable[[Path], int]:
    """The pid of the server over a folder."""
    return lambda folder: int((folder / "server.lock").read_text())


@pytest.fixture
def nothing_left() -> Callable[[Path], bool]:
    """Whether neither a server nor its guard is alive over a folder: both hold its lock."""

    def look(folder: Path) -> bool:
        with (folder / "server.lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    return look


@pytest.fixture
def kill_guard() -> Callable[[int], None]:
    """Kill the guard of a server, the leader of its session, so that the server is left behind."""
    return lambda pid: os.kill(os.getsid(pid), signal.SIGKILL)
