"""One call of `lua/exchange.lua`: what it is told of finished jobs, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from barback.broker import Completed, Failed, Lease, Settlement
from barback.bullmq.codec import FETCHED_FIELDS, decode_started, encode_stacktraces, keep_jobs, ms
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.one_by_one import Fetch
from barback.bullmq.packing import pack
from barback.options import Retention

BATCH = 100
"""Jobs settled, and jobs fetched, in one call at most: Redis serves nobody else meanwhile (1 to 3 ms)."""
LONGEST_VALUE = 64 * 1024
"""Characters of a result, a reason or stack traces. Longer ones travel alone: 100 of them share one argument."""

FOR_BULLMQ = -20
"""For BullMQ's own script: nothing was written."""
DAMAGED = -21
"""BullMQ's own script would break on it half-way: nothing was written."""
BROKEN_QUEUE = "BROKENQUEUE"
"""In the error for a queue one of whose own keys holds something else: nothing was written or fetched."""
_NO_MORE, _NEXT_FOR_BULLMQ = 1, 2


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call answered."""

    codes: Sequence[int]
    """For each settlement: BullMQ's codes, `FOR_BULLMQ`, or `DAMAGED`."""
    fetches: Sequence[Fetch] = ()
    """The last one has no job, if there are no more."""
    next_for_bullmq: bool = False
    """The next job must be fetched by BullMQ's own script."""

    def to_be_continued(self) -> "Batch":
        """As if it had not looked for more than it found: what is settled after it frees slots and lets jobs wait."""
        return replace(self, fetches=[fetch for fetch in self.fetches if fetch.job])


def fits(settlement: Settlement) -> bool:
    """Whether the script may settle it, as far as is known before it looks at the job."""
    job, outcome = settlement.job, settlement.outcome
    if job.damaged or job.crashes or job.is_child or job.options.deduplicate is not None:
        return False
    match outcome:
        case Completed():
            return len(outcome.result) <= LONGEST_VALUE
        case Failed():
            traces = sum(map(len, job.stacktraces)) + len(outcome.stacktrace)
            return len(outcome.reason) + traces <= LONGEST_VALUE
        case _:
            return False


def exchange_command(
    connection: Connection, keys: Keys, lease: Lease, now: float,
    settlements: Sequence[Settlement], tokens: Sequence[str], *, wake: bool,
) -> Command:  # fmt: skip
    """The command that settles these and fetches a job for each token. `wake`: there may be jobs for other workers."""
    names = keys.many(
        "wait", "active", "prioritized", "events", "stalled", "delayed", "meta", "pc", "marker", "completed", "failed",
        "paused",
    )  # fmt: skip
    finished = [_finished(settlement) for settlement in settlements]
    told = pack([finished, tokens, FETCHED_FIELDS, lease.worker, ms(lease.lock_s), wake])
    return connection.script("exchange", names, keys.base, ms(now), told)


def decode(queue: str, tokens: Sequence[str], now: float, answer: Any) -> Batch:
    """What the call told."""
    codes, fetched, rest, due = answer
    found = zip(fetched[::2], fetched[1::2], tokens, strict=False)
    started_ms = ms(now)
    fetches = [Fetch(decode_started(queue, job_id, token, values, started_ms)) for job_id, values, token in found]
    if rest == _NO_MORE:
        fetches.append(Fetch(next_at=due / 1000 if due else None))
    return Batch(codes, fetches, next_for_bullmq=rest == _NEXT_FOR_BULLMQ)


def all_for_bullmq(settlements: int) -> Batch:
    """What a call is taken for that broke on what it found."""
    return Batch([FOR_BULLMQ] * settlements, next_for_bullmq=True)


def _finished(settlement: Settlement) -> list[Any]:
    job, outcome = settlement.job, settlement.outcome
    if isinstance(outcome, Completed):
        return [job.id, job.token, outcome.result, job.options.attempts, False, *_bounds(job.options.keep_completed)]
    assert isinstance(outcome, Failed)  # noqa: S101 — `fits` let it through
    stacktraces = encode_stacktraces(job.stacktraces, outcome.stacktrace, job.options.keep_stacktraces)
    return [job.id, job.token, outcome.reason, job.options.attempts, stacktraces, *_bounds(job.options.keep_failed)]


@lru_cache(64)
def _bounds(retention: Retention) -> tuple[int | bool, int | bool, int]:
    """Count, age and limit of BullMQ's `keepJobs`; False: none of that kind."""
    wire = keep_jobs(retention)
    return wire.get("count", False), wire.get("age", False), wire.get("limit", retention.remove_at_most)
