"""All queues at a glance: two round trips, however many there are."""

from collections.abc import Sequence
from typing import Any

from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.looking import counts_command, told_counts
from barback.bullmq.numbers import whole_number
from barback.inspector import Glance

FIELDS = ("name", "timestamp", "delay")


async def glance(connection: Connection, queues: Sequence[Keys]) -> list[Glance]:
    """One for each, in their order."""
    if not queues:
        return []
    answers = await connection.run_all([_question(connection, keys) for keys in queues])
    heads = [[*answer[3:5], *answer[5]] for answer in answers]
    jobs = await _read_jobs(
        connection, [keys.job(i) for keys, ids in zip(queues, heads, strict=True) for i in ids if i]
    )
    found = iter(jobs)
    return [
        _told(keys, answer, [next(found) for i in ids if i])
        for keys, answer, ids in zip(queues, answers, heads, strict=True)
    ]


def _question(connection: Connection, keys: Keys) -> Call:
    return Call(
        [
            counts_command(connection, keys),
            ("HEXISTS", keys["meta"], "paused"),
            # Whoever looks for stalled jobs sets it, for as long as nobody else shall (BullMQ: 30 s).
            ("EXISTS", keys["stalled-check"]),
            ("LINDEX", keys["paused"], -1),
            ("LINDEX", keys["wait"], -1),
            ("ZRANGE", keys["prioritized"], 0, 0),
        ]
    )


async def _read_jobs(connection: Connection, names: Sequence[str]) -> list[list[str | None]]:
    if not names:
        return []
    [jobs] = await connection.run_all([Call([("HMGET", name, *FIELDS) for name in names])])
    return jobs


def _told(keys: Keys, answer: Sequence[Any], jobs: Sequence[Sequence[str | None]]) -> Glance:
    counts, paused, tended, *_ = answer
    # A marker of BullMQ 4 is in the list too, and no job.
    real = [job for job in jobs if job[0] is not None]
    since = [((whole_number(timestamp) or 0) + (whole_number(delay) or 0)) / 1000 for _, timestamp, delay in real]
    return Glance(
        keys.queue,
        bool(paused),
        told_counts(counts),
        real[0][0] if real else None,
        min(since, default=None),
        bool(tended),
    )
