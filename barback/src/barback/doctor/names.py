"""Names that are enqueued and that no worker knows: such a job fails at once, whatever attempts it has."""

from collections.abc import Iterator

from barback.doctor.facts import Facts, QueueFacts
from barback.errors import did_you_mean
from barback.finding import Finding

CHECK = "names"


def check_names(facts: Facts) -> Iterator[Finding]:
    """Of the jobs that come first in each queue."""
    for queue in facts.queues:
        for name, count in queue.names.items():
            if not _known(facts, queue, name):
                jobs = f"{count:,} job{'s' if count > 1 else ''}"
                yield Finding(
                    CHECK,
                    "error",
                    f"In queue '{queue.queue}' {jobs} named '{name}' wait{'s' if count == 1 else ''}, and no worker "
                    "knows that name: they will fail.",
                    _advice(facts, queue.queue, name),
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
