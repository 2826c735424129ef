"""Fetching jobs and settling them."""

from barback.broker import (
    Completed,
    Exchange,
    Failed,
    FetchedJob,
    HandedBack,
    Lease,
    ListedState,
    Retry,
    Settled,
    Settlement,
    crashes_kept,
)
from barback.memory import adding, deduplication, families, stalled
from barback.memory.queues import Lock, Queue, Queues, StoredJob, moment
from barback.options import Retention

# ── fetching ────────────────────────────────────────────────────────────────────────────────────────


def fetch(queues: Queues, queue: Queue, count: int, lease: Lease) -> Exchange:
    """Up to `count` jobs, and what the caller has to wait for if there were fewer."""
    jobs: list[FetchedJob] = []
    while len(jobs) < count:
        promote_due(queue, queues.now)
        limited_until = queue.limited_until(queues.now)
        if limited_until is not None:
            return Exchange(jobs=jobs, limited_until=limited_until)
        job = None if queue.blocked() else _take_next(queue)
        if job is None:
            return Exchange(jobs=jobs, next_at=None if queue.blocked() else queue.next_due_at())
        jobs.append(_start(queue, job, lease, queues.now))
    return Exchange(jobs=jobs)


def promote_due(queue: Queue, now: float) -> None:
    """Delayed jobs that are due wait behind the others, those of a priority behind their equals."""
    due_at = queue.next_due_at()
    while due_at is not None and due_at <= now:
        job_id = queue.places["delayed"].take_first()
        if job_id is not None:
            job = queue.jobs[job_id]
            job.delay_s = 0.0
            queue.to_ready(job)
        due_at = queue.next_due_at()


def _take_next(queue: Queue) -> StoredJob | None:
    job_id = queue.places["waiting"].take_first() or queue.places["prioritized"].take_first()
    return queue.jobs[job_id] if job_id is not None else None


def _start(queue: Queue, job: StoredJob, lease: Lease, now: float) -> FetchedJob:
    if job.deferred_failure is None:
        _count_for_rate(queue, now)
    queue.tokens += 1
    token = f"{lease.worker}:{queue.name}:{queue.tokens}"
    queue.locks[job.id] = Lock(token, moment(now + lease.lock_s))
    queue.to_active(job)
    job.starts += 1
    job.started_at = now
    job.worker = lease.worker
    return FetchedJob(
        queue=queue.name,
        id=job.id,
        token=token,
        name=job.name,
        data=job.data,
        options=job.options,
        attempt=job.attempts_made + 1,
        starts=job.starts,
        crashes=job.crashes,
        stalls=job.stalls,
        added_at=job.added_at,
        started_at=now,
        stacktraces=job.stacktraces,
        schedule_id=job.schedule_id,
        deferred_failure=job.deferred_failure,
        is_child=job.parent is not None,
    )


def _count_for_rate(queue: Queue, now: float) -> None:
    if queue.limits.rate is None:
        return
    if queue.rate_until <= now:
        queue.rate_used = 0
        queue.rate_until = moment(now + queue.limits.rate[1])
    queue.rate_used += 1


# ── settling ────────────────────────────────────────────────────────────────────────────────────────


def settle(queues: Queues, settlement: Settlement) -> Settled:
    held, outcome = settlement.job, settlement.outcome
    queue = queues[held.queue]
    job = queue.jobs.get(held.id)
    if job is None:
        return Settled.GONE
    if isinstance(outcome, Completed) and (job.pending or job.fatal):
        return Settled.CHILDREN
    if not stalled.is_held(queue, held, queues.now):
        return Settled.LOCK_LOST
    queue.locks.pop(job.id, None)
    queue.suspects.pop(job.id, None)
    if held.crashes:
        job.crashes_alone = crashes_kept(held, outcome)
    match outcome:
        case Completed():
            _complete(queues, job, outcome)
        case Failed():
            _fail(queues, job, outcome)
        case Retry():
            _retry(queues, job, outcome)
        case HandedBack():
            _hand_back(queue, job)
    return Settled.WRITTEN


def _complete(queues: Queues, job: StoredJob, outcome: Completed) -> None:
    job.result = outcome.result
    _leave_active(queues, job)
    families.child_completed(queues, job, outcome.result)
    _keep(queues, job, "completed", job.options.keep_completed)


def _fail(queues: Queues, job: StoredJob, outcome: Failed) -> None:
    job.failed_reason = outcome.reason
    job.deferred_failure = None
    _add_stacktrace(job, outcome.stacktrace)
    _leave_active(queues, job)
    families.child_failed(queues, job, outcome.reason)
    _keep(queues, job, "failed", job.options.keep_failed)


def _retry(queues: Queues, job: StoredJob, outcome: Retry) -> None:
    queue = queues[job.key.queue]
    job.failed_reason = outcome.reason
    _add_stacktrace(job, outcome.stacktrace)
    queue.places["active"].take(job.id)
    if outcome.uses_attempt:
        job.attempts_made += 1
    if outcome.after_s > 0 or not outcome.uses_attempt:
        job.delay_s = outcome.after_s
        queue.to_delayed(job, queues.now + outcome.after_s)
    else:
        promote_due(queue, queues.now)
        queue.to_ready(job, lifo=job.options.lifo)


def _hand_back(queue: Queue, job: StoredJob) -> None:
    queue.places["active"].take(job.id)
    if job.options.priority:
        queue.to_priority(job, first=True)
    else:
        queue.to_front(job)


def _leave_active(queues: Queues, job: StoredJob) -> None:
    queue = queues[job.key.queue]
    queue.places["active"].take(job.id)
    job.attempts_made += 1
    kept = deduplication.finished(queue, job, queues.now)
    if kept is not None:
        queue.next_id()  # BullMQ counts here too, though the job has the id its add was given
        adding.store(queues, kept)


def _add_stacktrace(job: StoredJob, stacktrace: str) -> None:
    traces = (*job.stacktraces, stacktrace) if stacktrace else job.stacktraces
    limit = job.options.keep_stacktraces
    job.stacktraces = traces[-limit:] if limit else ()


# ── retention ───────────────────────────────────────────────────────────────────────────────────────


def _keep(queues: Queues, job: StoredJob, state: ListedState, retention: Retention) -> None:
    """The bounds of the job that finishes now hold for all finished ones (P16, BullMQ's rule)."""
    queue = queues[job.key.queue]
    if retention.count == 0:
        _forget(queues, job)
        return
    job.finished_at = queues.now
    queue.to_finished(job, state)
    newest_first = [queue.jobs[job_id] for job_id in queue.places[state]]
    too_old = [finished for finished in newest_first if _is_too_old(finished, retention, queues.now)]
    for finished in too_old[: retention.remove_at_most]:
        _take(queues, finished, state)
    if retention.count is not None:
        for job_id in list(queue.places[state])[retention.count :]:
            _take(queues, queue.jobs[job_id], state)


def _is_too_old(job: StoredJob, retention: Retention, now: float) -> bool:
    return retention.age_s is not None and (job.finished_at or now) <= now - retention.age_s


def _take(queues: Queues, job: StoredJob, state: ListedState) -> None:
    queues[job.key.queue].places[state].take(job.id)
    _forget(queues, job)


def _forget(queues: Queues, job: StoredJob) -> None:
    families.child_removed(queues, job)
    del queues[job.key.queue].jobs[job.id]
