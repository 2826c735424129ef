"""One call of `lua/exchange.lua`: what it is told of finished jobs, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from barback.broker import Completed, Failed, FetchedJob, Lease, Settlement
from barback.bullmq.codec import decode_started, encode_stacktraces, keep_jobs, ms
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.one_by_one import Fetch
from barback.bullmq.packing import pack

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
    told = pack([_finished(settlements), tokens, lease.worker, ms(lease.lock_s), wake])
    return connection.script("exchange", names, keys.base, ms(now), told)


def decode(queue: str, tokens: Sequence[str], now: float, answer: Any) -> Batch:
    """What the call told."""
    codes, jobs, rest, due = answer
    started_ms = ms(now)
    fetches = [Fetch(decode_started(queue, token, job, started_ms)) for token, job in zip(tokens, jobs, strict=False)]
    if rest == _NO_MORE:
        fetches.append(Fetch(next_at=due / 1000 if due else None))
    return Batch(codes, fetches, next_for_bullmq=rest == _NEXT_FOR_BULLMQ)


def all_for_bullmq(settlements: int) -> Batch:
    """What a call is taken for that broke on what it found."""
    return Batch([FOR_BULLMQ] * settlements, next_for_bullmq=True)


def _finished(settlements: Sequence[Settlement]) -> list[Any]:
    """Ids, tokens, values, the kind of each, kinds, and stack traces by place; Lua counts from 1."""
    ids: list[str] = []
    tokens: list[str] = []
    values: list[str] = []
    kind_of: list[int] = []
    kinds: dict[tuple[bool, bool, int], tuple[int, list[Any]]] = {}
    stacktraces: dict[int, str] = {}
    for settlement in settlements:
        job, outcome = settlement.job, settlement.outcome
        ids.append(job.id)
        tokens.append(job.token)
        completed = isinstance(outcome, Completed)
        if completed:
            values.append(outcome.result)
        else:
            assert isinstance(outcome, Failed)  # noqa: S101 — `fits` let it through
            values.append(outcome.reason)
            stacktraces[len(ids)] = encode_stacktraces(
                job.stacktraces, outcome.stacktrace, job.options.keep_stacktraces
            )
        # Options of the same text are one object: see `codec.KNOWN_OPTIONS`.
        same = (completed, job.fresh, id(job.options))
        if same not in kinds:
            kinds[same] = len(kinds) + 1, _kind(job, completed=completed)
        kind_of.append(kinds[same][0])
    return [ids, tokens, values, kind_of, [kind for _, kind in kinds.values()], stacktraces]


def _kind(job: FetchedJob, *, completed: bool) -> list[Any]:
    """How jobs like it are settled. Count, age and limit are BullMQ's `keepJobs`; False: none of that kind."""
    retention = job.options.keep_completed if completed else job.options.keep_failed
    wire = keep_jobs(retention)
    bounds = wire.get("count", False), wire.get("age", False), wire.get("limit", retention.remove_at_most)
    return [completed, job.fresh, job.options.attempts, *bounds]
