"""What the end of a child does to its parent."""

from barback.memory.queues import JobKey, Queues, StoredJob


def child_added(queues: Queues, child: JobKey, parent: StoredJob) -> None:
    """The parent waits for it; if it had completed before, the parent has its result at once."""
    known = queues.find(child)
    if known is not None and child.id in queues[child.queue].places["completed"]:
        parent.results[child] = known.result or "null"
        _release_if_done(queues, parent)
    else:
        parent.pending[child] = None


def child_completed(queues: Queues, child: StoredJob, result: str) -> None:
    parent = _waited_for(queues, child)
    if parent is not None:
        parent.results[child.key] = result
        _release_if_done(queues, parent)


def child_failed(queues: Queues, child: StoredJob, reason: str) -> None:
    """As the child's `on_failure` says; None leaves the parent waiting for it."""
    rule = child.options.on_failure
    parent = _waited_for(queues, child) if rule else None
    if parent is None:
        return
    if rule == "fail-parent":
        parent.fatal[child.key] = None
        _fail(queues, parent, child.key)
    elif rule == "continue-parent":
        parent.failures[child.key] = reason
        _release(queues, parent)
    else:
        if rule == "ignore":
            parent.failures[child.key] = reason
        _release_if_done(queues, parent)


def child_removed(queues: Queues, child: StoredJob) -> None:
    """A parent that waited for this one only runs next, whatever its delay and priority (BullMQ's rule)."""
    parent = _waited_for(queues, child)
    if parent is not None and not parent.pending:
        queue = queues[parent.key.queue]
        if queue.places["waiting-children"].take(parent.id):
            queue.to_front(parent)


def child_runs_again(queues: Queues, child: StoredJob) -> None:
    """The parent waits for it again, if its end had counted."""
    parent = queues.find(child.parent) if child.parent else None
    if parent is None:
        return
    ended = (parent.results, parent.failures, parent.fatal)
    if any(child.key in ends for ends in ended):
        for ends in ended:
            ends.pop(child.key, None)
        parent.pending[child.key] = None


def _waited_for(queues: Queues, child: StoredJob) -> StoredJob | None:
    """The parent, if it waited for this child; from now on it does not."""
    parent = queues.find(child.parent) if child.parent else None
    if parent is None or child.key not in parent.pending:
        return None
    del parent.pending[child.key]
    return parent


def _release_if_done(queues: Queues, parent: StoredJob) -> None:
    if not parent.pending:
        _release(queues, parent)


def _release(queues: Queues, parent: StoredJob) -> None:
    if queues[parent.key.queue].places["waiting-children"].take(parent.id):
        _to_ready(queues, parent)


def _fail(queues: Queues, parent: StoredJob, child: JobKey) -> None:
    queue = queues[parent.key.queue]
    if parent.id in queue.places["failed"]:
        return
    parent.deferred_failure = f"child {child} failed"
    if queue.places["delayed"].take(parent.id):
        parent.delay_s = 0.0
        _to_ready(queues, parent)
    else:
        _release(queues, parent)


def _to_ready(queues: Queues, parent: StoredJob) -> None:
    queue = queues[parent.key.queue]
    if parent.delay_s > 0:
        queue.to_delayed(parent, queues.now + parent.delay_s)
    else:
        queue.to_ready(parent, lifo=True)
