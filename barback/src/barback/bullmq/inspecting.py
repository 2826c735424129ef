"""Looking at many jobs in steps that hold Redis up for some milliseconds each (`lua/scanJobs.lua`)."""

import re
from collections.abc import Sequence
from math import inf, isfinite
from typing import Any, cast

from barback.answers import State
from barback.broker import JobRecord, ListedState, QueueLimits
from barback.bullmq.codec import decode_record, decode_seen
from barback.bullmq.connection import Call, Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.numbers import whole_number
from barback.bullmq.packing import pack
from barback.inspector import Bounds, Family, Needle, Place, Scanned, Sieve

LONGEST = 16 * 1024
"""Bytes of a payload, result, reason or progress in a list; the rest is cut."""
MOST_READ, MOST_RETURNED = 4 * 1024 * 1024, 1024 * 1024
"""Bytes of payloads after which one call ends, whatever is left to look at (some milliseconds of Redis's time)."""
FIELDS: dict[Place, int] = {"anywhere": 0, "name": 1, "data": 2, "error": 3, "id": 4}
FAR_BACK = 200_000
"""How deep in a list a job is looked for: Redis goes through it one by one (some milliseconds)."""
RELATIVES = 100
NONE = "barback:none"
"""A key that never exists."""
BY_HAND = 2**53 - 1
"""What stands in a rate limiter that was closed by hand, whatever the limit."""


async def scan(
    connection: Connection, keys: Keys, state: ListedState, start: int, count: int, sieve: Sieve, wanted: int
) -> Scanned:
    if count <= 0 or wanted <= 0:
        return Scanned((), 0)
    told = pack([
        state in ("completed", "failed"), start, count, wanted, LONGEST, MOST_READ, MOST_RETURNED,
        [_needle(needle) for needle in sieve.needles], _bounds(sieve.attempts, 1), _bounds(sieve.added, 1000),
    ])  # fmt: skip
    looked, last_id, jobs = await connection.run(*connection.script("scanJobs", _places(keys, state), keys.base, told))
    return Scanned([decode_seen(keys, state, job) for job in jobs], looked, last_id)


async def count(connection: Connection, keys: Keys, state: ListedState) -> int:
    command = "LLEN" if state in ("waiting", "active") else "ZCARD"
    asked = [(command, key) for key in _places(keys, state)]
    [counts] = await connection.run_all([Call(asked)])
    return sum(counts)


async def find_place(connection: Connection, keys: Keys, state: ListedState, job_id: str) -> int | None:
    if state not in ("waiting", "active"):
        rank = "ZREVRANK" if state in ("completed", "failed") else "ZRANK"
        return await connection.run(rank, keys[state], job_id)
    before = 0
    for key in _places(keys, state):
        # Both in one MULTI: the place is counted from the left end, and a list runs from its right one.
        asked = [("LLEN", key), ("LPOS", key, job_id, "RANK", -1, "MAXLEN", FAR_BACK)]
        [[length, index]] = await connection.run_all([Call(asked)], atomic=True)
        if index is not None:
            return before + length - 1 - index
        before += length
    return None


async def read_many(connection: Connection, keys: Keys, job_ids: Sequence[str]) -> list[JobRecord | None]:
    states = keys.many("completed", "failed", "delayed", "active", "wait", "paused", "waiting-children", "prioritized")
    calls = [
        Call([("HGETALL", keys.job(job_id)), connection.script("getStateV2", states, job_id, keys.job(job_id))])
        for job_id in job_ids
    ]
    answers = await connection.run_all(calls) if calls else []
    return [
        decode_record(keys, job_id, cast("State", state), fields) if fields else None
        for job_id, (fields, state) in zip(job_ids, answers, strict=True)
    ]


async def read_limits(connection: Connection, keys: Keys) -> QueueLimits:
    """As `set_limits` left them; a value that is none is no limit."""
    told: list[str | None] = await connection.run("HMGET", keys["meta"], "concurrency", "max", "duration")
    concurrency, most, duration = (whole_number(text) or 0 for text in told)
    return QueueLimits(concurrency or None, (most, duration / 1000) if most and duration else None)


async def read_limited_for_s(connection: Connection, keys: Keys) -> float:
    """By the queue's own limit, or by hand; the limit that a Node worker brings along is known to that worker only."""
    asked = [("HGET", keys["meta"], "max"), ("GET", keys["limiter"]), ("PTTL", keys["limiter"])]
    [[most, used, left]] = await connection.run_all([Call(asked)])
    limit = whole_number(most)
    reached = (whole_number(used) or 0) >= (BY_HAND if limit is None else limit)
    return left / 1000 if left > 0 and reached else 0.0


async def read_due_at(connection: Connection, keys: Keys, job_id: str) -> float | None:
    score: Any = await connection.run("ZSCORE", keys["delayed"], job_id)
    # BullMQ keeps the order of jobs of one moment in the lowest 12 bits. Somebody else may have put it there for ever.
    return None if score is None or not isfinite(float(score)) else int(float(score)) // 0x1000 / 1000


async def read_family(connection: Connection, keys: Keys, job_id: str) -> Family:
    key = keys.job(job_id)
    pending, finished, kept, fatal = f"{key}:dependencies", f"{key}:processed", f"{key}:failed", f"{key}:unsuccessful"
    asked: list[Command] = [
        ("SCARD", pending), ("HLEN", finished), ("HLEN", kept), ("ZCARD", fatal),
        ("SRANDMEMBER", pending, RELATIVES), ("HRANDFIELD", finished, RELATIVES), ("HRANDFIELD", kept, RELATIVES),
        ("ZRANGE", fatal, 0, RELATIVES - 1),
    ]  # fmt: skip
    [[pending_count, finished_count, kept_count, fatal_count, *found]] = await connection.run_all([Call(asked)])
    named = [sorted(str(child).removeprefix(f"{keys.prefix}:") for child in some or ()) for some in found]
    return Family(
        pending=named[0],
        finished=named[1],
        failed=[*named[2], *named[3]][:RELATIVES],
        counts={"pending": pending_count, "finished": finished_count, "failed": kept_count + fatal_count},
    )


async def count_listeners(connection: Connection, name: str) -> int | None:
    """By the names of connections. Node's workers may put their own behind it."""
    [clients] = await connection.ask([("CLIENT", "LIST")])
    if clients is None:
        return None
    names = re.findall(r"^id=.*? name=(\S*)", str(clients), re.MULTILINE)
    return sum(1 for one in names if one == name or one.startswith(f"{name}:w:"))


def _places(keys: Keys, state: ListedState) -> list[str]:
    """`paused` goes before `wait` once the queue is resumed."""
    return keys.many("paused", "wait") if state == "waiting" else keys.many(state, NONE)


def _needle(needle: Needle) -> list[Any]:
    return [needle.text, FIELDS[needle.place], needle.number, not needle.text.isascii()]


def _bounds(bounds: Bounds, factor: int) -> list[Any]:
    """As whole numbers, one wider: what is rounded away lets nobody fall through."""
    least = False if bounds.least == -inf else max(0, int(bounds.least * factor) - 1)
    most = False if bounds.most == inf else max(0, int(bounds.most * factor) + 1)
    return [least, most]
