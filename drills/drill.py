"""What a drill is, and what it found."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from drills.world import World


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out. `said`: the measured outcome in words. `recoveries_s`: how long each recovery took."""

    passed: bool
    said: str
    lost: int = 0
    duplicates: int = 0
    falsely_failed: int = 0
    recoveries_s: Sequence[float] = ()

    @property
    def p50_s(self) -> float | None:
        return _quantile(self.recoveries_s, 50)

    @property
    def p99_s(self) -> float | None:
        return _quantile(self.recoveries_s, 99)


@dataclass(frozen=True, slots=True)
class Drill:
    """One proof. `run` is given an empty world, and whether to run at full length.

    `alone`: what it measures is how late or how long, so nothing else may run beside it.
    """

    number: str
    name: str
    promise: str
    passes: str
    run: Callable[[World, bool], Awaitable[Finding]]
    alone: bool = False


@dataclass(slots=True)
class Drills:
    """A list that drills are put on where they are written."""

    all: list[Drill] = field(default_factory=list[Drill])

    def drill(
        self, number: str, name: str, *, promise: str, passes: str, alone: bool = False
    ) -> Callable[[Callable[[World, bool], Awaitable[Finding]]], Drill]:
        """Put the function below on the list."""

        def put(run: Callable[[World, bool], Awaitable[Finding]]) -> Drill:
            made = Drill(number, name, promise, passes, run, alone)
            self.all.append(made)
            return made

        return put


def _quantile(values: Sequence[float], percent: int) -> float | None:
    if not values:
        return None
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[percent - 1]
