"""Reading what is stored: counts, states, jobs, logs."""

from collections.abc import Sequence
from typing import Any, cast

from barback.answers import State
from barback.broker import LISTED_STATES, JobRecord, ListedState
from barback.bullmq.codec import decode_record
from barback.bullmq.connection import Call, Command, Connection
from barback.bullmq.keys import Keys
from barback.inspector import LogEnd

LISTS = ("wait", "paused", "active")
SETS = ("delayed", "prioritized", "completed", "failed", "waiting-children")


async def read_state(connection: Connection, keys: Keys, job_id: str) -> State:
    """Where a job is; `unknown` if nowhere."""
    names = keys.many("completed", "failed", "delayed", "active", "wait", "paused", "waiting-children", "prioritized")
    return cast("State", await connection.run(*connection.script("getStateV2", names, job_id, keys.job(job_id))))


async def read_counts(connection: Connection, keys: Keys) -> dict[ListedState, int]:
    """Jobs in each state. Those of a paused queue are waiting, whichever list holds them."""
    return told_counts(await connection.run(*counts_command(connection, keys)))


def counts_command(connection: Connection, keys: Keys) -> Command:
    """What asks for them; `told_counts` reads its answer."""
    types = ["wait" if state == "waiting" else state for state in LISTED_STATES]
    return connection.script("getCounts", [keys.base], *types, "paused")


def told_counts(answer: Sequence[int]) -> dict[ListedState, int]:
    """See `counts_command`."""
    result = dict(zip(LISTED_STATES, answer[:-1], strict=True))
    result["waiting"] += answer[-1]
    return result


async def read_record(connection: Connection, keys: Keys, job_id: str) -> JobRecord | None:
    """All that is stored of a job; None if there is no such job."""
    fields: dict[str, str] = await connection.run("HGETALL", keys.job(job_id))
    if not fields:
        return None
    return decode_record(keys, job_id, await read_state(connection, keys, job_id), fields)


async def read_records(
    connection: Connection, keys: Keys, state: ListedState, start: int, count: int
) -> list[JobRecord]:
    """A page of jobs in one state, in the order in which they will run; finished ones newest first."""
    job_ids = await read_ids(connection, keys, state, start, count)
    calls = [Call([("HGETALL", keys.job(job_id))]) for job_id in job_ids]
    hashes = await connection.run_all(calls) if calls else []
    return [
        decode_record(keys, job_id, state, fields) for job_id, (fields,) in zip(job_ids, hashes, strict=True) if fields
    ]


async def read_ids(connection: Connection, keys: Keys, state: ListedState, start: int, count: int) -> list[str]:
    """The ids alone, in the same order."""
    end = start + count - 1
    if count <= 0:
        return []
    if state == "waiting":
        # A list runs from its right end; `paused` goes before `wait` once the queue is resumed.
        length: int = await connection.run("LLEN", keys["paused"])
        parts = [(keys["paused"], start, min(end, length - 1)), (keys["wait"], max(0, start - length), end - length)]
        asked = [Call([("LRANGE", key, -last - 1, -first - 1)]) for key, first, last in parts if last >= first]
        return [job_id for (ids,) in await connection.run_all(asked) for job_id in reversed(ids)]
    if state == "active":
        return list(reversed(await connection.run("LRANGE", keys["active"], -end - 1, -1 - start)))
    command = "ZREVRANGE" if state in ("completed", "failed") else "ZRANGE"
    return await connection.run(command, keys[state], start, end)


async def read_logs(connection: Connection, keys: Keys, job_id: str) -> list[str]:
    """A job's log lines, oldest first."""
    return await connection.run("LRANGE", keys.job(job_id) + ":logs", 0, -1)


async def read_log_end(connection: Connection, keys: Keys, job_id: str, count: int) -> LogEnd:
    """The last lines, and how many come before them, as of one moment."""
    key = keys.job(job_id) + ":logs"
    [[lines, length]] = await connection.run_all([Call([("LRANGE", key, -count, -1), ("LLEN", key)])])
    return LogEnd(lines, length - len(lines))


async def listed_ids(connection: Connection, keys: Keys) -> set[str]:
    """The ids of all jobs in any list or set; reads the whole queue."""
    commands: list[Sequence[Any]] = [("LRANGE", keys[name], 0, -1) for name in LISTS]
    commands += [("ZRANGE", keys[name], 0, -1) for name in SETS]
    answers = await connection.run_all([Call(commands)])
    return {job_id for ids in answers[0] for job_id in ids}
