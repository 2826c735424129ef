"""Schedules: each has one next job, delayed until its slot."""

from collections.abc import Mapping
from dataclasses import replace

from barback.broker import StoredSchedule
from barback.errors import BrokerError
from barback.memory import adding, deduplication
from barback.memory.queues import JobKey, Queue, Queues, StoredJob, moment
from barback.slots import slot_id


def put(queues: Queues, queue: Queue, schedule: StoredSchedule) -> None:
    before = queue.schedules.get(schedule.id)
    replaced = before is not None and _take_back(queue, schedule.id, before.next_at)
    if slot_id(schedule.id, schedule.next_at) in queue.jobs and not replaced:
        raise BrokerError(
            f"Schedule '{schedule.id}' of '{queue.name}': a job of its next slot exists and cannot be replaced."
        )
    made = max(before.made if before is not None else 1, schedule.made)
    queue.schedules[schedule.id] = replace(schedule, next_at=moment(schedule.next_at), made=made)
    _make_job(queue, schedule, queues.now)


def advance(queues: Queues, queue: Queue, schedule: StoredSchedule, next_at: float) -> bool:
    known = queue.schedules.get(schedule.id)
    if known is None or known.next_at != moment(schedule.next_at) or slot_id(schedule.id, next_at) in queue.jobs:
        return False
    next_one = queue.schedules[schedule.id] = replace(known, next_at=moment(next_at), made=known.made + 1)
    # One that is due is delayed all the same: those of earlier slots go first.
    _make_job(queue, next_one, known.next_at if next_at <= queues.now else queues.now)
    return True


def remove(queue: Queue, schedule_id: str) -> bool:
    schedule = queue.schedules.pop(schedule_id, None)
    if schedule is None:
        return False
    job_id = slot_id(schedule_id, schedule.next_at)
    if job_id in queue.jobs and queue.state(job_id) == "delayed":
        _delete(queue, queue.jobs[job_id])
    return True


def set_notes(queue: Queue, notes: Mapping[str, str | None], expected: Mapping[str, str | None]) -> bool:
    if any(queue.notes.get(name) != text for name, text in expected.items()):
        return False
    queue.notes = {name: text for name, text in {**queue.notes, **notes}.items() if text is not None}
    return True


def _take_back(queue: Queue, schedule_id: str, at: float) -> bool:
    """Remove the job of a slot, if it still waits. BullMQ does not find it in a paused queue."""
    job = queue.jobs.get(slot_id(schedule_id, at))
    if job is None or queue.state(job.id) not in _replaceable(queue):
        return False
    _delete(queue, job)
    return True


def _delete(queue: Queue, job: StoredJob) -> None:
    queue.take(job.id)
    deduplication.removed(queue, job)
    del queue.jobs[job.id]


def _replaceable(queue: Queue) -> tuple[str, ...]:
    return ("delayed", "prioritized") if queue.paused else ("delayed", "prioritized", "waiting")


def _make_job(queue: Queue, schedule: StoredSchedule, now: float) -> None:
    queue.next_id()
    delay_s = max(0.0, moment(schedule.next_at - now))
    job = StoredJob(
        key=JobKey(queue.name, slot_id(schedule.id, schedule.next_at)),
        name=schedule.name,
        data=schedule.data,
        options=replace(schedule.options, delay_s=delay_s),
        added_at=now,
        delay_s=delay_s,
        schedule_id=schedule.id,
    )
    queue.jobs[job.id] = job
    adding.put_ready_or_delayed(queue, job, now)
