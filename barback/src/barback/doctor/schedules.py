"""Schedules that are broken, and repeatables of BullMQ 5 that should become schedules."""

from collections.abc import Sequence

from barback.broker import Broker, StoredSchedule
from barback.control.schedules import ScheduleView, list_schedules
from barback.doctor.finding import Finding
from barback.errors import DeclarationError

CHECK, REPEATABLES = "schedules", "repeatables"


async def check_schedules(broker: Broker, queues: Sequence[str]) -> list[Finding]:
    """Each schedule of these queues, whoever made it."""
    findings: list[Finding] = []
    for view in await list_schedules(broker, queues):
        found = _repeatable(view) if view.owner == "repeatable" else await _schedule(broker, view)
        findings += [found] if found is not None else []
    return findings


def _repeatable(view: ScheduleView) -> Finding | None:
    if view.stored is None:
        return None
    name, timing = view.stored.name, view.stored.timing
    rule = f"every_s={timing.every_s:g}" if timing.every_s else f'"{timing.pattern}", tz="{timing.tz}"'
    return Finding(
        REPEATABLES,
        "warning",
        f"Queue '{view.queue}': job '{name}' comes from a repeatable of BullMQ 5 ({timing.describe()}), which Node 6 "
        "does not go on with; a worker of barback makes a schedule of it when its next job starts.",
        f'Declare it, Schedule("{name}-…", …, {rule}), deploy, and take the old one away: '
        f"barback schedules remove '{view.id}' --queue {view.queue}; and take `repeat` out of the TypeScript code.",
    )


async def _schedule(broker: Broker, view: ScheduleView) -> Finding | None:
    stored = view.stored
    if stored is None:
        return None
    where = f"Schedule '{view.id}' of '{view.queue}'"
    if (why := _unreadable(stored)) is not None:
        advice = f"Have its maker change it, or remove it: barback schedules remove '{view.id}' --queue {view.queue}."
        return Finding(CHECK, "error", f"{where} makes no more jobs: {why}", advice)
    if view.is_late:
        advice = f"Start a worker of queue '{view.queue}' (barback work), or see why the one there does not answer."
        return Finding(CHECK, "error", f"{where} has been due for {view.late_s:.0f} s: nobody makes its jobs.", advice)
    if stored.next_at > broker.now() and await broker.state(view.queue, stored.job_id) == "unknown":
        advice = "A worker of barback goes on with its next slot within half a minute; start one, if none runs."
        return Finding(CHECK, "warning", f"{where} has lost the job of its next slot: somebody removed it.", advice)
    return None


def _unreadable(schedule: StoredSchedule) -> str | None:
    try:
        schedule.timing.check()
    except DeclarationError as error:
        return str(error)
    return None
