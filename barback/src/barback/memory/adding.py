"""Adding jobs and flows."""

from barback.answers import Answer, Created, Swallowed
from barback.broker import AddedFlow, NewFlow, NewJob
from barback.errors import BrokerError
from barback.memory import deduplication, families
from barback.memory.queues import JobKey, KeptAdd, Queue, Queues, StoredJob


def add_job(queues: Queues, new: NewJob, parent: JobKey | None = None, *, has_children: bool = False) -> Answer:
    queue = queues[new.queue]
    counted_id = queue.next_id()
    add = KeptAdd(new, new.options.job_id or counted_id, parent)
    if add.job_id in queue.jobs:
        _adopt(queues, queue.jobs[add.job_id], parent)
        return Swallowed(add.job_id, queue.state(add.job_id))
    by = deduplication.swallowed_by(queue, add, queues.now, may_replace=not has_children)
    if by is not None:
        return Swallowed(by, queue.state(by))
    store(queues, add, has_children=has_children)
    return Created(add.job_id)


def store(queues: Queues, add: KeptAdd, *, has_children: bool = False) -> None:
    """Make the job and put it where it waits."""
    queue, options = queues[add.job.queue], add.job.options
    job = StoredJob(
        key=JobKey(queue.name, add.job_id),
        name=add.job.name,
        data=add.job.data,
        options=options,
        added_at=queues.now,
        delay_s=options.delay_s,
        parent=add.parent,
    )
    queue.jobs[job.id] = job
    if has_children:
        queue.to_waiting_children(job)
    else:
        put_ready_or_delayed(queue, job, queues.now)
    parent = queues.find(add.parent) if add.parent else None
    if parent is not None:
        families.child_added(queues, job.key, parent)


def put_ready_or_delayed(queue: Queue, job: StoredJob, now: float) -> None:
    if job.delay_s > 0:
        queue.to_delayed(job, now + job.delay_s)
    else:
        queue.to_ready(job, lifo=job.options.lifo)


def add_flow(queues: Queues, flow: NewFlow) -> AddedFlow:
    _check(queues, flow, parent=None)
    return _add_tree(queues, flow, parent=None)


def _add_tree(queues: Queues, flow: NewFlow, parent: JobKey | None) -> AddedFlow:
    answer = add_job(queues, flow.job, parent, has_children=bool(flow.children))
    job_id = answer.job_id if isinstance(answer, Created) else answer.by
    key = JobKey(flow.job.queue, job_id)
    return AddedFlow(answer, [_add_tree(queues, child, key) for child in flow.children])


def _check(queues: Queues, flow: NewFlow, parent: JobKey | None) -> None:
    """Refuse the whole flow before anything of it is written."""
    queue, options = queues[flow.job.queue], flow.job.options
    known = queue.jobs.get(options.job_id) if options.job_id else None
    if known and parent and known.parent and known.parent != parent and queues.find(known.parent):
        raise BrokerError(f"Job '{flow.job.name}' was not added to '{queue.name}': it already has another parent.")
    if flow.children and not known and deduplication.stands_for(queue, options, queues.now):
        raise BrokerError(f"Job '{flow.job.name}' was not added to '{queue.name}': it has children, but is swallowed.")
    for child in flow.children:
        _check(queues, child, JobKey(queue.name, options.job_id or ""))


def _adopt(queues: Queues, known: StoredJob, parent_key: JobKey | None) -> None:
    parent = queues.find(parent_key) if parent_key else None
    if parent is not None:
        families.child_added(queues, known.key, parent)
        known.parent = parent_key
