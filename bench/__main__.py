"""barback beside its peers: the same jobs, the same Redis, in turn; medians, and their ratios to Node.

    make bench          everything, written to docs/benchmarks.md         python -m bench
    make bench-quick    ours, Node, stock: under two minutes              python -m bench quick
    make bench-grow     how cost grows, written to docs/growth.md         python -m bench grow
                        both pages anew from the last runs                python -m bench report
                        where the microseconds of a job go                python -m bench profile

Absolute figures move with the machine; the ratios of one run are what counts. Ends with them as one JSON line.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from typing import TypeVar

from bench import roster, scenarios
from bench.gates import ratios
from bench.grow import failures as growth_failures
from bench.grow import measure_growth, write_growth
from bench.profile import print_profile
from bench.report import write_report
from bench.results import load, save
from bench.rounds import measure_all
from bench.scenarios import Scenario
from bench.terminal import print_gates, print_table, say

NamedT = TypeVar("NamedT", roster.Peer, Scenario)


def main() -> int:
    """The exit code: 1 if any peer failed, or a cost grows faster than it may."""
    options = _options()
    began = time.monotonic()
    match options.what:
        case "report":
            write_report(load("full"), roster.ALL, scenarios.FULL)
            write_growth(load("growth"))
            return 0
        case "profile":
            for concurrency in (1, 10, 100):
                print_profile(concurrency)
            return 0
        case "grow":
            failures = _grow()
        case _:
            failures = _compare(options)
    say(f"\n{time.monotonic() - began:.0f} s; every run is in bench/.results")
    for line in failures:
        say(f"FAILED {line}")
    if options.what != "grow":
        say(json.dumps({"barback": ratios(load(_name(options)))}))
    return 1 if failures else 0


def _compare(options: argparse.Namespace) -> list[str]:
    peers, everything = (roster.QUICK, scenarios.QUICK) if options.what == "quick" else (roster.ALL, scenarios.FULL)
    chosen = _chosen(everything, options.scenario)
    if options.rounds:
        chosen = tuple(replace(one, rounds=options.rounds, others=min(one.others, options.rounds)) for one in chosen)
    results = measure_all(_chosen(peers, options.peer), chosen)
    save(results, _name(options))
    print_table(results, chosen)
    print_gates(results)
    if _name(options) == "full":
        write_report(results, peers, everything)
    return results.failures


def _name(options: argparse.Namespace) -> str:
    """What it is kept as. A part is for whoever asked: the pages are of one whole run."""
    return "part" if options.peer or options.scenario or options.rounds else options.what


def _grow() -> list[str]:
    results = measure_growth()
    save(results, "growth")
    write_growth(results)
    return growth_failures(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="barback beside its peers")
    parser.add_argument("what", nargs="?", choices=["full", "quick", "grow", "report", "profile"], default="full")
    parser.add_argument(
        "--peer", action="append", choices=[peer.name for peer in roster.ALL], help="only this one (again for more)"
    )
    parser.add_argument("--rounds", type=int, help="so many of each scenario")
    parser.add_argument(
        "--scenario",
        action="append",
        choices=[one.name for one in scenarios.FULL],
        help="only this one (again for more)",
    )
    return parser.parse_args()


def _chosen(all_of_them: tuple[NamedT, ...], names: list[str] | None) -> tuple[NamedT, ...]:
    return tuple(one for one in all_of_them if names is None or one.name in names)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
