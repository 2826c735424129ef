"""barback beside its peers: the same jobs, the same Redis, in turn; medians, and their ratios to Node.

    make bench          everything, written to docs/benchmarks.md         python -m bench
    make bench-quick    ours, Node, stock: under two minutes              python -m bench quick

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
from bench.results import Results, save
from bench.rounds import measure_all
from bench.terminal import print_gates, print_table, say

NamedT = TypeVar("NamedT", roster.Peer, scenarios.Scenario)


def main() -> int:
    """The exit code: 1 if any peer failed."""
    options = _options()
    began = time.monotonic()
    quick = options.what == "quick"
    peers = _chosen(roster.QUICK if quick else roster.ALL, options.peer)
    chosen = _chosen(scenarios.QUICK if quick else scenarios.FULL, options.scenario)
    if options.rounds:
        chosen = tuple(replace(one, rounds=options.rounds, others=min(one.others, options.rounds)) for one in chosen)
    results = measure_all(peers, chosen)
    path = save(results, "quick" if quick else "full")
    print_table(results, chosen)
    print_gates(results)
    _print_failures(results)
    say(f"\n{time.monotonic() - began:.0f} s; every run is in {path.relative_to(path.parents[2])}")
    say(json.dumps({"barback": ratios(results)}))
    return 1 if results.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="barback beside its peers")
    parser.add_argument("what", nargs="?", choices=["full", "quick"], default="full")
    parser.add_argument("--peer", action="append", help="only this one (again for more)")
    parser.add_argument("--rounds", type=int, help="so many of each scenario")
    parser.add_argument("--scenario", action="append", help="only this one (again for more)")
    return parser.parse_args()


def _chosen(all_of_them: tuple[NamedT, ...], names: list[str] | None) -> tuple[NamedT, ...]:
    return tuple(one for one in all_of_them if names is None or one.name in names)


def _print_failures(results: Results) -> None:
    for line in results.failures:
        say(f"FAILED {line}")


if __name__ == "__main__":
    sys.exit(main())
