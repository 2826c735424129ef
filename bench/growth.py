"""How cost grows: what is varied, and whether any of it grows faster than it may. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NOISE = 1.5
"""A step may cost this much more than linear: one measurement is no better than that."""

Figures = dict[str, float]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement: `jobs` are added, then worked for `longest_s` at most."""

    x: int
    jobs: int
    concurrency: int = 100
    payload_bytes: int = 150
    longest_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Growth:
    """What grows with what. `power`: how a job's cost may grow: as x to this power (0: not at all).

    `adding` False: adding has nothing to do with it.
    """

    name: str
    title: str
    x: str
    power: int
    steps: tuple[Step, ...]
    adding: bool = True


QUEUED = Growth(
    "queued",
    "More jobs in the queue",
    "jobs queued",
    0,
    tuple(Step(jobs, jobs) for jobs in (1_000, 10_000, 100_000, 1_000_000)),
)
CONCURRENCY = Growth(
    "concurrency",
    "More at a time",
    "at a time",
    0,
    tuple(Step(number, 20_000, concurrency=number) for number in (1, 3, 10, 30, 100, 300, 1_000)),
    adding=False,
)
PAYLOAD = Growth(
    "payload",
    "Larger payloads",
    "bytes of payload",
    1,
    tuple(
        Step(size, jobs, payload_bytes=size)
        for size, jobs in ((150, 20_000), (1_000, 20_000), (10_000, 10_000), (100_000, 2_000), (1_000_000, 200))
    ),
)
GROWTHS = (QUEUED, CONCURRENCY, PAYLOAD)


def worst_step(points: Points, power: int) -> float:
    """Of all steps from one x to the next, how many times the cost grew that it may grow at most; 1.0: just so."""
    worst = 0.0
    for (x, cost), (next_x, next_cost) in pairwise(points):
        worst = max(worst, (next_cost / cost) / (next_x / x) ** power)
    return worst
