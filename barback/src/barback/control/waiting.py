"""Gathers what `why` must know of a job that waits: of its queue, once for all jobs of a page, and of the job."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from barback.broker import JobRecord
from barback.control.why import Facts, LiveWorkers, Why, why
from barback.control.workers import live_workers, published_apps
from barback.inspector import Family, InspectedBroker
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.published import PublishedApp


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What is the same for all jobs of a queue; see `Facts`."""

    queue: str
    now: float
    workers: LiveWorkers
    paused: bool
    limited_for_s: float
    concurrency: int | None
    active: int
    waiting: int


async def gather_queue(broker: InspectedBroker, queue: str) -> QueueFacts:
    """In one go, and some milliseconds."""
    inspector = broker.inspector
    paused, limited_for_s, limits, active, waiting = await asyncio.gather(
        broker.is_paused(queue),
        inspector.limited_for_s(queue),
        inspector.limits(queue),
        inspector.count(queue, "active"),
        inspector.count(queue, "waiting"),
    )
    beats, apps, listeners = await asyncio.gather(
        live_workers(broker.board), published_apps(broker.board), inspector.listeners(queue)
    )
    workers = who_works(queue, beats, apps, listeners)
    return QueueFacts(queue, broker.now(), workers, paused, limited_for_s, limits.concurrency, active, waiting)


async def gather(broker: InspectedBroker, record: JobRecord, facts: QueueFacts | None = None) -> Facts:
    """All that is known of why this job waits. `facts`: of its queue; None: they are gathered too."""
    facts, place = facts or await gather_queue(broker, record.queue), None
    if record.state in ("waiting", "prioritized"):
        place = await broker.inspector.place(record.queue, record.state, record.id)
    return await _facts_of(broker, record, facts, place)


def facts_of(
    record: JobRecord,
    facts: QueueFacts,
    *,
    place: int | None = None,
    due_at: float | None = None,
    family: Family | None = None,
) -> Facts:
    """Of one job of the queue."""
    pending = family.pending if family else ()
    return Facts(
        record, facts.now, facts.workers, facts.paused, facts.limited_for_s, facts.concurrency, facts.active, place,
        facts.waiting, due_at, pending, (family.counts or {}).get("pending", 0) if family else 0,
    )  # fmt: skip


async def whys_of_page(
    broker: InspectedBroker, queue: str, records: Sequence[JobRecord], start: int | None
) -> dict[str, Why]:
    """By id, why each of these jobs of one state waits.

    `start`: how many jobs come before the page; None: nobody knows, as in a search, and how far back a job is remains
    untold.
    """
    if not records:
        return {}
    facts = await gather_queue(broker, queue)
    each = await asyncio.gather(
        *(_facts_of(broker, record, facts, None if start is None else start + n) for n, record in enumerate(records))
    )
    told = {of.record.id: why(of) for of in each}
    return {
        job_id: reason
        for job_id, reason in told.items()
        if reason is not None and (start is not None or reason.cause != "behind")
    }


async def _facts_of(broker: InspectedBroker, record: JobRecord, facts: QueueFacts, place: int | None) -> Facts:
    match record.state:
        case "delayed":
            return facts_of(record, facts, due_at=await broker.inspector.due_at(record.queue, record.id))
        case "waiting-children":
            return facts_of(record, facts, family=await broker.inspector.family(record.queue, record.id))
        case _:
            return facts_of(record, facts, place=place)


def who_works(
    queue: str, beats: Sequence[WorkerBeat], apps: Sequence[PublishedApp], listeners: int | None
) -> LiveWorkers:
    """Who works a queue, and the jobs they know.

    Workers that do not say what they know: those of a release that is not the one published, and connections named
    after the queue (`listeners`) of which there are more than beats, as Node's.
    """
    here = [beat for beat in beats if queue in beat.queues]
    declared = {(app.name, app.release): app for app in apps}
    known = [declared.get((beat.app, beat.release)) for beat in here]
    jobs = [job for app in known if app is not None for job in app.jobs if job.queue == queue]
    names = frozenset(name for job in jobs for name in job.names)
    are_silent = None in known or (listeners or 0) > len(here)
    return LiveWorkers({queue: names} if here else {}, frozenset({queue}) if are_silent else frozenset())
