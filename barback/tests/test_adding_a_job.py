"""docs/adding-a-job.md, done: each block in its order, in an empty folder."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-job.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
SECOND_TERMINAL = "# second terminal\n"
TEN_MINUTES_S = 600.0


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = ""
        """What the first terminal showed."""
        self._terminal = folder / "terminal"
        self._beside: list[subprocess.Popen[bytes]] = []

    def do(self, language: str, block: str) -> None:
        """One block: a file, whose first line names it, or commands."""
        if language != "sh":
            name, _, text = block.partition("\n")
            (self.folder / name.split()[-1]).write_text(text)
        elif block.startswith(SECOND_TERMINAL):
            self._start(block.removeprefix(SECOND_TERMINAL))
        else:
            self._run(block)

    def go(self) -> None:
        """What was started in the second terminal is stopped."""
        for process in self._beside:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0

    def _run(self, block: str) -> None:
        done = subprocess.run(
            # `cd` holds for what comes next, as it does in a terminal.
            ["bash", "-euc", f"{block}\npwd > {self._terminal}"],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TEN_MINUTES_S,
            check=False,
        )
        self.said += done.stdout
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        self.folder = Path(self._terminal.read_text().strip())

    def _start(self, command: str) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            # Tests that run in the background ignore Ctrl-C, and their children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        self._beside.append(process)
        deadline = time.monotonic() + 120.0
        while not (self.folder / ".barback" / "dev.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _environment() -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS", "BARBACK"))}
    return {**own, "PATH": f"{Path(sys.executable).parent}:{own['PATH']}"}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    one = Reader(tmp_path)
    yield one
    one.go()


@pytest.mark.slow
def test_who_does_what_the_page_says_has_a_job_that_typescript_enqueues(reader: Reader) -> None:
    """P28, P30. In less than ten minutes, reading not counted."""
    begun = time.monotonic()
    for language, block in BLOCKS:
        reader.do(language, block)
    took_s = time.monotonic() - begun
    assert "receipt-7" in reader.said, "by `barback enqueue`"
    assert "receipt-8" in reader.said, "by TypeScript"
    assert "close-the-books" in reader.said.rpartition("passed")[2], "among the schedules"
    print(f"{len(BLOCKS)} blocks in {took_s:.0f} s")
    assert took_s < TEN_MINUTES_S
