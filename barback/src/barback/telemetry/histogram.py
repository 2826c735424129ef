"""How long things took, in bins a factor of √2 apart: small to keep, and exact to a fifth. Pure.

Bin 0 holds what took less than a millisecond, the last one what took longer than a day.
"""

from bisect import bisect_right
from collections.abc import Mapping
from math import ceil, log2, sqrt

FIRST_S = 0.001
DAY_S = 86_400.0
EDGES_S = tuple(FIRST_S * 2 ** (i / 2) for i in range(ceil(2 * log2(DAY_S / FIRST_S)) + 1))
"""Where each bin but the first begins."""
BINS = len(EDGES_S) + 1


def bin_of(seconds: float) -> int:
    """The bin of a duration; one below zero, as clocks that differ make it, is in the first."""
    return bisect_right(EDGES_S, seconds)


def seconds_of(number: int) -> float:
    """What a duration of this bin is told as: within a fifth of each in it, but for the first bin and the last.

    Those are told as 1 ms and as a day.
    """
    if number <= 0:
        return FIRST_S
    if number >= BINS - 1:
        return DAY_S
    return EDGES_S[number - 1] * sqrt(sqrt(2))


class Durations:
    """How long something took, each time. One thread adds, any may read."""

    __slots__ = ("bins", "sum_s")

    def __init__(self) -> None:
        self.bins = [0] * BINS
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """One more; below zero, as clocks that differ make it, is zero."""
        self.bins[bin_of(seconds)] += 1
        self.sum_s += max(seconds, 0.0)


def quantile(counts: Mapping[int, int], q: float) -> float | None:
    """Seconds that a share `q` (0 to 1) of the durations did not exceed; `counts`: by bin. None: there are none."""
    rank = max(1, ceil(q * sum(counts.values())))
    seen = 0
    for number in sorted(counts):
        seen += counts[number]
        if seen >= rank:
            return seconds_of(number)
    return None
