"""How `barback schedules` shows schedules and what becomes of them: as JSON, and as rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from pydantic.alias_generators import to_camel

from barback.broker import StoredSchedule
from barback.cli.printing import moment, print_json, print_table
from barback.control.schedules import Owner, ScheduleView
from barback.schedules.plan import Change, Kind

DIFFERS: Mapping[Kind, str] = {
    "add": "not put yet",
    "change": "differs from the code",
    "remove": "not in the code",
    "keep": "",
    "over": "over",
    "paused": "paused",
    "taken": "made by another program",
}
OWNERS: Mapping[Owner, str] = {
    "app": "of another app",
    "enqueue": "made by enqueue(repeat=…)",
    "other": "made by another program",
    "repeatable": "repeatable of BullMQ 5: see barback doctor",
}
WILL: Mapping[Kind, str] = {
    "add": "add",
    "change": "change",
    "remove": "remove",
    "keep": "keep",
    "over": "leave: it is over",
    "paused": "leave paused",
    "taken": "leave to another program",
}


def as_json(view: ScheduleView, change: Change | None) -> dict[str, Any]:
    """`change`: what a deploy would make of it; None: it is not this app's. Moments are epoch seconds."""
    schedule = view.stored or (change.wanted.stored if change is not None and change.wanted is not None else None)
    return {
        "id": view.id,
        "queue": view.queue,
        "owner": view.owner,
        "job": schedule.name if schedule is not None else "-",
        "when": _when(schedule),
        "nextAt": _next_at(view),
        "nextTimes": view.next_times,
        "lastRun": _camel(view.last_run),
        "runByHand": _camel(view.run_by_hand),
        "state": _state(view, change),
    }


def as_cells(row: Mapping[str, Any]) -> list[str]:
    """The cells of one such document."""
    last: Mapping[str, Any] | None = row["lastRun"]
    by_hand: Mapping[str, Any] | None = row["runByHand"]
    took = "-" if last is None else f"{last['outcome']} {moment(last['startedAt'])}, {_took_s(last):.1f} s"
    state = [row["state"], f"run by hand {moment(by_hand['askedAt'])}" if by_hand is not None else ""]
    return [
        row["id"], row["queue"], row["job"], row["when"], moment(row["nextAt"]), took, "; ".join(filter(None, state))
    ]  # fmt: skip


def say_changes(changes: Mapping[str, Sequence[Change]], as_json_: bool) -> None:
    """What a deploy does, by queue."""
    told = [(queue, change, _when(change.stored), _to(change)) for queue, some in changes.items() for change in some]
    if as_json_:
        names = ("queue", "id", "change", "from", "to")
        rows = [(queue, one.schedule_id, one.kind, before, after) for queue, one, before, after in told]
        print_json({"changes": [dict(zip(names, row, strict=True)) for row in rows]})
    elif told:
        cells = [[WILL[one.kind], one.schedule_id, queue, before, after] for queue, one, before, after in told]
        print_table(["", "id", "queue", "from", "to"], cells)
    else:
        click.echo("nothing to change")


def _next_at(view: ScheduleView) -> float | None:
    """Of one that nobody goes on with: the slot that is due."""
    if view.is_late and view.stored is not None:
        return view.stored.next_at
    return view.next_times[0] if view.next_times else None


def _state(view: ScheduleView, change: Change | None) -> str:
    """Empty: all is as it should be."""
    kind = change.kind if change is not None else None
    if kind not in (None, "keep"):
        return DIFFERS[kind]
    if view.is_late and view.owner != "repeatable":
        return f"due for {view.late_s:.0f} s: no worker makes its jobs"
    if view.is_paused:
        return DIFFERS["paused"]
    if view.is_over:
        return DIFFERS["over"]
    return OWNERS[view.owner] if kind is None else ""


def _to(change: Change) -> str:
    return _when(change.wanted.stored if change.wanted else None)


def _when(schedule: StoredSchedule | None) -> str:
    return "-" if schedule is None else schedule.timing.describe()


def _took_s(run: Mapping[str, Any]) -> float:
    return run["endedAt"] - run["startedAt"]


def _camel(value: Any) -> dict[str, Any] | None:
    return None if value is None else {to_camel(name): one for name, one in asdict(value).items()}
