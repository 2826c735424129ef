"""Measures how barback's cost grows, and writes docs/growth.md with its chart."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bench.chart import Curve, draw_curves
from bench.environments import OURS, make_environment
from bench.failures import PeerFailed
from bench.growth import GROWTHS, NOISE, Figures, Growth, Points, Step, worst_step
from bench.machine import describe_machine
from bench.measure import Place, measure_working
from bench.report import DOCS, describe_about
from bench.results import Results
from bench.roster import BARBACK
from bench.run import Run
from bench.server import Server
from bench.tables import number, table
from bench.terminal import say

HEAD = """# How cost grows

What a job costs barback when more of them wait, more run at a time, or they are larger. `make bench-grow` measures
and writes it. The worker is `barback work`, handlers do nothing; how it is measured:
[benchmarks.md](benchmarks.md).

{about}

![cost of a job by queue length, concurrency and payload size](growth.svg)

The dashed line is what may be: no more for a job in a longer queue or among more at a time, as much more for a
payload as it is larger. The worst step from one row to the next is given under each table, 1.0 being on that line;
up to {noise:g} is noise.

"""

COLUMNS = (
    ("added_per_s", "added in bulk, jobs/s", 0),
    ("adding_cpu_us", "CPU of adding, with Redis, µs", 0),
    ("jobs_per_s", "worked, jobs/s", 0),
    ("worker_cpu_us", "CPU of the worker, µs", 0),
    ("redis_cpu_us", "CPU of Redis, µs", 0),
    ("redis_commands", "commands in Redis", 1),
    ("end_mb", "memory of the worker, MB", 0),
)


def measure_growth() -> Results:
    """Every step of every growth; `runs[growth][x]` holds its figures."""
    results = Results()
    programs = make_environment(OURS)
    with ExitStack() as stack:
        server = stack.enter_context(Server(aof=False))
        tallies = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        results.about = describe_machine(server)
        place = Place(BARBACK, programs, server)
        for growth in GROWTHS:
            say(growth.title)
            for step in growth.steps:
                try:
                    figures = _measure(place, step, tallies)
                except PeerFailed as failure:
                    results.failures.append(f"{growth.name} {step.x:,}: {failure}")
                    say(f"  FAILED {results.failures[-1]}")
                else:
                    results.add(growth.name, str(step.x), figures)
                    say(f"  {step.x:>9,}  " + _describe(figures))
    return results


def _measure(place: Place, step: Step, tallies: str) -> Figures:
    run = Run(
        mode="work",
        redis_url=place.server.url,
        tallies=tallies,
        jobs=step.jobs,
        concurrency=step.concurrency,
        payload_bytes=step.payload_bytes,
    )
    return measure_working(place, run, step.longest_s)


def _describe(figures: Figures) -> str:
    return ", ".join(f"{title} {number(figures[key], digits)}" for key, title, digits in COLUMNS)


def write_growth(results: Results) -> None:
    """Page and chart."""
    (DOCS / "growth.md").write_text(render_growth(results), "utf-8")
    (DOCS / "growth.svg").write_text(draw_curves([_curve(results, growth) for growth in GROWTHS]), "utf-8")


def render_growth(results: Results) -> str:
    """The page."""
    parts = [HEAD.format(about=describe_about(results), noise=NOISE)]
    for growth in GROWTHS:
        rows = _rows(results.runs, growth)
        parts.append(f"## {growth.title}\n\n")
        cells = [[f"{x:,}", *(number(row.get(key), digits) for key, _, digits in COLUMNS)] for x, row in rows]
        parts.append(table([growth.x, *(title for _, title, _ in COLUMNS)], cells))
        parts.append(f"\n{_verdict(rows, growth)}\n\n")
    return "".join(parts).rstrip() + "\n"


def _rows(runs: Mapping[str, Mapping[str, list[Figures]]], growth: Growth) -> list[tuple[int, Figures]]:
    return [(int(x), figures[0]) for x, figures in runs.get(growth.name, {}).items()]


def _verdict(rows: Sequence[tuple[int, Figures]], growth: Growth) -> str:
    parts = [f"{what} {worst_step(points, growth.power):.2f}" for what, points in _judged(rows, growth)]
    return f"Worst step: {', '.join(parts)}."


def _judged(rows: Sequence[tuple[int, Figures]], growth: Growth) -> list[tuple[str, Points]]:
    adding = [("adding", _points(rows, "adding_cpu_us"))] if growth.adding else []
    return [*adding, ("working", _cpu_points(rows))]


def _points(rows: Sequence[tuple[int, Figures]], key: str) -> Points:
    return [(x, figures[key]) for x, figures in rows]


def _cpu_points(rows: Sequence[tuple[int, Figures]]) -> Points:
    return [(x, figures["worker_cpu_us"] + figures["redis_cpu_us"]) for x, figures in rows]


def _curve(results: Results, growth: Growth) -> Curve:
    points = _cpu_points(_rows(results.runs, growth))
    return Curve(growth.title, growth.x, "CPU a job, worker and Redis, µs", points, growth.power)


def failures(results: Results) -> list[str]:
    """What could not be measured, and what grows faster than it may."""
    lines = list(results.failures)
    for growth in GROWTHS:
        rows = _rows(results.runs, growth)
        for what, points in _judged(rows, growth):
            worst = worst_step(points, growth.power)
            if worst > NOISE:
                lines.append(f"{growth.title}: {what} grows faster than linear, {worst:.2f} times in one step.")
    return lines
