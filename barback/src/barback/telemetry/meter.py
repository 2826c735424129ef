"""Counts in memory what becomes of the jobs of one queue, and how long they waited and ran.

It is called for each job, on the event loop: it counts, and does nothing else. `heartbeat.py` writes the sums.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from barback.broker import FetchedJob
from barback.telemetry.histogram import BINS, EDGES_S

Outcomes = Literal["completed", "failed", "retried", "handed_back", "refused"]
WAIT, RUN, SCHEMA = "wait:", "run:", "schema:"
"""What stands before the number of a bin in the name of a count; before a hash and the name of a job."""
MOST_SCHEMAS = 50
OTHER = "other"
"""What jobs of a name are counted as that nobody declared: it may be anything, and of any number."""


class Meter:
    """Of one queue, in one worker.

    Waiting is measured of a job's first start only, from when it was due: added, plus its delay (of a schedule's job:
    its slot). Nobody knows since when a job that was retried or handed back waits; one that was promoted was not due
    yet, and waited 0 s; for a flow's parent the time of its children counts. Running is measured of each attempt, from
    its first step to its outcome.
    """

    __slots__ = (
        "_run", "_schemas", "_told", "_wait", "by_name", "run_s", "schemas", "stalled", "wait_s",
    )  # fmt: skip

    def __init__(self, schemas: Mapping[str, str] | None = None) -> None:
        """`schemas`: the hash of each declared job's payload by its name; others that clients know are counted."""
        self._schemas = schemas or {}
        self.schemas: Counter[tuple[str, str]] = Counter()
        """Jobs started whose client had another schema, by that one's hash and the job's name."""
        self.by_name: Counter[tuple[str, Outcomes]] = Counter()
        """Outcomes since the worker started, by the job's name."""
        self.stalled = 0
        """Jobs found without a lock and put back."""
        self.wait_s = 0.0
        self.run_s = 0.0
        """Seconds, of all that was measured."""
        self._wait = [0] * BINS
        self._run = [0] * BINS
        self._told: Counter[str] = Counter()

    def started(self, job: FetchedJob) -> None:
        """It was fetched, and begins."""
        if job.starts == 1:
            waited_s = job.started_at - job.added_at - job.options.delay_s
            # `bin_of`, without the call.
            self._wait[bisect_right(EDGES_S, waited_s)] += 1
            if waited_s > 0:
                self.wait_s += waited_s
        known = job.options.schema_hash
        if known is not None and known != self._schemas.get(job.name):
            self._count_schema(job.name, known)

    def _count_schema(self, name: str, known: str) -> None:
        # Anybody may write any hash: a bound for what is told.
        if (known, name) in self.schemas or len(self.schemas) < MOST_SCHEMAS:
            self.schemas[known, name] += 1

    def ran(self, for_s: float) -> None:
        """An attempt ended."""
        self._run[bisect_right(EDGES_S, for_s)] += 1
        self.run_s += for_s

    def count(self, job: FetchedJob, outcome: Outcomes) -> None:
        """Its outcome was written, or refused."""
        self.by_name[job.name if job.name in self._schemas else OTHER, outcome] += 1

    @property
    def outcomes(self) -> Counter[Outcomes]:
        """Of all names together. On the event loop."""
        total: Counter[Outcomes] = Counter()
        for (_, outcome), count in self.by_name.items():
            total[outcome] += count
        return total

    def waits(self) -> Sequence[int]:
        """How many waited so long, by bin."""
        return tuple(self._wait)

    def runs(self) -> Sequence[int]:
        """How many ran so long, by bin."""
        return tuple(self._run)

    def take(self) -> dict[str, int]:
        """What was counted since this was called last; names as in `outcomes`, `stalled`, `wait:<bin>`, `run:<bin>`.

        And `schema:<hash>:<job>` of clients that know another one.
        """
        sums: Counter[str] = Counter({str(name): count for name, count in self.outcomes.items()})
        sums["stalled"] = self.stalled
        sums.update({f"{SCHEMA}{known}:{name}": count for (known, name), count in self.schemas.items()})
        for before, bins in ((WAIT, self._wait), (RUN, self._run)):
            sums.update({f"{before}{number}": count for number, count in enumerate(bins) if count})
        new = sums - self._told
        self._told = sums
        return dict(new)
