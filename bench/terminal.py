"""What is printed: a line a run while they go on, and the table of medians with the gates at the end."""

from bench.gates import GATES
from bench.results import Results
from bench.scenarios import Scenario

FIGURES = (
    ("jobs_per_s", "jobs/s", 0),
    ("worker_cpu_us", "µs worker", 0),
    ("adder_cpu_us", "µs adder", 0),
    ("redis_cpu_us", "µs Redis", 0),
    ("redis_commands", "commands", 1),
    ("peak_mb", "MB", 0),
    ("p50_ms", "p50 ms", 2),
    ("p99_ms", "p99 ms", 2),
)


def say(line: str = "") -> None:
    """One line, at once."""
    print(line, flush=True)  # noqa: T201 — for who waits


def describe(figures: dict[str, float]) -> str:
    """`8,000 jobs/s, 90 µs worker, …`."""
    return ", ".join(f"{figures[key]:,.{digits}f} {unit}" for key, unit, digits in FIGURES if key in figures)


def print_table(results: Results, scenarios: tuple[Scenario, ...]) -> None:
    """Medians by scenario and peer."""
    for scenario in scenarios:
        say(f"\n{scenario.title}")
        for peer in results.peers(scenario.name):
            figures = {key: value for key, _, _ in FIGURES if (value := results.median(scenario.name, peer, key))}
            say(f"  {peer:10} {describe(figures)}")


def print_gates(results: Results) -> None:
    """Goal and figure of each, as far as it was measured."""
    say("\ngates")
    for gate in GATES:
        figure = gate.figure(results)
        if figure is not None:
            verdict = "ok   " if gate.passed(figure) else "SHORT"
            say(f"  {verdict}  {gate.title}: {figure:.2f}{gate.unit} (goal {gate.wanted})")
