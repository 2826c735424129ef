"""docs/benchmarks.md and its chart, written from what was measured and nothing else. Pure but for the two files."""

from collections.abc import Sequence
from pathlib import Path

from bench.chart import Bar, BarGroup, draw_bars
from bench.gates import GATES, NODE, OURS
from bench.results import Results
from bench.roster import Peer
from bench.scenarios import Scenario
from bench.tables import number, table

DOCS = Path(__file__).parent.parent / "docs"

HEAD = """# Benchmarks

barback beside its peers: the same jobs, the same Redis, each peer at its best documented settings. `make bench`
makes the peers' environments (`bench/.envs`), measures all of it and writes this page; `make bench-quick` measures
barback, Node and the stock Python worker in two minutes; `python -m bench --scenario c100 --peer barback --peer
node` one scenario. How cost grows with the number of jobs and their size: `make bench-grow`.

{about}

![barback and its peers, as ratios to Node](benchmarks.svg)

"""

HOW = """
## How it was measured

- **A job** is an object of four typed fields and a number, about 150 bytes of JSON; the handler does nothing, or
  sleeps for 10 ms. Where a peer's documentation shows typed payloads (barback, taskiq) they are checked, else they
  are dictionaries.
- **Jobs first, worker second.** For all but the pickup latency the jobs are added to an empty server by the peer's
  own client, then the worker is started as its documentation says, and is killed when it is done.
- **The clock** runs from the start of the first job to the end of the last, by the handlers' own notes
  (CLOCK_MONOTONIC), so start-up does not count; warming up does, for all. With two processes it runs from when both
  have done a job. A run ends after {longest_s:.0f} s of working ({others_s:.0f} s for all but barback and Node); what
  was done by then counts. Slow peers are given fewer jobs.
- **From outside**: handlers count into a mapped file (Node: into a file, every 20 ms), which costs under a
  microsecond a job; CPU is that of the worker's whole process tree from `/proc` since the first job, memory the sum
  of its peaks (VmHWM; of forked processes the shared pages count more than once), CPU and commands of Redis from
  `INFO`. Commands include those that scripts call.
- **Pickup** is from the call of the enqueue in one process to the start of the handler in another that waits, 300
  jobs, one every 20 to 60 ms.
- **In turn**: in each round all peers run one after the other, so a slow minute of the machine hits all. Figures
  are medians, of 5 rounds for barback and Node (pickup: 3), of 3 for the others (pickup: 1).

## What the figures do not say

- Absolute figures are this machine's: worker, Redis and nothing else share its cores over the loopback interface.
  Compare ratios. With a network between worker and Redis, what waits for answers matters more and CPU less.
- Handlers that do nothing show what the queue costs. If a job takes 100 ms, none of this decides anything.
- Peers promise different things. Celery acknowledges before the job: a killed worker loses what it held; RQ
  calls that failed. Node keeps all finished jobs by default; barback removes those beyond the last 1,000, which
  costs it Redis time here and saves memory later (Node is slower when told to do the same).
- Threads (Celery, dramatiq) and processes (RQ) run plain functions; the others run coroutines.
"""


def write_report(results: Results, peers: Sequence[Peer], scenarios: Sequence[Scenario]) -> None:
    """Both files, anew."""
    (DOCS / "benchmarks.md").write_text(render_report(results, peers, scenarios), "utf-8")
    (DOCS / "benchmarks.svg").write_text(render_chart(results, peers, scenarios), "utf-8")


def render_report(results: Results, peers: Sequence[Peer], scenarios: Sequence[Scenario]) -> str:
    """The page."""
    peers = [peer for peer in peers if peer.name in results.versions]
    usual = next(one for one in scenarios if one.kind == "work")
    return "".join(
        [
            HEAD.format(about=describe_about(results)),
            "## To Node\n\n",
            _gates(results),
            "\n## Jobs a second\n\n",
            _rates(results, peers, scenarios),
            "\n## Pickup on an idle worker\n\n",
            _figures(results, "latency", peers, (("p50_ms", "p50, ms", 2), ("p99_ms", "p99, ms", 2))),
            "\n## What a job costs, 100 at a time\n\n",
            _costs(results, peers),
            "\n## Who took part\n\n",
            _settings(results, peers),
            HOW.format(longest_s=usual.longest_s, others_s=usual.others_s),
            _failures(results),
        ]
    )


