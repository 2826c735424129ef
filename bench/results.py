"""What was measured: every run by scenario and peer, and medians and ratios of them. Kept as JSON between the rooms."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / ".results"


@dataclass(slots=True)
class Results:
    """`runs[scenario][peer]`: the figures of each round. `about`: the machine. `failures`: a line each."""

    about: dict[str, str] = field(default_factory=dict[str, str])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    runs: dict[str, dict[str, list[dict[str, float]]]] = field(
        default_factory=dict[str, dict[str, list[dict[str, float]]]]
    )
    failures: list[str] = field(default_factory=list[str])

    def add(self, scenario: str, peer: str, figures: dict[str, float]) -> None:
        """One more round."""
        self.runs.setdefault(scenario, {}).setdefault(peer, []).append(figures)

    def peers(self, scenario: str) -> list[str]:
        """Those that have been measured in it."""
        return list(self.runs.get(scenario, {}))

    def median(self, scenario: str, peer: str, figure: str) -> float | None:
        """Over the rounds; None if it was not measured."""
        found = [run[figure] for run in self.runs.get(scenario, {}).get(peer, []) if figure in run]
        return statistics.median(found) if found else None

    def ratio(self, scenario: str, figure: str, ours: str, theirs: str) -> float | None:
        """Our median to theirs; None if either is missing."""
        one, other = self.median(scenario, ours, figure), self.median(scenario, theirs, figure)
        return one / other if one is not None and other else None

    def ratio_of(self, scenario: str, peer: str, figure: str, other: str) -> float | None:
        """Of two figures of one peer; None if it was not measured."""
        one, two = self.median(scenario, peer, figure), self.median(scenario, peer, other)
        return one / two if one is not None and two else None


def save(results: Results, name: str) -> Path:
    """To `bench/.results/NAME.json`."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(asdict(results), indent=1), "utf-8")
    return path


def load(name: str) -> Results:
    """What `save` wrote under that name."""
    return Results(**json.loads((FOLDER / f"{name}.json").read_text("utf-8")))
