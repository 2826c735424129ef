"""Jobs are not processed: what keeps the first job of a queue from running."""

import shlex
from collections.abc import Iterator

from barback.control.why import Cause, Why
from barback.doctor.facts import Facts, QueueFacts
from barback.doctor.odd_keys import describe, mend
from barback.doctor.telling import short
from barback.errors import did_you_mean
from barback.finding import Finding, Level

CHECK = "waiting"
LEVELS: dict[Cause, Level] = {"paused": "warning", "no-worker": "error", "rate": "warning", "concurrency": "warning"}
"""Unknown names are told by a check of their own; the other causes end by themselves."""

UNREADABLE = "Something else has written there what BullMQ does not: find it, and remove that."
LONGEST_REASON = 300


def check_waiting(facts: Facts) -> Iterator[Finding]:
    """One finding a queue, at most; and each queue that cannot be read at all."""
    for queue in facts.queues:
        if queue.broken is not None:
            yield Finding(
                CHECK,
                "error",
                f"Queue '{queue.queue}' cannot be read: {_why_broken(queue)}",
                mend(queue.odd_keys, facts.database) if queue.odd_keys else UNREADABLE,
            )
        elif (why := queue.why) is not None and why.cause in LEVELS and not _tended(queue, why):
            waits = sum(queue.glance.counts[state] for state in ("waiting", "prioritized")) if queue.glance else 0
            jobs = (
                f"1 job of queue '{queue.queue}' waits"
                if waits == 1
                else f"{waits:,} jobs of queue '{queue.queue}' wait"
            )
            text = f"{jobs}. {why.sentence}"
            yield Finding(CHECK, LEVELS[why.cause], text, _advice(facts, queue, why))


def _why_broken(queue: QueueFacts) -> str:
    broken = short(queue.broken or "", LONGEST_REASON)
    return f"{broken}: {describe(queue.odd_keys)}." if queue.odd_keys else broken


def _tended(queue: QueueFacts, why: Why) -> bool:
    """A worker that we cannot see (as Node's, if we may not ask who is connected) looks after it."""
    return why.cause == "no-worker" and queue.glance is not None and queue.glance.tended


def _advice(facts: Facts, queue: QueueFacts, why: Why) -> str:
    match why.cause:
        case "no-worker" if queue.queue in facts.declared:
            return "Start one: barback work. If one runs, see that it has this REDIS_URL, REDIS_DB and BARBACK_PREFIX."
        case "no-worker":
            hint = did_you_mean(queue.queue, facts.declared)
            return f"No job of this app is in that queue: correct its name where jobs are enqueued.{hint}"
        case "paused":
            return f"Resume it when that is wanted: barback jobs resume {shlex.quote(queue.queue)}."
        case "rate":
            return "It goes on by itself; raise QueueLimits(rate=…) of the app, if it should be faster."
        case _:
            return "Raise QueueLimits(concurrency=…) of the app, or find out why what runs takes so long."
