"""All scenarios, round by round, the peers in turn."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.environments import make_environment
from bench.failures import PeerFailed
from bench.machine import describe_machine, versions_of
from bench.measure import Measurement, Place, measure_adding, measure_latency, measure_working
from bench.results import Results
from bench.roster import MAIN, Peer
from bench.run import Run
from bench.scenarios import Scenario
from bench.server import Server
from bench.terminal import describe, say


def measure_all(peers: Sequence[Peer], scenarios: Sequence[Scenario]) -> Results:
    """Whatever fails is named in `Results.failures`; the rest goes on."""
    results = Results()
    with ExitStack() as stack:
        plain = stack.enter_context(Server(aof=False))
        durable = stack.enter_context(Server(aof=True))
        tallies = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
        results.about = describe_machine(plain)
        places = _places(peers, results)
        for scenario in scenarios:
            say(f"{scenario.title}")
            server = durable if scenario.aof else plain
            for number in range(max(scenario.rounds, scenario.others)):
                # Whoever comes first in one round comes last in the next.
                turn = number % len(places) if places else 0
                for peer, programs in (*places[turn:], *places[:turn]):
                    if scenario.kind == "bulk" and not peer.adds_in_bulk:
                        continue
                    if number < (scenario.rounds if peer in MAIN else scenario.others):
                        _measure_one(Place(peer, programs, server), scenario, tallies, results)
            server.empty()
    return results


def _places(peers: Sequence[Peer], results: Results) -> list[tuple[Peer, Path]]:
    made: list[tuple[Peer, Path]] = []
    for peer in peers:
        try:
            made.append((peer, make_environment(peer.name)))
        except PeerFailed as failure:
            _failed(results, str(failure))
        else:
            results.versions[peer.name] = versions_of(peer)
    return made


def _measure_one(place: Place, scenario: Scenario, tallies: str, results: Results) -> None:
    began = time.monotonic()
    try:
        figures = _measure(place, scenario, tallies)
    except PeerFailed as failure:
        _failed(results, f"{scenario.name}: {failure}")
    else:
        results.add(scenario.name, place.peer.name, figures)
        say(f"  {place.peer.name:10} {describe(figures)}  ({time.monotonic() - began:.1f} s)")


def _measure(place: Place, scenario: Scenario, tallies: str) -> Measurement:
    run = Run(
        mode=scenario.kind,
        redis_url=place.server.url,
        tallies=tallies,
        jobs=min(scenario.jobs, place.peer.most_jobs),
        concurrency=scenario.concurrency,
        io_ms=scenario.io_ms,
        processes=scenario.processes,
    )
    if scenario.kind == "work":
        longest_s = scenario.longest_s if place.peer in MAIN else scenario.others_s
        return measure_working(place, run, longest_s)
    return measure_latency(place, run) if scenario.kind == "latency" else measure_adding(place, run)


def _failed(results: Results, line: str) -> None:
    results.failures.append(line)
    say(f"  FAILED {line}")
