"""Locks, and jobs whose worker died."""

from collections.abc import Sequence

from barback.broker import FetchedJob, Recovered, Renewal, longest_gap_s
from barback.errors import BrokerError
from barback.memory.queues import Lock, Queue, moment


def recover_stalled(queue: Queue, every_s: float, now: float) -> Recovered:
    """Twice seen: active without a lock now, and suspected since the last time. Here every job can be read."""
    if now - queue.checked_at > longest_gap_s(every_s):
        queue.suspects.clear()
    queue.checked_at = now
    if queue.next_check_at > now:
        return Recovered()
    queue.next_check_at = moment(now + every_s)
    suspects = sorted(queue.suspects, key=_as_in_a_set_of_integers)
    stalled = [job_id for job_id in suspects if queue.held(job_id, now) is None]
    recovered = [job_id for job_id in stalled if _recover(queue, job_id)]
    queue.suspects = dict.fromkeys(queue.places["active"])
    return Recovered(waiting=recovered)


def _recover(queue: Queue, job_id: str) -> bool:
    if not queue.places["active"].take(job_id):
        return False
    job = queue.jobs[job_id]
    job.stalls += 1
    queue.locks.pop(job_id, None)
    queue.to_front(job)
    return True


def _as_in_a_set_of_integers(job_id: str) -> tuple[bool, int, str]:
    """Redis keeps a set of integers sorted; BullMQ puts them to the front in this order."""
    return (not job_id.isdigit(), int(job_id) if job_id.isdigit() else 0, job_id)


def set_alone(queue: Queue, held: FetchedJob, alone: bool, now: float) -> bool:
    lock = queue.held(held.id, now)
    if lock is None or lock.token != held.token:
        return False
    queue.jobs[held.id].crashes_alone = held.crashes - 1 + alone
    return True


def cancel(queue: Queue, job_id: str, reason: str, now: float) -> None:
    lock = queue.held(job_id, now)
    if lock is None:
        state = queue.state(job_id)
        raise BrokerError(f"Job {job_id} of '{queue.name}' was not cancelled: it is {state}, and nobody works it.")
    queue.cancels[lock.token] = reason


def is_held(queue: Queue, held: FetchedJob, now: float) -> bool:
    """By this token, or by nobody since its lock ran out: who went on through an outage still has it."""
    lock = queue.held(held.id, now)
    if lock is not None:
        return lock.token == held.token
    return held.id in queue.places["active"] and queue.jobs[held.id].starts == held.starts


def extend_locks(queue: Queue, jobs: Sequence[FetchedJob], lock_s: float, now: float) -> Renewal:
    """Called from a thread."""
    lost: list[FetchedJob] = []
    for held in jobs:
        if is_held(queue, held, now):
            queue.locks[held.id] = Lock(held.token, moment(now + lock_s))
            queue.suspects.pop(held.id, None)
        else:
            lost.append(held)
    asked = [(held, queue.cancels.pop(held.token, None)) for held in jobs]
    return Renewal(lost, [(held, reason) for held, reason in asked if reason is not None])
