"""What keeps a queue whole: renewed locks, stalled jobs, the pause layout, orphans."""

from collections.abc import Sequence

from barback.broker import FetchedJob
from barback.bullmq.codec import ms
from barback.bullmq.connection import Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.looking import listed_ids
from barback.bullmq.packing import pack
from barback.options import RESERVED_JOB_IDS

SCAN_COUNT = 1_000
RESTORE_CHUNK = 100


def extend_locks(connection: Connection, keys: Keys, jobs: Sequence[FetchedJob], lock_s: float) -> list[FetchedJob]:
    """Renew from a thread; those whose lock is lost."""
    if not jobs:
        return []
    tokens = pack([job.token for job in jobs])
    ids = pack([job.id for job in jobs])
    command = connection.script("extendLocks", keys.many("stalled"), keys.base, tokens, ids, ms(lock_s))
    lost: set[str] = set(connection.run_in_thread(command, lock_s / 4))
    return [job for job in jobs if job.id in lost]


async def recover_stalled(
    connection: Connection, keys: Keys, every_s: float, crash_limit: int, now: float
) -> list[str]:
    """Put stalled jobs back, unless another worker looked within `every_s`; their ids."""
    names = keys.many("stalled", "wait", "active", "stalled-check", "meta", "paused", "marker", "events", "repeat")
    command = connection.script("moveStalledJobsToWait", names, crash_limit, keys.base, ms(now), ms(every_s))
    [recovered] = await run_keeping_layout(connection, keys, [command])
    return recovered


async def restore_orphans(connection: Connection, keys: Keys) -> list[str]:
    """Put waiting jobs that are in no list back (P6); their ids. Reads the whole queue, in small steps."""
    listed = await listed_ids(connection, keys)
    candidates: list[str] = []
    cursor: int = 0
    while True:
        cursor, found = await connection.run("SCAN", cursor, "MATCH", _glob(keys.base) + "*", "COUNT", SCAN_COUNT)
        ids = (key.removeprefix(keys.base) for key in found)
        candidates += [job_id for job_id in ids if job_id not in listed and _may_be_a_job(job_id)]
        if int(cursor) == 0:
            break
    restored: list[str] = []
    names = keys.many(
        "wait",
        "paused",
        "active",
        "delayed",
        "prioritized",
        "completed",
        "failed",
        "waiting-children",
        "marker",
        "meta",
    )
    for start in range(0, len(candidates), RESTORE_CHUNK):
        chunk = candidates[start : start + RESTORE_CHUNK]
        restored += await connection.run(*connection.script("restoreOrphans", names, keys.base, *chunk))
    return restored


def _may_be_a_job(job_id: str) -> bool:
    """Not one of the queue's own keys, nor of those that hang on a job's (`:lock`, `:logs`, …)."""
    if ":" in job_id:
        return job_id.startswith("repeat:") and job_id.count(":") == 2 and job_id.rpartition(":")[2].isdigit()
    return job_id not in RESERVED_JOB_IDS


def _glob(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
