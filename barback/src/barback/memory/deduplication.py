"""Which add is swallowed by which job, and when its key is free again."""

from barback.memory.queues import DeduplicationKey, KeptAdd, Queue, StoredJob, moment
from barback.options import Deduplication, JobOptions


def swallowed_by(queue: Queue, add: KeptAdd, now: float, *, may_replace: bool) -> str | None:
    """The id of the job that stands for this add. None: it shall be made, and stands for later ones."""
    rule = add.job.options.deduplicate
    if rule is None:
        return None
    key = _key(queue, rule.id, now)
    if key is None:
        _claim(queue, rule, add.job_id, now)
    elif rule.replace and may_replace and queue.places["delayed"].take(key.job_id):
        _replace(queue, rule, key, add.job_id, now)
    else:
        _swallow(queue, rule, key, add, now, replacing=rule.replace and may_replace)
        return key.job_id
    return None


def stands_for(queue: Queue, options: JobOptions, now: float) -> bool:
    """Whether a job has the key that a job with these options would need, and would swallow it."""
    return options.deduplicate is not None and _key(queue, options.deduplicate.id, now) is not None


def finished(queue: Queue, job: StoredJob, now: float) -> KeptAdd | None:
    """Free the key, unless it has a time to live; the add kept for after this job, which now stands for its id."""
    if job.deduplication_id is None:
        return None
    key = _key(queue, job.deduplication_id, now)
    if key is not None and key.until is None and key.job_id == job.id:
        del queue.deduplications[job.deduplication_id]
    kept = queue.kept.pop(job.deduplication_id, None)
    if kept is not None and kept.job.options.deduplicate is not None:
        _claim(queue, kept.job.options.deduplicate, kept.job_id, now)
    return kept


def removed(queue: Queue, job: StoredJob) -> None:
    """Free the key and forget the kept add, if this job stood for them."""
    key = queue.deduplications.get(job.deduplication_id or "")
    if key is not None and job.deduplication_id is not None and key.job_id == job.id:
        del queue.deduplications[job.deduplication_id]
        queue.kept.pop(job.deduplication_id, None)


def _key(queue: Queue, deduplication_id: str, now: float) -> DeduplicationKey | None:
    key = queue.deduplications.get(deduplication_id)
    return key if key and (key.until is None or key.until > now) else None


def _claim(queue: Queue, rule: Deduplication, job_id: str, now: float) -> None:
    queue.deduplications[rule.id] = DeduplicationKey(job_id, _until(rule, now))


def _until(rule: Deduplication, now: float) -> float | None:
    return None if rule.ttl_s is None or rule.keep_last_if_active else moment(now + rule.ttl_s)


def _replace(queue: Queue, rule: Deduplication, key: DeduplicationKey, job_id: str, now: float) -> None:
    queue.jobs.pop(key.job_id, None)
    queue.kept.pop(rule.id, None)
    key.job_id = job_id
    if rule.extend or rule.ttl_s is None or rule.keep_last_if_active:
        key.until = _until(rule, now)


def _swallow(
    queue: Queue, rule: Deduplication, key: DeduplicationKey, add: KeptAdd, now: float, *, replacing: bool
) -> None:
    if rule.keep_last_if_active and key.job_id in queue.places["active"]:
        queue.kept[rule.id] = add
        # It must not run out while the job runs, or the next add would start beside it.
        key.until = None
    elif rule.extend and rule.ttl_s is not None and not replacing:
        key.until = _until(rule, now)