def render_chart(results: Results, peers: Sequence[Peer], scenarios: Sequence[Scenario]) -> str:
    """Jobs a second as ratios to Node: of all peers at 100 at a time, and of barback in each scenario."""
    everyone = [
        Bar(peer.title, ratio, ours=peer.name == OURS)
        for peer in peers
        if (ratio := results.ratio("c100", "jobs_per_s", peer.name, NODE)) is not None
    ]
    ours = [
        Bar(scenario.title, ratio, ours=True)
        for scenario in scenarios
        if scenario.others and (ratio := results.ratio(scenario.name, "jobs_per_s", OURS, NODE)) is not None
    ]
    pickup = results.ratio("latency", "p50_ms", NODE, OURS)
    if pickup is not None:
        ours.append(Bar("pickup on an idle worker, p50", pickup, ours=True))
    groups = [
        BarGroup("Jobs a second, 100 at a time", sorted(everyone, key=lambda bar: -bar.value)),
        BarGroup("barback: as many times as fast as Node", ours),
    ]
    return draw_bars([group for group in groups if group.bars], "Node = 1")


def describe_about(results: Results) -> str:
    """One line: when, and on what."""
    about = ", ".join(f"{name} {value}" for name, value in results.about.items() if name not in ("day", "cores"))
    return f"Run on {results.about.get('day', '?')}: {results.about.get('cores', '?')} cores, {about}."


def _gates(results: Results) -> str:
    rows: list[list[str]] = []
    for gate in GATES:
        figure = gate.figure(results)
        verdict = "-" if figure is None else "yes" if gate.passed(figure) else "**no**"
        rows.append([gate.title, gate.wanted, number(figure, 2) + ("" if figure is None else gate.unit), verdict])
    return table(["", "Goal", "Measured", "Reached"], rows)


def _rates(results: Results, peers: Sequence[Peer], scenarios: Sequence[Scenario]) -> str:
    shown = [one for one in scenarios if one.kind != "latency" and one.others]
    rows = [
        [peer.title, *(number(results.median(one.name, peer.name, "jobs_per_s")) for one in shown)] for peer in peers
    ]
    return table(["", *(one.title for one in shown)], rows)


def _figures(results: Results, scenario: str, peers: Sequence[Peer], figures: Sequence[tuple[str, str, int]]) -> str:
    rows = [
        [peer.title, *(number(results.median(scenario, peer.name, key), digits) for key, _, digits in figures)]
        for peer in peers
    ]
    return table(["", *(title for _, title, _ in figures)], rows)


def _costs(results: Results, peers: Sequence[Peer]) -> str:
    return _figures(
        results,
        "c100",
        peers,
        (
            ("worker_cpu_us", "CPU of the worker, µs", 0),
            ("redis_cpu_us", "CPU of Redis, µs", 0),
            ("redis_commands", "commands in Redis", 1),
            ("peak_mb", "memory of the worker, MB", 0),
        ),
    )


def _settings(results: Results, peers: Sequence[Peer]) -> str:
    rows = [
        [peer.title, results.versions[peer.name], peer.acknowledges, peer.settings, _link(peer.source)]
        for peer in peers
    ]
    return table(["", "Versions", "Acknowledges", "Settings (N at a time, P processes)", "Documented"], rows)


def _link(source: str) -> str:
    if not source.startswith("https://"):
        return f"[{source}](../{source})"
    return f"[{source.split('/')[2]}]({source})"


def _failures(results: Results) -> str:
    if not results.failures:
        return ""
    return "\n## What failed\n\n" + "".join(f"- {line}\n" for line in results.failures)
