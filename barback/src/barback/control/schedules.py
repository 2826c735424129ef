"""Schedules as people look at them and act on them, whoever made them; needs the broker alone, no app's code."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from barback.answers import Answer, Created
from barback.broker import Broker, NewJob, StoredSchedule
from barback.control.kept import ask_each
from barback.cron import Timing
from barback.errors import BrokerError, UsageError, did_you_mean
from barback.schedules.marks import Mark, nothing_noted, read_mark, read_marks
from barback.schedules.pausing import pause, resume
from barback.schedules.runs import HandRun, Run, hand_run_note, read_hand_runs, read_runs
from barback.telemetry.published import PublishedApp, PublishedSchedule

__all__ = [
    "ScheduleView",
    "add_declared",
    "declared_timing",
    "differences",
    "find_queue",
    "list_schedules",
    "pause",
    "remove",
    "resume",
    "run_now",
]

NEXT_TIMES = 5
LATE_S = 10.0
"""Workers make the next slot's job within 5 s."""

Owner = Literal["app", "enqueue", "other", "repeatable"]
"""Who put it: an app that declares it; `enqueue(…, repeat=…)`; another program; a `repeat` option of BullMQ 5."""

Difference = Literal["paused", "run-by-hand", "timing", "not-declared", "not-put"]
"""From what the app declares. `run-by-hand`: later than it last ran by itself. `not-put`: nothing is stored of it,
though nobody paused it and it is not over: a worker puts it within half a minute."""


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """All that is known of one schedule. `stored` None: nothing makes jobs of it, it is paused or over.

    `late_s`: for how long its next slot has been due without anybody making a job of it.
    """

    queue: str
    id: str
    owner: Owner
    stored: StoredSchedule | None
    mark: Mark | None = None
    last_run: Run | None = None
    run_by_hand: HandRun | None = None
    next_times: Sequence[float] = ()
    late_s: float = 0.0

    @property
    def is_paused(self) -> bool:
        return self.mark is not None and self.mark.paused

    @property
    def is_over(self) -> bool:
        """It has no slot to come."""
        return not self.is_paused and not self.next_times and not self.is_late

    @property
    def is_late(self) -> bool:
        """No worker makes its jobs."""
        return self.late_s > LATE_S


async def list_schedules(broker: Broker, queues: Sequence[str]) -> list[ScheduleView]:
    """All schedules of these queues, by queue: the soonest first, then those that make no jobs."""
    found = await ask_each(queues, lambda queue: _in_queue(broker, queue))
    return [view for views in found for view in views]


def add_declared(
    views: Sequence[ScheduleView], apps: Sequence[PublishedApp], queues: Sequence[str]
) -> list[ScheduleView]:
    """And those that an app declares for these queues, and of which nothing at all is stored."""
    known = {(view.queue, view.id) for view in views}
    shown = set(queues)
    every = [one for app in apps for one in app.schedules if one.queue in shown]
    declared = [one for one in every if (one.queue, one.id) not in known]
    return [*views, *(ScheduleView(one.queue, one.id, "app", None) for one in declared)]


def differences(view: ScheduleView, apps: Sequence[PublishedApp]) -> list[Difference]:
    """In what it is not as its app declares it, as far as apps have said."""
    found: list[Difference] = []
    declared = declared_timing(view, apps)
    if view.is_paused:
        found.append("paused")
    elif view.stored is None and not (view.mark is not None and view.mark.over):
        found.append("not-put")
    if view.run_by_hand and (view.last_run is None or view.run_by_hand.asked_at > view.last_run.started_at):
        found.append("run-by-hand")
    if declared is not None and view.stored is not None and declared != view.stored.timing:
        found.append("timing")
    if declared is None and view.mark is not None and view.mark.app in {app.name for app in apps}:
        found.append("not-declared")
    return found


def declared_timing(view: ScheduleView, apps: Sequence[PublishedApp]) -> Timing | None:
    """When it comes due as its app declares it; None: no app has said."""
    for app in apps:
        for one in app.schedules:
            if (one.queue, one.id) == (view.queue, view.id):
                return _timing(one)
    return None


