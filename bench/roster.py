"""The peers: how each is started, at its best documented settings, and where those are documented."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.environments import OURS, PEERS
from bench.run import Run

Commands = list[list[str]]


@dataclass(frozen=True, slots=True)
class Peer:
    """`workers`, `adder`: the commands, given the folder of the peer's programs. `most_jobs`: no more are enqueued for
    it, because it is slow; it is measured for some seconds in any case.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    settings: str
    source: str
    acknowledges: str
    workers: Callable[[Path, Run], Commands]
    adder: Callable[[Path], list[str]]
    most_jobs: int = 1_000_000
    adds_in_bulk: bool = True

    @property
    def folder(self) -> Path:
        """Where its program is; programs run there."""
        return PEERS / self.name


def _python_adder(bin_folder: Path) -> list[str]:
    return [str(bin_folder / "python"), "program.py", "add"]


def _same(command: list[str], run: Run) -> Commands:
    return [command] * run.processes


BARBACK = Peer(
    name=OURS,
    title="barback",
    packages=("barback",),
    settings="`barback work --concurrency N --processes P`, all else as it is without being told",
    source="README.md",
    acknowledges="after the job",
    workers=lambda folder, run: [
        [
            str(folder / "barback"),
            *("--app", "program:app", "work"),
            *("--concurrency", str(run.concurrency), "--processes", str(run.processes)),
        ]
    ],
    adder=_python_adder,
)

NODE = Peer(
    name="node",
    title="Node bullmq",
    packages=("bullmq", "ioredis"),
    settings="`new Worker(queue, processor, { connection, concurrency: N })`, one process each; `addBulk` of 1,000",
    source="https://docs.bullmq.io/guide/workers/concurrency",
    acknowledges="after the job",
    workers=lambda _, run: _same(["node", "program.cjs", "work"], run),
    adder=lambda _: ["node", "program.cjs", "add"],
)

STOCK = Peer(
    name="stock",
    title="Python bullmq",
    packages=("bullmq", "redis"),
    settings='`Worker(queue, process, {"connection": url, "concurrency": N})`, one process each',
    source="https://docs.bullmq.io/python/introduction",
    acknowledges="after the job",
    workers=lambda folder, run: _same([str(folder / "python"), "program.py", "work"], run),
    adder=_python_adder,
    most_jobs=5_000,
)

MAIN = (BARBACK, NODE)
QUICK = (*MAIN, STOCK)
ALL = QUICK
