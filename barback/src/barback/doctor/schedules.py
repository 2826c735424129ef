"""Schedules that are broken, and repeatables of BullMQ 5 that should become schedules."""

import json
import shlex
from collections.abc import Iterable, Iterator

from barback.control.schedules import ScheduleView
from barback.cron import Timing
from barback.doctor.facts import Facts, ScheduleFacts
from barback.finding import Finding

CHECK, REPEATABLES = "schedules", "repeatables"


def check_schedules(facts: Facts) -> Iterator[Finding]:
    """Each schedule of all queues, whoever made it."""
    for queue in facts.queues:
        yield from check_schedules_of(facts.now, queue.schedules)


def check_schedules_of(now: float, schedules: Iterable[ScheduleFacts]) -> list[Finding]:
    """The same of some. `now`: epoch seconds."""
    found = [(_repeatable(one) if one.view.owner == "repeatable" else _schedule(now, one)) for one in schedules]
    return [finding for finding in found if finding is not None]


def _repeatable(facts: ScheduleFacts) -> Finding | None:
    view = facts.view
    if view.stored is None:
        return None
    what = f"Queue '{view.queue}': job '{view.stored.name}' comes from a repeatable of BullMQ 5 "
    what += f"({view.stored.timing.describe()})"
    if view.is_late and facts.job_is_gone:
        text = f"{what} whose job is gone: nothing goes on with it."
        return Finding(REPEATABLES, "error", text, f"Add it again, or remove it: {_removal(view)}")
    return Finding(
        REPEATABLES,
        "warning",
        f"{what}, which Node 6 does not go on with; a worker of barback makes a schedule of it with its next job.",
        f'Declare it, Schedule("{view.stored.name}-…", …, {_arguments(view.stored.timing)}), deploy, and take the old '
        f"one away: {_removal(view)}; and take `repeat` out of the TypeScript code.",
    )


def _schedule(now: float, facts: ScheduleFacts) -> Finding | None:
    view, stored = facts.view, facts.view.stored
    if stored is None:
        return None
    where = f"Schedule '{view.id}' of '{view.queue}'"
    if (why := stored.timing.fault()) is not None:
        advice = f"Have its maker change it, or remove it: {_removal(view)}"
        return Finding(CHECK, "error", f"{where} makes no more jobs: {why}", advice)
    if view.is_late:
        advice = f"Start a worker of queue '{view.queue}' (barback work), or see why the one there does not answer."
        return Finding(CHECK, "error", f"{where} has been due for {view.late_s:.0f} s: nobody makes its jobs.", advice)
    if stored.next_at > now and facts.job_is_gone:
        advice = "A worker of barback goes on with its next slot within half a minute; start one, if none runs."
        return Finding(CHECK, "warning", f"{where} has lost the job of its next slot: somebody removed it.", advice)
    return None


def _removal(view: ScheduleView) -> str:
    return f"barback schedules remove {shlex.quote(view.id)} --queue {shlex.quote(view.queue)}"


def _arguments(timing: Timing) -> str:
    """As a `Schedule` takes them."""
    told = (
        [json.dumps(timing.pattern), f"tz={json.dumps(timing.tz)}"]
        if timing.every_s is None
        else [f"every_s={timing.every_s!r}"]
    )
    told += [f"offset_s={timing.offset_s!r}"] if timing.offset_s else []
    told += [f"end=datetime.fromtimestamp({timing.end_at!r}, UTC)"] if timing.end_at is not None else []
    return ", ".join(told + ([f"limit={timing.limit}"] if timing.limit is not None else []))
