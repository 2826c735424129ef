"""Jobs fail: what most of the failed ones of a day have in common."""

import shlex
from collections.abc import Iterator

from barback.control.failures import FailureGroup
from barback.doctor.facts import Facts
from barback.doctor.telling import short, some
from barback.finding import Finding

CHECK = "failing"
LEAST = 3
"""Failures of one kind in 24 hours that are told of."""
GROUPS = 3
"""Of one queue."""
LONGEST = 300


def check_failures(facts: Facts) -> Iterator[Finding]:
    """The largest groups of each queue."""
    for queue in facts.queues:
        often = [group for group in queue.failures if sum(group.by_hour) >= LEAST]
        for group in often[:GROUPS]:
            yield Finding(
                CHECK,
                "warning",
                f"{sum(group.by_hour):,} jobs of queue '{queue.queue}' ({some(group.names)}) failed in the last "
                f"24 h for one reason: {short(group.sample_reason, LONGEST)}",
                _advice(queue.queue, group),
            )


def _advice(queue: str, group: FailureGroup) -> str:
    reason = group.sample_reason
    again = f"then retry them: dashboard, or barback jobs retry {shlex.quote(queue)} {shlex.quote(group.sample_id)}."
    if reason.startswith("No job named"):
        return f"Correct the name where it is enqueued, or deploy the worker that has it; {again}"
    if reason.startswith("Payload of"):
        return f"What enqueues and what works declare different fields: make them equal; {again}"
    if reason.startswith("Its worker died"):
        return "It kills its worker (memory, C code): see the worker's log; declare it with runs_in='process'."
    if "longer than its timeout" in reason:
        return f"Raise its timeout_s, or see what it waits for; {again}"
    return (
        f"See one with its stack trace: barback jobs show {shlex.quote(queue)} {shlex.quote(group.sample_id)}; {again}"
    )
