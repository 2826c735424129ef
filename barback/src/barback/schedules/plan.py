"""What a deploy changes: the schedules that an app declares beside those that are stored. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from barback.broker import StoredSchedule
from barback.payload_limits import PayloadLimits, write_payload
from barback.schedule import Schedule
from barback.schedules.marks import Mark

Kind = Literal["add", "change", "remove", "keep", "over", "paused", "taken"]
"""over: it has no slot to come. paused: a person stopped it, and it stays so. taken: another program or app made one of
that id, and it is left alone."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A declared schedule as it shall be stored; its next slot is not known yet."""

    stored: StoredSchedule
    mark: Mark


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one schedule. `wanted` None: it is not declared any more; `stored` None: it was not there."""

    kind: Kind
    schedule_id: str
    wanted: Wanted | None = None
    stored: StoredSchedule | None = None
    mark: Mark | None = None


def want(app: str, schedule: Schedule, limits: PayloadLimits) -> Wanted:
    """:raises InvalidPayload: its payload is over a limit, or cannot be written as JSON."""
    data = write_payload(schedule.data, schedule.job.name, limits)
    options = replace(schedule.job.options, delay_s=0.0)
    stored = StoredSchedule(schedule.id, schedule.job.name, schedule.timing, data, 0.0, options)
    told = [repr(stored), schedule.missed, schedule.overlap]
    fingerprint = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return Wanted(stored, Mark(app, fingerprint, schedule.missed, schedule.overlap))


def plan(
    app: str, wanted: Mapping[str, Wanted], stored: Mapping[str, StoredSchedule], marks: Mapping[str, Mark]
) -> list[Change]:
    """One change for each schedule that `app` declares or has made; in the order of their ids."""
    ours = {schedule_id for schedule_id, mark in marks.items() if mark.app == app}
    changes: list[Change] = []
    for schedule_id in sorted(wanted.keys() | ours):
        want, there, mark = wanted.get(schedule_id), stored.get(schedule_id), marks.get(schedule_id)
        changes.append(Change(_kind(app, want, there, mark), schedule_id, want, there, mark))
    return changes


def _kind(app: str, wanted: Wanted | None, stored: StoredSchedule | None, mark: Mark | None) -> Kind:
    if wanted is None:
        return "remove"
    if mark is None:
        return "add" if stored is None else "taken"
    if mark.app != app:
        return "taken"
    if mark.paused:
        return "paused"
    if stored is None:
        return "over" if mark.over and mark.fingerprint == wanted.mark.fingerprint else "add"
    return "keep" if _same(wanted, stored, mark) else "change"


def _same(wanted: Wanted, stored: StoredSchedule, mark: Mark) -> bool:
    """Also if another program has put it since: our mark would not tell."""
    told = wanted.stored
    return mark.fingerprint == wanted.mark.fingerprint and (told.name, told.data, told.timing) == (
        stored.name,
        stored.data,
        stored.timing,
    )
