"""The goals that a release must reach, each with the figure that decides it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.results import Results

OURS, NODE, STOCK = "barback", "node", "stock"
IO_MOST = 100 / 0.010
"""Jobs of 10 ms, 100 at a time: more than this a second cannot be."""

Figure = Callable[[Results], float | None]


@dataclass(frozen=True, slots=True)
class Gate:
    """`unit` follows the figure: x is a ratio. `at_least` False: the figure may be at most the goal."""

    name: str
    title: str
    goal: float
    figure: Figure
    unit: str = "x"
    at_least: bool = True

    def passed(self, figure: float) -> bool:
        """Whether it is reached."""
        return figure >= self.goal if self.at_least else figure <= self.goal

    @property
    def wanted(self) -> str:
        """`≥ 1.25x`."""
        return f"{'≥' if self.at_least else '≤'} {self.goal:g}{self.unit}"


def _to(theirs: str, scenario: str, figure: str = "jobs_per_s") -> Figure:
    return lambda results: results.ratio(scenario, figure, OURS, theirs)


def _to_fastest_python(results: Results) -> float | None:
    ours = results.median("c100", OURS, "jobs_per_s")
    others = [
        rate
        for peer in results.peers("c100")
        if peer not in (OURS, NODE, STOCK) and (rate := results.median("c100", peer, "jobs_per_s"))
    ]
    return ours / max(others) if ours and others else None


def _of_possible_io(results: Results) -> float | None:
    ours = results.median("io", OURS, "jobs_per_s")
    return None if ours is None else ours / IO_MOST * 100


def _cpu_to_node(results: Results) -> float | None:
    ours, theirs = (_cpu(results, peer) for peer in (OURS, NODE))
    return ours / theirs if ours is not None and theirs else None


def _cpu(results: Results, peer: str) -> float | None:
    parts = [results.median("c100", peer, figure) for figure in ("worker_cpu_us", "redis_cpu_us")]
    return None if None in parts else sum(part for part in parts if part is not None)


GATES = (
    Gate("c100", "100 at a time, to Node", 1.25, _to(NODE, "c100")),
    Gate("c100_stock", "100 at a time, to stock Python bullmq", 10, _to(STOCK, "c100")),
    Gate("c100_python", "100 at a time, to the fastest other Python peer", 4, _to_fastest_python),
    Gate("aof", "100 at a time with append-only file, to Node", 1.25, _to(NODE, "aof")),
    Gate("c1", "one at a time, to Node", 1.1, _to(NODE, "c1")),
    Gate("c10", "10 at a time, to Node", 1.25, _to(NODE, "c10")),
    Gate("two", "two processes, to Node with two", 2, _to(NODE, "two")),
    Gate("io", "10 ms of I/O, 100 at a time, to Node", 1.2, _to(NODE, "io")),
    Gate("io_possible", "10 ms of I/O, 100 at a time, of the 10,000 a second that can be", 75, _of_possible_io, " %"),
    Gate("bulk", "added in bulk, to Node's addBulk", 1.3, _to(NODE, "bulk")),
    Gate("one_by_one", "added one by one, to Node", 1.0, _to(NODE, "one-by-one")),
    Gate("p50", "pickup latency p50, to Node", 0.8, _to(NODE, "latency", "p50_ms"), at_least=False),
    Gate("p99", "pickup latency p99, to Node", 0.8, _to(NODE, "latency", "p99_ms"), at_least=False),
    Gate("cpu", "CPU a job, worker and Redis, to Node", 0.75, _cpu_to_node, at_least=False),
    Gate("redis_cpu", "CPU of Redis a job, to Node", 0.5, _to(NODE, "c100", "redis_cpu_us"), at_least=False),
    Gate("memory", "memory after 200,000 jobs, to Node", 0.6, _to(NODE, "memory", "peak_mb"), at_least=False),
    Gate(
        "memory_mb",
        "memory after 200,000 jobs",
        60,
        lambda results: results.median("memory", OURS, "peak_mb"),
        " MB",
        at_least=False,
    ),
    Gate(
        "memory_flat",
        "memory after 200,000 jobs, to that after 50,000",
        1.05,
        lambda results: results.ratio_of("memory", OURS, "end_mb", "quarter_mb"),
        at_least=False,
    ),
)


def ratios(results: Results) -> dict[str, float]:
    """Every figure that could be measured, by the gate's name."""
    return {gate.name: round(figure, 2) for gate in GATES if (figure := gate.figure(results)) is not None}
