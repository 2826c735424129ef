"""Names that are enqueued and that no worker knows: such a job fails at once, whatever attempts it has."""

from collections.abc import Iterator

from barback.doctor.facts import Facts, QueueFacts
from barback.doctor.telling import short
from barback.errors import did_you_mean
from barback.finding import Finding

CHECK = "names"
SHOWN = 5
"""Names of a queue; of the others there is one line."""


def check_names(facts: Facts) -> Iterator[Finding]:
    """Of the jobs that come first in each queue."""
    for queue in facts.queues:
        unknown = {name: count for name, count in queue.names.items() if not _known(facts, queue, name)}
        often = sorted(unknown, key=lambda name: -unknown[name])
        for name in often[:SHOWN]:
            yield _unknown(facts, queue.queue, name, unknown[name])
        if more := often[SHOWN:]:
            jobs = sum(unknown[name] for name in more)
            yield Finding(
                CHECK,
                "error",
                f"In queue '{queue.queue}' {jobs:,} more job{'s' if jobs > 1 else ''} of {len(more):,} "
                f"other name{'s' if len(more) > 1 else ''} wait{'s' if jobs == 1 else ''} that no worker knows.",
                "Correct the names where they are enqueued: what differs from job to job belongs into the payload.",
            )


def _unknown(facts: Facts, queue: str, name: str, count: int) -> Finding:
    jobs, they = ("1 job", "it") if count == 1 else (f"{count:,} jobs", "they")
    return Finding(
        CHECK,
        "error",
        f"In queue '{queue}' {jobs} named '{short(name)}' wait{'s' if count == 1 else ''}, and no worker knows that "
        f"name: {they} will fail.",
        _advice(facts, queue, short(name)),
    )


def _known(facts: Facts, queue: QueueFacts, name: str) -> bool:
    if queue.workers.work(queue.queue):
        return queue.workers.know(queue.queue, name)
    # Nobody works it: what this app declares will, if it is its queue at all.
    return name in facts.declared.get(queue.queue, {name})


def _advice(facts: Facts, queue: str, name: str) -> str:
    elsewhere = [other for other, names in facts.declared.items() if name in names and other != queue]
    if elsewhere:
        return f"'{name}' is worked in queue '{elsewhere[0]}': enqueue it there."
    if name in facts.declared.get(queue, ()):
        return "This release has it, the workers that run do not: deploy them before what enqueues it."
    hint = did_you_mean(name, facts.declared.get(queue, ()))
    return f"Correct the name where it is enqueued, or deploy the worker that has it.{hint}"
