"""Orphans: jobs in no list, which nobody would ever run, and keys of jobs that are gone."""

import shlex
from collections.abc import Iterator, Sequence

from barback.doctor.facts import Facts
from barback.finding import Finding

ORPHANS, KEYS = "orphans", "keys"
SHOWN = 3


def check_leftovers(facts: Facts) -> Iterator[Finding]:
    """Of queues that are small enough to be looked at whole; of others nothing is known."""
    for left in (queue.leftovers for queue in facts.queues):
        if left is None:
            continue
        if left.orphans:
            yield Finding(
                ORPHANS,
                "error",
                f"{_count(left.orphans, 'job')} of queue '{left.queue}' in no list, so that nobody runs "
                f"{'it' if len(left.orphans) == 1 else 'them'}: {_some(left.orphans)}.",
                f"Put back what is lost: barback jobs repair {shlex.quote(left.queue)}. BullMQ 5 that resumes a queue "
                "others added to does that (docs/design.md, 6).",
            )
        if left.keys:
            yield Finding(
                KEYS,
                "warning",
                f"{_count(left.keys, 'key')} of queue '{left.queue}' left of jobs that are gone: {_some(left.keys)}.",
                "They only take memory: somebody removed jobs by hand, or logged to one that was gone. Delete them "
                f"(redis-cli UNLINK {shlex.quote(left.keys[0])}).",
            )


def _count(found: Sequence[str], what: str) -> str:
    return f"1 {what} is" if len(found) == 1 else f"{len(found):,} {what}s are"


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
