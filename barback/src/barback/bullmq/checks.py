"""What a worker asks of Redis before it works there: it refuses what would lose jobs, or run them at wrong times.

What a server does not tell (a user with few rights, a hosted one) is let pass: it cannot be known.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from barback.bullmq.connection import Connection
from barback.bullmq.keys import keys_of
from barback.bullmq.rights import commands_on, find_refused
from barback.errors import BrokerUnfit

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.bullmq")

OLDEST_REDIS = (6, 2)
"""BullMQ asks for 5.0 and recommends 6.2; its scripts for deduplication use LPOS, which came with 6.0.6."""
OLDEST_VALKEY = (7, 2)
UNDERSTOOD = (5, 6)
"""Major versions of BullMQ whose key layout is known here; `layout.py` tells them apart."""
MOST_SKEW_S = 2.0
SHOWN = 3
"""Commands that are refused; `barback doctor` names them all."""

Info = Mapping[str, Any]


async def check(connection: Connection, prefix: str, queues: Sequence[str], now: Callable[[], float]) -> None:
    """Refuse to work these queues there; a server that keeps nothing on disk is only warned about.

    :raises BrokerUnfit: one line for each thing to change.
    """
    sections = [("INFO", section) for section in ("server", "memory", "persistence", "replication")]
    versions = [("HGET", keys_of(prefix, queue)["meta"], "version") for queue in queues]
    answers = await connection.ask([*sections, ("CONFIG", "GET", "save"), *versions])
    infos: list[Info] = [answer or {} for answer in answers[:5]]
    server, memory, persistence, replication, save = infos
    problems = [
        _too_old(server),
        _evicting(memory),
        _read_only(replication),
        await _skewed(connection, now),
        await _forbidden(connection, prefix, queues),
        *(_foreign(queue, version) for queue, version in zip(queues, answers[5:], strict=True)),
    ]
    if wrong := [f"Redis at {connection.address}: {problem}" for problem in problems if problem]:
        raise BrokerUnfit("\n".join(wrong))
    if _forgets(persistence, save):
        log.warning(
            "Redis keeps nothing on disk, its restart loses every job: set appendonly to yes",
            address=connection.address,
        )


async def _skewed(connection: Connection, now: Callable[[], float]) -> str | None:
    asked_at = now()
    [time] = await connection.ask([("TIME",)])
    return _too_far_apart(asked_at, time, now())


def _too_far_apart(asked_at: float, time: tuple[int, int] | None, answered_at: float) -> str | None:
    """`time`: Redis's, as seconds and microseconds, at some moment between the other two."""
    if time is None:
        return None
    theirs = time[0] + time[1] / 1e6
    ahead_s = max(asked_at - theirs, 0.0) or min(answered_at - theirs, 0.0)
    if abs(ahead_s) <= MOST_SKEW_S:
        return None
    where = "ahead of" if ahead_s > 0 else "behind"
    return (
        f"our clock is {abs(ahead_s):.1f} s {where} its own, so that delayed jobs would run at wrong times. "
        "Set both by NTP."
    )


def _too_old(server: Info) -> str | None:
    name, oldest, found = "Redis", OLDEST_REDIS, server.get("redis_version")
    if "valkey_version" in server:
        name, oldest, found = "Valkey", OLDEST_VALKEY, server["valkey_version"]
    match = re.match(r"(\d+)\.(\d+)", str(found))
    if match is None or (int(match[1]), int(match[2])) >= oldest:
        return None
    return f"it is {name} {found}, and BullMQ's scripts need {name} {'.'.join(map(str, oldest))} or newer. Upgrade it."


def _evicting(memory: Info) -> str | None:
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return None
    return f"its maxmemory-policy is '{policy}', so that it drops jobs when its memory is full. Set it to noeviction."


def _read_only(replication: Info) -> str | None:
    if replication.get("role") != "slave" or not replication.get("slave_read_only"):
        return None
    return (
        f"it is a read-only replica, which takes no job. Point REDIS_URL at its master, "
        f"{replication.get('master_host')}:{replication.get('master_port')}."
    )


async def _forbidden(connection: Connection, prefix: str, queues: Sequence[str]) -> str | None:
    """A script that is stopped half-way by what its user may not leaves jobs in no list."""
    keys = [keys_of(prefix, queue)["wait"] for queue in queues]
    refused = await find_refused(connection, commands_on(keys)) if keys else None
    if not refused:
        return None
    more = f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    return (
        f"the user of REDIS_URL may not do what a worker must: {', '.join(refused[:SHOWN])}{more}. "
        "Give it the rights of `worker` in deploy/redis-users.acl."
    )


def _foreign(queue: str, version: str | None) -> str | None:
    """`version`: the library that wrote the queue last, `bullmq:6.7.0`; None: one that does not say, or none yet."""
    if version is None:
        return None
    if version.startswith("bullmq-pro:"):
        return (
            f"queue '{queue}' is worked by BullMQ Pro ({version}), whose groups and batches are not understood here. "
            "Use another queue, or set BARBACK_PREFIX."
        )
    match = re.match(r"bullmq:(\d+)\.", version)
    if match is not None and int(match[1]) in UNDERSTOOD:
        return None
    return (
        f"queue '{queue}' was last written by {version!r}, and BullMQ {' and '.join(map(str, UNDERSTOOD))} are "
        "understood here. Use one of them there, another queue, or set BARBACK_PREFIX."
    )


def _forgets(persistence: Info, config: Info) -> bool:
    """Neither an append-only file nor save points; False if we were not told."""
    return persistence.get("aof_enabled") == 0 and config.get("save") == ""
