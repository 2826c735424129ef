"""Counts in memory what becomes of the jobs of one queue, and how long they waited and ran.

It is called for each job, on the event loop: it counts, and does nothing else. `heartbeat.py` writes the sums.
"""

from bisect import bisect_right
from collections import Counter
from typing import Literal

from barback.broker import FetchedJob
from barback.telemetry.histogram import BINS, EDGES_S

Outcomes = Literal["completed", "failed", "retried", "handed_back", "refused"]
WAIT, RUN = "wait:", "run:"
"""What stands before the number of a bin in the name of a count."""


class Meter:
    """Of one queue, in one worker.

    Waiting is measured of a job's first start only, from when it was due: added, plus its delay (of a schedule's job:
    its slot). Nobody knows since when a job that was retried or handed back waits; one that was promoted was not due
    yet, and waited 0 s; for a flow's parent the time of its children counts. Running is measured of each attempt, from
    its first step to its outcome.
    """

    __slots__ = ("_run", "_told", "_wait", "outcomes", "stalled")

    def __init__(self) -> None:
        self.outcomes: Counter[Outcomes] = Counter()
        """Since the worker started. Whoever settles jobs counts here."""
        self.stalled = 0
        """Jobs found without a lock and put back."""
        self._wait = [0] * BINS
        self._run = [0] * BINS
        self._told: Counter[str] = Counter()

    def started(self, job: FetchedJob) -> None:
        """It was fetched, and begins."""
        if job.starts == 1:
            # `bin_of`, without the call.
            self._wait[bisect_right(EDGES_S, job.started_at - job.added_at - job.options.delay_s)] += 1

    def ran(self, for_s: float) -> None:
        """An attempt ended."""
        self._run[bisect_right(EDGES_S, for_s)] += 1

    def take(self) -> dict[str, int]:
        """What was counted since this was called last; names as in `outcomes`, `stalled`, `wait:<bin>`, `run:<bin>`."""
        sums: Counter[str] = Counter({str(name): count for name, count in self.outcomes.items()})
        sums["stalled"] = self.stalled
        for before, bins in ((WAIT, self._wait), (RUN, self._run)):
            sums.update({f"{before}{number}": count for number, count in enumerate(bins) if count})
        new = sums - self._told
        self._told = sums
        return dict(new)
