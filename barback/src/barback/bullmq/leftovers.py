"""Jobs in no list, and keys that hang on a job that is gone. Reads, and changes nothing (`tending` puts jobs back)."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from barback.bullmq.connection import Call, Connection
from barback.bullmq.finding import KEYS_A_STEP
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.looking import LISTS, SETS, listed_ids
from barback.bullmq.tending import glob, may_be_a_job
from barback.errors import BrokerError
from barback.examiner import Leftovers

LARGEST = 200_000
"""Jobs of a queue that is looked at whole: some seconds."""
LOOK_FOR_S = 5.0
"""How long to look through all queues together."""
QUEUES_A_STEP = 200
HANG_ON = ("logs", "dependencies", "processed", "failed", "unsuccessful")
"""What a job's own keys end in. Its lock is none of them: it ends by itself."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Of one queue: ids of what may be jobs, and keys that hang on one, as its id and their ending."""

    jobs: set[str] = field(default_factory=set[str])
    hanging: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


async def find_leftovers(
    connection: Connection, prefix: str, queues: Sequence[str], look_for_s: float | None = None
) -> list[Leftovers]:
    """In the order of `queues`; of one that is larger than `LARGEST`, or cannot be read, nothing. All keys are gone
    through once, and no longer than `look_for_s` (`LOOK_FOR_S`).
    """
    until = time.monotonic() + (LOOK_FOR_S if look_for_s is None else look_for_s)
    names = [keys_of(prefix, queue) for queue in queues]
    seen = {keys.queue: _Seen() for keys in await _small(connection, names)}
    all_seen = await _scan(connection, prefix, seen, until)
    return [await _of_queue(connection, keys, seen.get(keys.queue), all_seen, until) for keys in names]


async def _small(connection: Connection, queues: Sequence[Keys]) -> list[Keys]:
    """Those that can be looked at whole."""
    found: list[Keys] = []
    for start in range(0, len(queues), QUEUES_A_STEP):
        some = queues[start : start + QUEUES_A_STEP]
        calls = [
            Call([("LLEN", keys[name]) for name in LISTS] + [("ZCARD", keys[name]) for name in SETS]) for keys in some
        ]
        answers = await connection.run_all(calls, errors_as_answers=True)
        found += [
            keys
            for keys, counts in zip(some, answers, strict=True)
            if all(isinstance(count, int) for count in counts) and sum(counts) <= LARGEST
        ]
    return found


async def _scan(connection: Connection, prefix: str, seen: Mapping[str, _Seen], until: float) -> bool:
    """Add what is there to `seen`, by queue; False: there was no time for all of it."""
    cursor, before = 0, f"{prefix}:"
    while seen:
        if time.monotonic() > until:
            return False
        told: Any = await connection.run("SCAN", cursor, "MATCH", glob(before) + "*", "COUNT", KEYS_A_STEP)
        for key in told[1]:
            queue, _, rest = str(key).removeprefix(before).partition(":")
            if (of := seen.get(queue)) is None:
                continue
            job_id, _, ending = rest.rpartition(":")
            if ending in HANG_ON and may_be_a_job(job_id):
                of.hanging.add((job_id, ending))
            elif may_be_a_job(rest):
                of.jobs.add(rest)
        cursor = int(told[0])
        if not cursor:
            break
    return True


async def _of_queue(connection: Connection, keys: Keys, seen: _Seen | None, all_seen: bool, until: float) -> Leftovers:
    if seen is None or time.monotonic() > until:
        return Leftovers(keys.queue, complete=False)
    try:
        listed = await listed_ids(connection, keys) if seen.jobs else set[str]()
        lost = await _in_no_list(connection, keys, sorted(seen.jobs - listed))
        hanging = await _of_no_job(connection, keys, sorted(seen.hanging))
    except BrokerError:
        return Leftovers(keys.queue, complete=False)
    return Leftovers(keys.queue, lost, hanging, all_seen)


async def _in_no_list(connection: Connection, keys: Keys, candidates: Sequence[str]) -> list[str]:
    """Those that are jobs, still there, and in no list now: others have moved since we looked."""
    if not candidates:
        return []
    fields = [Call([("TYPE", keys.job(job_id))]) for job_id in candidates]
    kinds = await connection.run_all(fields)
    hashes = [job_id for job_id, [kind] in zip(candidates, kinds, strict=True) if kind == "hash"]
    if not hashes:
        return []
    stored = await connection.run_all(
        [Call([("HMGET", keys.job(i), "timestamp", "name"), ("EXISTS", keys.job(i) + ":lock")]) for i in hashes]
    )
    jobs = [i for i, (told, held) in zip(hashes, stored, strict=True) if None not in told and not held]
    listed = await listed_ids(connection, keys) if jobs else set[str]()
    there = await connection.run_all([Call([("EXISTS", keys.job(job_id))]) for job_id in jobs]) if jobs else []
    return [job_id for job_id, [exists] in zip(jobs, there, strict=True) if exists and job_id not in listed]


async def _of_no_job(connection: Connection, keys: Keys, hanging: Sequence[tuple[str, str]]) -> list[str]:
    if not hanging:
        return []
    calls = [
        Call([("EXISTS", keys.job(job_id)), ("EXISTS", f"{keys.job(job_id)}:{ending}")]) for job_id, ending in hanging
    ]
    answers = await connection.run_all(calls)
    return [
        f"{keys.job(job_id)}:{ending}"
        for (job_id, ending), (job, key) in zip(hanging, answers, strict=True)
        if key and not job
    ]
