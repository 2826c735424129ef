"""What needs a person: sentences, the most serious first. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from barback.control.metrics import Point
from barback.control.schedules import ScheduleView
from barback.control.why import describe_s
from barback.inspector import Glance, Server
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.published import PublishedApp

FULL = 0.9
"""Of the memory that the server may use."""
SKEW_S = 1.0
MOST_FAILED = 10
FAILED_SHARE = 0.2
"""So many failures in an hour, and so large a share of what ended, are told of."""
SHOWN_EACH = 5
"""Of one cause; the rest is counted."""

Cause = Literal[
    "evicts", "memory", "no-worker", "unknown-name", "schedule-late", "schedule-failed", "failures", "clock",
    "other-schema", "no-persistence",
]  # fmt: skip
"""In the order of their seriousness: what loses jobs, what keeps them from running, what fails, what may."""
LIVES_S = 20.0
"""A beat is gone 15 s after it was written: one that seems older is of a clock that is behind."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them. `queue`, `schedule`: which it is about; empty: none."""

    cause: Cause
    sentence: str
    queue: str = ""
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known. `last_hour`: by queue."""

    now: float
    server: Server
    queues: Sequence[Glance] = ()
    workers: Sequence[WorkerBeat] = ()
    apps: Sequence[PublishedApp] = ()
    schedules: Sequence[ScheduleView] = ()
    last_hour: Mapping[str, Point] = field(default_factory=dict[str, Point])


def attention(situation: Situation) -> list[Notice]:
    """Nothing: all is well, as far as can be seen."""
    server, schedules = situation.server, situation.schedules
    return [
        *_evicting(server),
        *_full(server),
        *_few(_unworked(situation), "queues"),
        *_few(_unknown_names(situation), "queues"),
        *_few(_late(schedules), "schedules"),
        *_few(_failed(schedules), "schedules"),
        *_few(_failing(situation.last_hour), "queues"),
        *_few(_skewed(situation), "clocks"),
        *_few(_of_other_schemas(situation), "jobs"),
        *_unsaved(server),
    ]


def _evicting(server: Server) -> Iterator[Notice]:
    if server.eviction not in (None, "", "noeviction"):
        yield Notice(
            "evicts",
            f"{server.product} throws away keys when its memory is full (maxmemory-policy {server.eviction}): "
            "jobs would be lost. Set it to noeviction.",
        )


def _full(server: Server) -> Iterator[Notice]:
    used, most = server.used_bytes, server.most_bytes
    if used and most and used > FULL * most:
        then = "no job can be added" if used >= most else "soon no job can be added"
        yield Notice(
            "memory",
            f"{server.product} uses {used / most:.0%} of the memory it may use: {then}. "
            "Raise maxmemory, or keep fewer finished jobs.",
        )


def _unsaved(server: Server) -> Iterator[Notice]:
    if server.append_only is False and server.save_points is False:
        yield Notice(
            "no-persistence", f"{server.product} writes nothing to disk: a restart loses all jobs. Set appendonly yes."
        )


def _unworked(situation: Situation) -> Iterator[Notice]:
    worked = {queue for beat in situation.workers for queue in beat.queues}
    for one in situation.queues:
        waits = one.counts["waiting"] + one.counts["prioritized"]
        if waits and not one.paused and not one.tended and one.queue not in worked:
            yield Notice(
                "no-worker", f"No live worker works queue '{one.queue}', where {_jobs(waits)}. Start one.", one.queue
            )


def _unknown_names(situation: Situation) -> Iterator[Notice]:
    """Of the job that is first in line: it would fail."""
    alive = {(beat.app, queue) for beat in situation.workers for queue in beat.queues}
    known: dict[str, set[str]] = {}
    for app in situation.apps:
        for job in app.jobs:
            if (app.name, job.queue) in alive:
                known.setdefault(job.queue, set()).update(job.names)
    for one in situation.queues:
        if one.next_name is not None and one.queue in known and one.next_name not in known[one.queue]:
            yield Notice(
                "unknown-name",
                f"Next in queue '{one.queue}' is a job named '{one.next_name}', which no live worker knows: "
                "it would fail. Deploy the code that has it.",
                one.queue,
            )


def _late(schedules: Sequence[ScheduleView]) -> Iterator[Notice]:
    for view in schedules:
        if view.is_late and not view.is_paused and view.owner != "repeatable":
            yield Notice(
                "schedule-late",
                f"Schedule '{view.id}' has been due for {describe_s(view.late_s)}, and no worker makes its jobs.",
                view.queue,
                view.id,
            )


def _failed(schedules: Sequence[ScheduleView]) -> Iterator[Notice]:
    for view in schedules:
        if view.last_run is not None and view.last_run.outcome == "failed":
            yield Notice("schedule-failed", f"The last run of schedule '{view.id}' failed.", view.queue, view.id)


def _failing(last_hour: Mapping[str, Point]) -> Iterator[Notice]:
    for queue, hour in last_hour.items():
        ended = hour.completed + hour.failed
        if hour.failed >= MOST_FAILED and hour.failed > FAILED_SHARE * ended:
            yield Notice("failures", f"{hour.failed:,} of {ended:,} jobs of '{queue}' failed in the last hour.", queue)


def _skewed(situation: Situation) -> Iterator[Notice]:
    ahead_s = situation.server.ahead_s
    if abs(ahead_s) > SKEW_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        product = situation.server.product
        yield Notice(
            "clock", f"This machine's clock is {abs(ahead_s):.1f} s {side} that of {product}. Set both by NTP."
        )
    for beat in situation.workers:
        if beat.at - situation.now > SKEW_S or situation.now - beat.at > LIVES_S:
            yield Notice("clock", f"The clock of {beat.host} differs from this machine's. Set both by NTP.")


def _of_other_schemas(situation: Situation) -> Iterator[Notice]:
    """Producers that are behind, or ahead, of the workers."""
    declared = {(job.queue, name): job for app in situation.apps for job in app.jobs for name in job.names}
    for queue, hour in situation.last_hour.items():
        for (known, name), count in hour.other_schemas.items():
            job = declared.get((queue, name))
            # Workers that are behind count those of a client that is up to date.
            if job is None or (job.name, job.schema_hash) == (name, known):
                continue
            now = f"schema {job.schema_hash}" + (f" of '{job.name}'" if job.name != name else "")
            yield Notice(
                "other-schema",
                f"{count:,} job{'s' if count > 1 else ''} '{name}' of the last hour came from a TypeScript client that "
                f"knows schema {known}; workers know {now}. Run `barback typescript`, and deploy who enqueues them.",
                queue,
            )


def _few(notices: Iterable[Notice], what: str) -> list[Notice]:
    every = list(dict.fromkeys(notices))
    if len(every) <= SHOWN_EACH:
        return every
    return [*every[:SHOWN_EACH], Notice(every[0].cause, f"It is the same with {len(every) - SHOWN_EACH} more {what}.")]


def _jobs(count: int) -> str:
    return f"{count:,} job{' waits' if count == 1 else 's wait'}"
