"""What is read from outside: the tallies of the peers' programs, and processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.environments import PEERS
from bench.failures import PeerFailed
from bench.roster import ALL
from bench.run import Run
from bench.tally import Tally, read_tallies
from bench.tree import GONE_WITHIN_S, cpu_of, find_tree, kill, peak_memory_mb

PYTHON = """
import time
from tally import tally
sent = time.monotonic_ns()
for _ in range(3):
    tally.started(sent)
    tally.ended()
"""
NODE = """
const { started, ended } = require("./tally.cjs");
const sent = Number(process.hrtime.bigint());
for (let n = 0; n < 3; n++) { started(sent); ended(); }
setTimeout(() => process.exit(0), 100);
"""


@pytest.mark.parametrize("command", [[sys.executable, "-c", PYTHON], ["node", "-e", NODE]], ids=["python", "node"])
def test_a_program_tells_its_jobs_their_times_and_latencies(command: list[str], tmp_path: Path) -> None:
    run = Run(mode="latency", redis_url="", tallies=str(tmp_path), jobs=5)
    began = time.monotonic_ns()
    subprocess.run(command, cwd=PEERS / "every", env=os.environ | {"BENCH_RUN": run.as_json()}, check=True)
    tally = read_tallies(tmp_path)
    assert tally.done == 3
    assert began < tally.first_ns < tally.last_ns < time.monotonic_ns()
    assert len(tally.latencies_s) == 3
    assert all(0 < latency < 1 for latency in tally.latencies_s)
    assert all(0 < used < 10 for used in tally.cpu_before_s.values())


def test_no_tally_is_no_job(tmp_path: Path) -> None:
    (tmp_path / "7.tally").touch()
    assert read_tallies(tmp_path) == Tally()


def test_a_tree_holds_what_its_root_started_and_ends_whole() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", child]) as root:
        deadline = time.monotonic() + 20
        while len(pids := find_tree([root.pid])) < 2 or cpu_of(pids)[pids[-1]] < 0.05:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert pids[0] == root.pid
        assert 2 < peak_memory_mb(pids) < 500
        began = time.monotonic()
        kill(pids)
        assert time.monotonic() - began < GONE_WITHIN_S, "it waited for what is gone"
        assert root.wait() != 0
    assert find_tree(pids) == []
    assert find_tree([os.getpid()])[0] == os.getpid()


def test_every_peer_has_its_program_and_pins_that_name_its_packages() -> None:
    for peer in ALL:
        assert list(peer.folder.glob("program.*")), peer.name
        pins = [*peer.folder.glob("requirements.txt"), *peer.folder.glob("package-lock.json")]
        assert len(pins) == (peer.name != "barback"), peer.name
        for file in pins:
            assert all(package in file.read_text("utf-8") for package in peer.packages), peer.name


def test_an_environment_that_cannot_be_made_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from bench import environments

    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(environments, "UV", tmp_path / "no-uv")
    with pytest.raises(
        PeerFailed, match=r"^stock: its environment cannot be made: .*no-uv: No such file or directory\.$"
    ):
        environments.make_environment("stock")
