"""Jobs in no list, and keys that hang on a job that is gone. Reads, and changes nothing (`tending` puts jobs back)."""

from collections.abc import Sequence
from typing import Any

from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.looking import LISTS, SETS, listed_ids
from barback.bullmq.tending import SCAN_COUNT, glob, may_be_a_job
from barback.examiner import Leftovers

LARGEST = 200_000
"""Jobs of a queue that is looked at whole: some seconds."""
HANG_ON = ("logs", "dependencies", "processed", "failed", "unsuccessful")
"""What a job's own keys end in. Its lock is none of them: it ends by itself."""


async def find_leftovers(connection: Connection, keys: Keys) -> Leftovers:
    """All of a queue; nothing of one that is larger than `LARGEST`."""
    lengths = [("LLEN", keys[name]) for name in LISTS] + [("ZCARD", keys[name]) for name in SETS]
    [counts] = await connection.run_all([Call(lengths)])
    if sum(counts) > LARGEST:
        return Leftovers(keys.queue, complete=False)
    listed = await listed_ids(connection, keys)
    jobs, hanging = await _scan(connection, keys)
    lost = await _in_no_list(connection, keys, sorted(jobs - listed))
    return Leftovers(keys.queue, lost, await _of_no_job(connection, keys, sorted(hanging)))


async def _scan(connection: Connection, keys: Keys) -> tuple[set[str], set[tuple[str, str]]]:
    """The ids of what may be jobs, and of keys that hang on one: its id and their ending."""
    jobs, hanging, cursor = set[str](), set[tuple[str, str]](), 0
    while True:
        told: Any = await connection.run("SCAN", cursor, "MATCH", glob(keys.base) + "*", "COUNT", SCAN_COUNT)
        for key in told[1]:
            rest = str(key).removeprefix(keys.base)
            job_id, _, ending = rest.rpartition(":")
            if ending in HANG_ON and may_be_a_job(job_id):
                hanging.add((job_id, ending))
            elif may_be_a_job(rest):
                jobs.add(rest)
        cursor = int(told[0])
        if not cursor:
            return jobs, hanging


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