async def find_queue(broker: Broker, queues: Sequence[str], schedule_id: str) -> str:
    """Where a schedule is, whoever made it; a repeatable is none.

    :raises UsageError: nowhere, or in several of these queues.
    """
    known = {queue: await _ids(broker, queue) for queue in queues}
    found = [queue for queue, ids in known.items() if schedule_id in ids]
    if len(found) > 1:
        raise UsageError(f"Schedule '{schedule_id}' is in several queues: {', '.join(found)}. Say --queue.")
    if not found:
        every = [one for ids in known.values() for one in ids]
        hint = did_you_mean(schedule_id, every) if every else " Run 'barback schedules apply', or start a worker."
        raise UsageError(f"There is no schedule '{schedule_id}' in {', '.join(queues)}.{hint}")
    return found[0]


async def remove(broker: Broker, queue: str, schedule_id: str) -> bool:
    """Remove it, whoever made it, and all that is noted of it; False: there is none."""
    noted = await read_mark(broker, queue, schedule_id) is not None
    await broker.set_notes(queue, nothing_noted(schedule_id))
    return await broker.remove_schedule(queue, schedule_id) or noted


async def run_now(broker: Broker, queue: str, schedule_id: str, job: NewJob | None = None) -> Answer:
    """Enqueue the job of a schedule beside its slots, and write down that it was asked for.

    `job`: what to enqueue; None: as it is stored.

    :raises BrokerError: nothing is stored of it (it is paused, or over).
    """
    if job is None:
        stored = await broker.schedule(queue, schedule_id)
        if stored is None:
            raise BrokerError(f"Schedule '{schedule_id}' of '{queue}' is not stored: it is paused, over, or unknown.")
        job = NewJob(queue, stored.name, stored.data, stored.options)
    [answer] = await broker.add([job])
    job_id = answer.job_id if isinstance(answer, Created) else answer.by
    await broker.set_notes(queue, hand_run_note(schedule_id, HandRun(job_id, broker.now())))
    return answer


async def _ids(broker: Broker, queue: str) -> set[str]:
    stored = await broker.schedules(queue)
    return {schedule.id for schedule in stored} | read_marks(await broker.notes(queue)).keys()


async def _in_queue(broker: Broker, queue: str) -> list[ScheduleView]:
    notes, stored, repeatables = await asyncio.gather(
        broker.notes(queue), broker.schedules(queue), broker.repeatables(queue)
    )
    marks, now = read_marks(notes), broker.now()
    runs, hand_runs = read_runs(notes), read_hand_runs(notes)

    def view(schedule_id: str, stored: StoredSchedule | None, owner: Owner) -> ScheduleView:
        times = next_times(stored, now) if stored is not None else []
        late_s = max(0.0, now - stored.next_at) if stored is not None and _goes_on(stored) else 0.0
        return ScheduleView(
            queue, schedule_id, owner, stored, marks.get(schedule_id), runs.get(schedule_id),
            hand_runs.get(schedule_id), times, late_s,
        )  # fmt: skip

    views = [view(one.id, one, _owner(marks.get(one.id))) for one in stored]
    views += [view(one.id, one, "repeatable") for one in repeatables]
    views += [view(one, None, _owner(marks[one])) for one in sorted(marks.keys() - {one.id for one in stored})]
    return views


def _owner(mark: Mark | None) -> Owner:
    if mark is None:
        return "other"
    return "app" if mark.app else "enqueue"


def _goes_on(schedule: StoredSchedule) -> bool:
    return schedule.slot_after(schedule.next_at) is not None


def next_times(schedule: StoredSchedule, now: float) -> list[float]:
    """The next five slots to come; fewer if it ends before."""
    coming = [schedule.next_at] if schedule.next_at > now else []
    limit = schedule.timing.limit
    left = NEXT_TIMES if limit is None else max(0, limit - schedule.made)
    more = islice(schedule.timing.slots(max(now, schedule.next_at)), min(left, NEXT_TIMES - len(coming)))
    return [*coming, *more]


def _timing(one: PublishedSchedule) -> Timing:
    return Timing(one.pattern, one.every_s, one.tz, one.offset_s, one.start_at, one.end_at, one.limit)
