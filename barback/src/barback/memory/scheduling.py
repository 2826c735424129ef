"""Schedules: each has one next job, delayed until its slot."""

from dataclasses import replace

from barback.broker import StoredSchedule
from barback.errors import BrokerError
from barback.memory import adding, deduplication
from barback.memory.queues import JobKey, Queue, Queues, StoredJob, moment, slot_id
from barback.options import JobOptions


def put(queues: Queues, queue: Queue, schedule: StoredSchedule, options: JobOptions) -> None:
    if schedule.next_at is None:
        raise BrokerError(f"Schedule '{schedule.id}' of '{queue.name}' was not put: it has no next time.")
    before = queue.schedules.get(schedule.id)
    replaced = before is not None and before.next_at is not None and _take_back(queue, schedule.id, before.next_at)
    if slot_id(schedule.id, schedule.next_at) in queue.jobs and not replaced:
        raise BrokerError(
            f"Schedule '{schedule.id}' of '{queue.name}': a job of its next slot exists and cannot be replaced."
        )
    queue.schedules[schedule.id] = replace(schedule, next_at=moment(schedule.next_at))
    _make_job(queues, queue, schedule, schedule.next_at, options)


def advance(queues: Queues, queue: Queue, schedule: StoredSchedule, next_at: float, options: JobOptions) -> bool:
    known = queue.schedules.get(schedule.id)
    if known is None or schedule.next_at is None or known.next_at != moment(schedule.next_at):
        return False
    if slot_id(schedule.id, next_at) in queue.jobs:
        return False
    queue.schedules[schedule.id] = replace(known, next_at=moment(next_at))
    _make_job(queues, queue, known, next_at, options)
    return True


def _take_back(queue: Queue, schedule_id: str, at: float) -> bool:
    """Remove the job of a slot, if it still waits. BullMQ does not find it in a paused queue."""
    job = queue.jobs.get(slot_id(schedule_id, at))
    if job is None or queue.state(job.id) not in _replaceable(queue):
        return False
    queue.take(job.id)
    deduplication.removed(queue, job)
    del queue.jobs[job.id]
    return True


def _replaceable(queue: Queue) -> tuple[str, ...]:
    return ("delayed", "prioritized") if queue.paused else ("delayed", "prioritized", "waiting")


def _make_job(queues: Queues, queue: Queue, schedule: StoredSchedule, at: float, options: JobOptions) -> None:
    queue.next_id()
    job = StoredJob(
        key=JobKey(queue.name, slot_id(schedule.id, at)),
        name=schedule.name,
        data=schedule.data,
        options=options,
        added_at=queues.now,
        delay_s=max(0.0, moment(at - queues.now)),
        schedule_id=schedule.id,
    )
    queue.jobs[job.id] = job
    adding.put_ready_or_delayed(queue, job, queues.now)
