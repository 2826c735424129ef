"""Goals, and the figures that decide them."""

import pytest

from bench.gates import GATES, ratios
from bench.results import Results

GATE = {gate.name: gate for gate in GATES}


def _rates(scenario: str, **rates: float) -> Results:
    results = Results()
    for peer, rate in rates.items():
        results.add(scenario, peer, {"jobs_per_s": rate})
    return results


def test_a_gate_at_least_is_reached_by_the_goal_itself_and_missed_below_it() -> None:
    assert GATE["c100"].passed(1.25)
    assert not GATE["c100"].passed(1.24)
    assert GATE["c100"].wanted == "≥ 1.25x"


def test_a_gate_at_most_is_reached_by_the_goal_itself_and_missed_above_it() -> None:
    assert GATE["p99"].passed(0.8)
    assert not GATE["p99"].passed(0.81)
    assert GATE["memory_mb"].wanted == "≤ 60 MB"


def test_the_fastest_other_python_peer_is_neither_node_nor_the_stock_worker() -> None:
    results = _rates("c100", barback=8_000, node=9_000, stock=7_000, taskiq=1_000, dramatiq=2_000)
    assert GATE["c100_python"].figure(results) == 4.0


def test_jobs_that_wait_are_compared_with_what_can_be() -> None:
    assert GATE["io_possible"].figure(_rates("io", barback=7_500)) == pytest.approx(75)


def test_cpu_a_job_is_that_of_worker_and_redis_together() -> None:
    results = Results()
    results.add("c100", "barback", {"worker_cpu_us": 40, "redis_cpu_us": 20})
    results.add("c100", "node", {"worker_cpu_us": 70, "redis_cpu_us": 50})
    assert GATE["cpu"].figure(results) == 0.5


def test_what_was_not_measured_decides_no_gate() -> None:
    assert [gate.name for gate in GATES if gate.figure(Results()) is not None] == []
    assert ratios(_rates("c1", barback=300, node=200)) == {"c1": 1.5}
