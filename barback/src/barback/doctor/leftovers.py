"""Orphans: jobs in no list, which nobody would ever run, and keys of jobs that are gone."""

import shlex
from collections.abc import Iterator, Sequence

from barback.doctor.facts import Facts
from barback.doctor.telling import count, some
from barback.examiner import Leftovers
from barback.finding import Finding

ORPHANS, KEYS = "orphans", "keys"


def check_leftovers(facts: Facts) -> Iterator[Finding]:
    """Of each queue; and which were not looked at, or not all of them."""
    for left in facts.leftovers:
        if left.orphans:
            yield Finding(
                ORPHANS,
                "error",
                f"{count(left.orphans, 'job')} of queue '{left.queue}' {_are(left.orphans)} in no list, so that nobody "
                f"runs {'it' if len(left.orphans) == 1 else 'them'}: {some(left.orphans)}.",
                f"Put back what is lost: barback jobs repair {shlex.quote(left.queue)}. BullMQ 5 that resumes a queue "
                "others added to does that (docs/design.md, 6).",
            )
        if left.keys:
            yield Finding(
                KEYS,
                "warning",
                f"{count(left.keys, 'key')} of queue '{left.queue}' {_are(left.keys)} left of jobs that are gone: "
                f"{some(left.keys)}.",
                "They only take memory: somebody removed jobs by hand, or logged to one that was gone. Delete them "
                f"(redis-cli -n {facts.database} DEL {shlex.quote(left.keys[0])}).",
            )
    yield from _not_looked_at([left for left in facts.leftovers if not left.complete])


def _not_looked_at(left: list[Leftovers]) -> Iterator[Finding]:
    if left:
        queues = f"queue{'s' if len(left) > 1 else ''} {some([one.queue for one in left])}"
        yield Finding(
            ORPHANS,
            "warning",
            f"Whether jobs of {queues} are in no list was not looked at, or not to the end: that takes too long here.",
            f"Only if jobs are missing: barback jobs repair {shlex.quote(left[0].queue)} looks through all of a queue.",
        )


def _are(found: Sequence[str]) -> str:
    return "is" if len(found) == 1 else "are"
