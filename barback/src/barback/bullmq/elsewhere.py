"""Queues of our names in other databases of the server, and under other prefixes: what was enqueued past us."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from barback.bullmq.connection import Connection
from barback.bullmq.finding import KEYS_A_STEP
from barback.bullmq.keys import keys_of
from barback.errors import BarbackError
from barback.examiner import Elsewhere

META = ":meta"


async def find(connection: Connection, prefix: str, queues: frozenset[str]) -> list[Elsewhere]:
    """All of them, but those of this very database and prefix."""
    found: list[Elsewhere] = []
    [keyspace] = await connection.ask([("INFO", "keyspace")])
    for database in sorted({connection.database, *_databases(keyspace or {})}):
        there = connection if database == connection.database else connection.to_database(database)
        try:
            for other, queue in await _look(there, queues):
                if (database, other) != (connection.database, prefix):
                    found.append(Elsewhere(queue, database, other, await _waiting(there, other, queue)))
        finally:
            if there is not connection:
                await there.close()
    return found


def _databases(keyspace: Mapping[str, Any]) -> list[int]:
    """`db0`, `db1` …, of which each has keys."""
    return [int(match[1]) for name in keyspace if (match := re.fullmatch(r"db(\d+)", name))]


async def _look(connection: Connection, queues: frozenset[str]) -> list[tuple[str, str]]:
    cursor, found = 0, set[tuple[str, str]]()
    while True:
        told = await connection.run("SCAN", cursor, "MATCH", f"*{META}", "COUNT", KEYS_A_STEP, "TYPE", "hash")
        for key in told[1]:
            prefix, _, queue = str(key).removesuffix(META).rpartition(":")
            if queue in queues and prefix:
                found.add((prefix, queue))
        cursor = int(told[0])
        if not cursor:
            return sorted(found)


async def _waiting(connection: Connection, prefix: str, queue: str) -> int | None:
    """How many should run by now and do not; None: it is not told."""
    keys = keys_of(prefix, queue)
    asked: Sequence[tuple[Any, ...]] = [
        # There while a worker, Node's or ours, looks after the queue (as in `glancing`).
        ("EXISTS", keys["stalled-check"]),
        ("LLEN", keys["wait"]),
        ("LLEN", keys["paused"]),
        ("ZCARD", keys["prioritized"]),
        ("ZCOUNT", keys["delayed"], 0, int(time.time() * 1000) * 0x1000),
    ]
    try:
        counts = await connection.ask(asked)
    except BarbackError:
        # Our user has no right to keys of that prefix.
        return None
    if None in counts:
        return None
    is_worked, *waiting = counts
    # Another installation's, whose worker will come to them.
    return 0 if is_worked else sum(waiting)
