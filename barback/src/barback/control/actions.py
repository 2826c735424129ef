"""What people do to jobs: one, some, or all that match. Nothing is done to a job that is no longer what they saw.

    select ──► preview (how many) ──► apply ──► Progress, Progress, …

All that shall be acted on are looked for first, then acted on by a thousand: a job that fails again while the others
are retried is not retried a second time.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from barback.answers import Answer
from barback.broker import Broker, JobRecord, ListedState, NewJob
from barback.control.failures import Fingerprint, fingerprint_of
from barback.control.search import BUDGET, Budget, Listing, walk
from barback.errors import BrokerError, UsageError
from barback.inspector import Acted, Action, Inspector, Operator, Target
from barback.payload_limits import PayloadLimits, check_size, write_raw

CHUNK = 1_000
"""Jobs between two reports of progress."""
USUAL_LIMITS = PayloadLimits()
MOST_REASONS = 100
"""Of those that could not be done so many are told one by one."""


# ── selecting ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Chosen:
    """Jobs picked one by one, as they were seen in this state."""

    queue: str
    state: ListedState
    targets: Sequence[Target]


@dataclass(frozen=True, slots=True)
class Matching:
    """All jobs of a listing; of the failed, those that failed in this way, if one is given."""

    listing: Listing
    fingerprint: Fingerprint | None = None


Selection = Chosen | Matching


@dataclass(frozen=True, slots=True)
class Preview:
    """How many there are; not `exact`: at least so many, since the budget ended first."""

    count: int
    exact: bool = True


async def preview(inspector: Inspector, selection: Selection, budget: Budget = BUDGET) -> Preview:
    """Count without touching anything. `budget.found` is not looked at."""
    match selection:
        case Chosen():
            return Preview(len(selection.targets))
        case Matching(Listing(queue, state, query, _), None) if not query:
            return Preview(await inspector.count(queue, state))
        case Matching():
            return await _count(inspector, selection, budget)


async def _count(inspector: Inspector, selection: Matching, budget: Budget) -> Preview:
    ends_at = time.monotonic() + budget.seconds
    found, looked = set[str](), 0
    async for targets, step_looked in _find(inspector, selection):
        looked += step_looked
        found.update(target.job_id for target in targets)
        if looked >= budget.jobs or time.monotonic() >= ends_at:
            total = await inspector.count(selection.listing.queue, selection.listing.state)
            return Preview(len(found), exact=looked >= total)
    return Preview(len(found))


async def _find(inspector: Inspector, selection: Matching) -> AsyncIterator[tuple[list[Target], int]]:
    """Step by step the jobs selected, and how many were looked at."""
    async for step in walk(inspector, selection.listing):
        records = [seen.record for seen in step.jobs]
        wanted = selection.fingerprint
        fitting = [record for record in records if wanted is None or fingerprint_of(record) == wanted]
        yield [target_of(record) for record in fitting], step.looked


def target_of(record: JobRecord) -> Target:
    """The job as it is now."""
    return Target(record.id, record.finished_at)


# ── acting ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. While jobs are looked for `total` is None."""

    looked: int = 0
    total: int | None = None
    done: int = 0
    skipped: int = 0
    """No longer in that state, or finished again since."""
    failed: int = 0
    reasons: Sequence[tuple[str, BrokerError]] = field(default_factory=tuple[tuple[str, BrokerError], ...])
    """Id and reason of those that could not be done; the first hundred."""

    @property
    def finished(self) -> bool:
        return self.total is not None and self.done + self.skipped + self.failed >= self.total


async def apply(operator: Operator, selection: Selection, action: Action) -> AsyncGenerator[Progress]:
    """Act on all that is selected, and tell how far it is; the last one told is `finished`.

    Whoever stops listening stops it: what is done stays done. All targets are held in memory (some 200 bytes each).

    :raises InvalidOptions: the action cannot be done in that state.
    """
    progress = Progress()
    targets: dict[str, Target] = {}
    place = selection if isinstance(selection, Chosen) else selection.listing
    if isinstance(selection, Chosen):
        targets = {target.job_id: target for target in selection.targets}
    else:
        async for found, looked in _find(operator, selection):
            targets |= {target.job_id: target for target in found}
            progress = replace(progress, looked=progress.looked + looked)
            yield progress
    progress = replace(progress, total=len(targets))
    yield progress
    listed = list(targets.values())
    for start in range(0, len(listed), CHUNK):
        chunk = listed[start : start + CHUNK]
        progress = _add(progress, chunk, await operator.act(place.queue, place.state, action, chunk))
        yield progress


def _add(progress: Progress, targets: Sequence[Target], acted: Sequence[Acted]) -> Progress:
    reasons = [(target.job_id, it) for target, it in zip(targets, acted, strict=True) if isinstance(it, BrokerError)]
    return replace(
        progress,
        done=progress.done + acted.count("done"),
        skipped=progress.skipped + acted.count("moved"),
        failed=progress.failed + len(reasons),
        reasons=(*progress.reasons, *reasons)[:MOST_REASONS],
    )


# ── one job, one queue ──────────────────────────────────────────────────────────────────────────────────


async def run(broker: Broker, job: NewJob, limits: PayloadLimits = USUAL_LIMITS) -> Answer:
    """Add a job that somebody made by hand. Raises as `run_again`."""
    [answer] = await broker.add([replace(job, data=_checked(job.data, job.name, limits))])
    return answer


async def run_again(
    broker: Broker, record: JobRecord, data: str | None = None, limits: PayloadLimits = USUAL_LIMITS
) -> Answer:
    """Add a new job like this one, at once, with another payload if `data` (JSON text) is given.

    It keeps the options, but for the id and the delay. A unique key is one of them: it may be swallowed (P4).

    :raises UsageError: `data` is no JSON.
    :raises InvalidPayload: it is too deep or too large.
    """
    text = record.data if data is None else _checked(data, record.name, limits)
    options = replace(record.options, job_id=None, delay_s=0.0)
    if data is not None:
        # No client made this one.
        options = replace(options, schema_hash=None)
    [answer] = await broker.add([NewJob(record.queue, record.name, text, options)])
    return answer


async def set_paused(broker: Broker, queue: str, paused: bool) -> None:
    """Let no job of the queue start, or let them start again."""
    await (broker.pause(queue) if paused else broker.resume(queue))


def _checked(data: str, name: str, limits: PayloadLimits) -> str:
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The payload is no JSON: {error}. Correct it and try again.") from None
    text = write_raw(value, name, limits)
    check_size(len(text), name, limits)
    return text
