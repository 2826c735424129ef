"""What a deploy changes: the schedules that an app declares beside those that are stored. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from barback.broker import StoredSchedule
from barback.payload_limits import PayloadLimits, write_payload
from barback.schedule import Missed, Overlap, Schedule
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
    return mark_as(app, stored, schedule.missed, schedule.overlap)


def mark_as(app: str, schedule: StoredSchedule, missed: Missed = "once", overlap: Overlap = "allow") -> Wanted:
    """As it shall be stored, and as whose."""
    told = [repr(schedule), missed, overlap]
    fingerprint = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return Wanted(schedule, Mark(app, fingerprint, missed, overlap))


def plan(
    app: str, wanted: Mapping[str, Wanted], stored: Mapping[str, StoredSchedule], marks: Mapping[str, Mark]
) -> list[Change]:
    """One change for each schedule that `app` declares or has made; in the order of their ids."""
    ours = {schedule_id for schedule_id, mark in marks.items() if mark.app == app}
    changes: list[Change] = []
    for schedule_id in sorted(wanted.keys() | ours):
        want, there, mark = wanted.get(schedule_id), stored.get(schedule_id), marks.get(schedule_id)
        changes.append(Change(kind_of(app, want, there, mark), schedule_id, want, there, mark))
    return changes


def kind_of(app: str, wanted: Wanted | None, stored: StoredSchedule | None, mark: Mark | None) -> Kind:
    """What is to become of one schedule of `app`."""
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
    # Another program may have put it since: our mark would not tell.
    same = mark.fingerprint == wanted.mark.fingerprint and is_same(wanted, stored)
    return "keep" if same else "change"


def is_same(wanted: Wanted, stored: StoredSchedule) -> bool:
    """Whether what is stored is what is wanted, as far as another program could change it."""
    told = wanted.stored
    return (told.name, told.data, told.timing) == (stored.name, stored.data, stored.timing)
