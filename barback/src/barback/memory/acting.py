"""What a person does to a job: remove it, retry it, run it now."""

from barback.errors import BrokerError
from barback.memory import deduplication, families
from barback.memory.queues import JobKey, Queue, Queues, StoredJob
from barback.slots import slot_id


def remove(queues: Queues, key: JobKey) -> bool:
    job = queues.find(key)
    if job is None:
        return False
    if _is_next_of_schedule(queues[key.queue], job):
        raise BrokerError(f"Job {key.id} of '{key.queue}' was not removed: a schedule owns it.")
    if _is_worked(queues, job):
        raise BrokerError(f"Job {key.id} of '{key.queue}' was not removed: it, or a child of it, is being worked.")
    _remove_tree(queues, job)
    return True


def retry(queues: Queues, key: JobKey) -> None:
    queue = queues[key.queue]
    state = queue.state(key.id)
    if state not in ("failed", "completed"):
        raise BrokerError(f"Job {key.id} of '{key.queue}' cannot be retried: it is {state}, not failed or completed.")
    job = queue.jobs[key.id]
    queue.places[state].take(job.id)
    if state == "failed":
        job.failed_reason = None
    else:
        job.result = None
    job.finished_at = job.started_at = None
    job.attempts_made = 0
    queue.to_ready(job)
    families.child_runs_again(queues, job)


def promote(queues: Queues, key: JobKey) -> None:
    queue = queues[key.queue]
    if not queue.places["delayed"].take(key.id):
        raise BrokerError(f"The job of '{key.queue}' was not promoted: it is not in the state for that.")
    job = queue.jobs[key.id]
    job.delay_s = 0.0
    queue.to_ready(job)


def _is_next_of_schedule(queue: Queue, job: StoredJob) -> bool:
    schedule = queue.schedules.get(job.schedule_id or "")
    return schedule is not None and job.id == slot_id(schedule.id, schedule.next_at)


def _is_worked(queues: Queues, job: StoredJob) -> bool:
    if queues[job.key.queue].held(job.id, queues.now):
        return True
    children = [queues.find(child) for child in job.pending]
    return any(child is not None and _is_worked(queues, child) for child in children)


def _remove_tree(queues: Queues, job: StoredJob) -> None:
    queue = queues[job.key.queue]
    families.child_removed(queues, job)
    for child_key in [*job.results, *job.failures, *job.fatal, *job.pending]:
        child = queues.find(child_key)
        if child is not None:
            _remove_tree(queues, child)
    queue.take(job.id)
    queue.locks.pop(job.id, None)
    deduplication.removed(queue, job)
    queue.jobs.pop(job.id, None)
