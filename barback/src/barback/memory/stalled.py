"""Locks, and jobs whose worker died."""

from collections.abc import Sequence

from barback.broker import FetchedJob
from barback.memory.queues import Queue, moment

OVER_CRASH_LIMIT = "job stalled more than allowable limit"
"""BullMQ's words, so that both brokers say the same."""


def recover_stalled(queue: Queue, every_s: float, crash_limit: int, now: float) -> list[str]:
    """Twice seen: active without a lock now, and suspected since the last time."""
    if queue.next_check_at > now:
        return []
    queue.next_check_at = moment(now + every_s)
    suspects = sorted(queue.suspects, key=_as_in_a_set_of_integers)
    stalled = [job_id for job_id in suspects if queue.held(job_id, now) is None]
    recovered = [job_id for job_id in stalled if _recover(queue, job_id, crash_limit)]
    queue.suspects = dict.fromkeys(queue.places["active"])
    return recovered


def _recover(queue: Queue, job_id: str, crash_limit: int) -> bool:
    if not queue.places["active"].take(job_id):
        return False
    job = queue.jobs[job_id]
    job.crashes += 1
    # BullMQ: the jobs of a schedule are exempt from the limit.
    if job.crashes > crash_limit and job.schedule_id not in queue.schedules:
        job.deferred_failure = OVER_CRASH_LIMIT
    queue.locks.pop(job_id, None)
    queue.to_front(job)
    return True


def _as_in_a_set_of_integers(job_id: str) -> tuple[bool, int, str]:
    """Redis keeps a set of integers sorted; BullMQ puts them to the front in this order."""
    return (not job_id.isdigit(), int(job_id) if job_id.isdigit() else 0, job_id)


def extend_locks(queue: Queue, jobs: Sequence[FetchedJob], lock_s: float, now: float) -> list[FetchedJob]:
    """Those whose lock is lost. Called from a thread: it makes and removes no lock, so it cannot undo a settlement."""
    lost: list[FetchedJob] = []
    for held in jobs:
        lock = queue.held(held.id, now)
        if lock is None or lock.token != held.token:
            lost.append(held)
        else:
            lock.until = moment(now + lock_s)
            queue.suspects.pop(held.id, None)
    return lost
