"""What is measured. Each run is on an empty server; the peers take turns, so a slow minute hits all."""

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["work", "latency", "one-by-one", "bulk"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`jobs`: as many as are enqueued (a peer may be given fewer).

    `rounds` and `longest_s` are those of barback and Node, which are compared with each other; `others` and `others_s`
    those of the rest (0 rounds: they take no part). A run ends after so many seconds of working; what was done counts.
    """

    name: str
    title: str
    kind: Kind
    jobs: int
    concurrency: int = 100
    io_ms: int = 0
    processes: int = 1
    aof: bool = False
    rounds: int = 5
    others: int = 3
    longest_s: float = 3.0
    others_s: float = 2.0


C1 = Scenario("c1", "one at a time", "work", 6_000, concurrency=1)
C10 = Scenario("c10", "10 at a time", "work", 12_000, concurrency=10)
C100 = Scenario("c100", "100 at a time", "work", 25_000)
IO = Scenario("io", "10 ms of I/O each, 100 at a time", "work", 25_000, io_ms=10)
TWO = Scenario("two", "two processes, 100 at a time each", "work", 30_000, processes=2)
AOF = Scenario("aof", "100 at a time, append-only file", "work", 25_000, aof=True)
BULK = Scenario("bulk", "added in bulk", "bulk", 20_000)
ONE_BY_ONE = Scenario("one-by-one", "added one by one, each awaited", "one-by-one", 3_000)
LATENCY = Scenario("latency", "pickup on an idle worker", "latency", 300, concurrency=10, rounds=3, others=1)
MEMORY = Scenario("memory", "200,000 jobs, for memory", "work", 200_000, rounds=1, others=0, longest_s=300.0)

FULL = (C1, C10, C100, IO, TWO, AOF, BULK, ONE_BY_ONE, LATENCY, MEMORY)


def _quick(scenario: Scenario, jobs: int, *, rounds: int = 3, others: int = 0) -> Scenario:
    return replace(scenario, jobs=jobs, rounds=rounds, others=others, longest_s=1.5)


QUICK = (
    _quick(C1, 2_000),
    _quick(C10, 5_000),
    _quick(C100, 20_000, others=1),
    _quick(IO, 8_000),
    _quick(TWO, 15_000, rounds=2),
    _quick(BULK, 10_000),
    _quick(ONE_BY_ONE, 1_500),
    _quick(LATENCY, 100, rounds=1),
)
