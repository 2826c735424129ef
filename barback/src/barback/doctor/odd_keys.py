"""Keys of a queue that hold something else than BullMQ keeps there."""

import shlex
from collections.abc import Iterator, Sequence

from barback.doctor.facts import Facts
from barback.doctor.telling import SHOWN, short
from barback.examiner import OddKey
from barback.finding import Finding

CHECK, COUNTER = "keys", "id"


def check_odd_keys(facts: Facts) -> Iterator[Finding]:
    """One finding a queue, at most; not of those that cannot be read: `check_waiting` tells of them."""
    for queue in facts.queues:
        if queue.odd_keys and queue.broken is None:
            yield Finding(
                CHECK,
                "error",
                f"In queue '{short(queue.queue)}' {describe(queue.odd_keys)}: what needs it fails.",
                mend(queue.odd_keys, facts.database),
            )


def describe(odd_keys: Sequence[OddKey]) -> str:
    """Which, and what is in them."""
    return " and ".join(str(one) for one in odd_keys[:SHOWN])


def mend(odd_keys: Sequence[OddKey], database: int) -> str:
    """What to do about them."""
    ask = f"redis-cli -n {database}"
    others = [shlex.quote(one.key) for one in odd_keys if one.name != COUNTER]
    todo = [f"remove what is of another type ({ask} DEL {' '.join(others)})"] if others else []
    # Without the counter ids begin at 1 again.
    todo += [
        f"set the counter above the ids of all jobs that are there, for which new ones are taken else "
        f"({ask} SET {shlex.quote(one.key)} NUMBER)"
        for one in odd_keys
        if one.name == COUNTER
    ]
    return f"Something else writes keys of that name: find it, and {' and '.join(todo)}."
