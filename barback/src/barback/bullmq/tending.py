"""What keeps a queue whole: renewed locks, stalled jobs, the pause layout, orphans."""

from collections.abc import Sequence

from barback.broker import FetchedJob, Recovered, Renewal, longest_gap_s
from barback.bullmq.codec import ms
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.looking import listed_ids, read_state
from barback.bullmq.packing import pack
from barback.errors import BrokerError
from barback.options import RESERVED_JOB_IDS

CANCELS = "barback-cancels"
CHECKED = "barback-checked"
KEEP_CANCELS_S = 24 * 3600.0
NO_LIMIT = 2**31
SHORTEST_TIMEOUT_S = 0.2
SCAN_COUNT = 1_000
RESTORE_CHUNK = 100


def extend_locks(connection: Connection, keys: Keys, jobs: Sequence[FetchedJob], lock_s: float) -> Renewal:
    """Renew from a thread, and take up requests to cancel."""
    if not jobs:
        return Renewal()
    ids = [job.id for job in jobs]
    timeout_s = max(lock_s / 4, SHORTEST_TIMEOUT_S)
    renew = renew_locks(connection, keys, jobs, lock_s)
    lost, requests = connection.run_in_thread([renew, ("HMGET", keys[CANCELS], *ids)], timeout_s)
    asked = [(job, _reason(job, request)) for job, request in zip(jobs, requests, strict=True) if request]
    cancelled = [(job, reason) for job, reason in asked if reason is not None]
    if cancelled:
        connection.run_in_thread([("HDEL", keys[CANCELS], *(job.id for job, _ in cancelled))], timeout_s)
    return Renewal([job for job in jobs if job.token in lost], cancelled)


def renew_locks(connection: Connection, keys: Keys, jobs: Sequence[FetchedJob], lock_s: float) -> Command:
    """The command that renews their locks, and takes up again what ran out while nobody took the job."""
    held = pack([(job.id, job.token, job.starts) for job in jobs])
    return connection.script("renewLocks", keys.many("stalled", "active"), keys.base, ms(lock_s), held)


def _reason(job: FetchedJob, request: str) -> str | None:
    """None: another start of the job is meant."""
    token, _, reason = request.partition("\n")
    return reason if token == job.token else None


async def cancel(connection: Connection, keys: Keys, job_id: str, reason: str) -> None:
    """Leave a request for the worker that holds it.

    :raises BrokerError: nobody holds it.
    """
    if not await connection.run(*cancel_command(connection, keys, job_id, reason)):
        state = await read_state(connection, keys, job_id)
        raise BrokerError(f"Job {job_id} of '{keys.queue}' was not cancelled: it is {state}, and nobody works it.")


def cancel_command(connection: Connection, keys: Keys, job_id: str, reason: str) -> Command:
    """The command that leaves the request; it answers 0 if nobody holds the job."""
    names = [keys.job(job_id) + ":lock", keys[CANCELS]]
    return connection.script("cancelActive", names, job_id, reason, ms(KEEP_CANCELS_S))


def set_alone(connection: Connection, keys: Keys, job: FetchedJob, crashes_alone: int) -> Command:
    """The command that writes down how many crashes a job had all by itself."""
    key = keys.job(job.id)
    return connection.script("setAlone", [key, f"{key}:lock"], job.token, crashes_alone)


async def recover_stalled(connection: Connection, keys: Keys, every_s: float, now: float) -> Recovered:
    """Put stalled jobs back, unless another worker looked within `every_s`; fail those that cannot be read."""
    names = keys.many("stalled", "wait", "active", "stalled-check", "meta", "paused", "marker", "events", "repeat")
    # No limit of BullMQ's: it would count the crashes of neighbours too, and spares the jobs of schedules.
    recover = connection.script("moveStalledJobsToWait", names, NO_LIMIT, keys.base, ms(now), ms(every_s))
    # First, and in the same MULTI: the other would break on them half-way and lose them.
    commands = [_forget_old_suspects(connection, keys, every_s, now), unreadable(connection, keys, now), recover]
    _, failed, waiting = await run_keeping_layout(connection, keys, commands)
    return Recovered(waiting, failed)


def _forget_old_suspects(connection: Connection, keys: Keys, every_s: float, now: float) -> Command:
    """Nobody has looked for long, as in an outage: who is alive shall renew its locks before the next look."""
    names = keys.many("stalled", CHECKED)
    return connection.script("forgetOldSuspects", names, ms(now), ms(longest_gap_s(every_s)))


async def fail_unreadable(connection: Connection, keys: Keys, now: float, tokens: Sequence[str]) -> list[str]:
    """Fail the jobs that could not be fetched under these tokens because they cannot be read; their ids."""
    return await connection.run(*unreadable(connection, keys, now, tokens=tokens))


def unreadable(
    connection: Connection,
    keys: Keys,
    now: float,
    held: Sequence[tuple[str, str, str, int]] = (),
    tokens: Sequence[str] = (),
) -> Command:
    """The command that fails what BullMQ's scripts would break on; `held`: id, token, reason and starts of each."""
    names = keys.many("stalled", "active", "failed", "events", "marker")
    return connection.script("failUnreadable", names, keys.base, ms(now), pack(list(held)), pack(list(tokens)))


async def restore_orphans(connection: Connection, keys: Keys) -> list[str]:
    """Put waiting jobs that are in no list back (P6); their ids. Reads the whole queue, in small steps."""
    listed = await listed_ids(connection, keys)
    candidates: list[str] = []
    cursor: int = 0
    while True:
        cursor, found = await connection.run("SCAN", cursor, "MATCH", glob(keys.base) + "*", "COUNT", SCAN_COUNT)
        ids = (key.removeprefix(keys.base) for key in found)
        candidates += [job_id for job_id in ids if job_id not in listed and may_be_a_job(job_id)]
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


def may_be_a_job(job_id: str) -> bool:
    """Whether it is not one of the queue's own keys, nor of those that hang on a job's (`:lock`, `:logs`, …)."""
    if ":" in job_id:
        return job_id.startswith("repeat:") and job_id.count(":") == 2 and job_id.rpartition(":")[2].isdigit()
    return job_id not in RESERVED_JOB_IDS


def glob(text: str) -> str:
    """A pattern for SCAN that stands for this text alone."""
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
