"""Repeatables of BullMQ 5 (`add(…, {repeat})`): no schedulers, but jobs whose start makes the next one.

Node 6 and the Python package do not go on with them. Here the start of such a job makes a scheduler of its repeatable,
of the same id, as it does in Node 5.81; all of them go on with that.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog

from barback.broker import FetchedJob, StoredSchedule
from barback.bullmq.codec import LARGEST, ms
from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.scheduling import (
    LOCAL,
    MADE,
    advance_schedule,
    decode_schedule,
    hash_of,
    read_members,
    timing_fields,
)
from barback.cron import Timing
from barback.slots import slot_of

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

OF_ONE_JOB = ("jobId", "delay", "timestamp", "prevMillis", "repeatJobKey", "repeat")
"""Options that are not those of the next job, too."""


class _Repeat(NamedTuple):
    """What a job of one says of it. `template`: the options of its jobs as they are stored."""

    schedule: StoredSchedule
    template: Mapping[str, Any]


async def read_repeatables(connection: Connection, keys: Keys) -> list[StoredSchedule]:
    """All of a queue, the soonest first."""
    return [
        decode_schedule(member.id, member.fields or _fields_in(member.id), member.next_at)
        for member in await read_members(connection, keys)
        if MADE not in member.fields
    ]


async def continue_repeatable(connection: Connection, keys: Keys, job: FetchedJob, now: float) -> float | None:
    """Make a scheduler of the repeatable that made this job, and its next job; its slot.

    None: see `Broker.continue_repeatable`. Whether it went on already is asked just before: nobody but who holds the
    job goes on with it.
    """
    key, slot = job.schedule_id or "", slot_of(job.id)
    kept = hash_of(keys, key)
    asked = [("ZSCORE", keys["repeat"], key), ("HEXISTS", kept, MADE), ("HGET", keys.job(job.id), "opts")]
    [(score, is_scheduler, text)] = await connection.run_all([Call(asked)])
    repeat = _decode(job, slot, text or "{}")
    if is_scheduler or score is None or float(score) != ms(slot):
        return None
    if repeat is None:
        log.error("repeatable ends: its options cannot be read", queue=keys.queue, job=job.name, job_id=job.id)
        return None
    schedule = repeat.schedule
    following = schedule.slot_after(max(now, schedule.next_at))
    if following is None:
        return None
    told = {"name": job.name, "data": job.data, "opts": json.dumps(repeat.template), MADE: schedule.made}
    told |= timing_fields(schedule.timing)
    fields = [item for pair in told.items() for item in pair]
    # Its jobs came so much later than what the set says (`immediately`).
    moved = ("ZADD", keys["repeat"], "XX", ms(schedule.next_at), key)
    await connection.run_all([Call([("HSET", kept, *fields), moved])], atomic=True)
    return following if await advance_schedule(connection, keys, schedule, following, now) else None


def _decode(job: FetchedJob, slot: float, text: str) -> _Repeat | None:
    """None: no repeatable made it, or what is stored of it cannot be read."""
    try:
        wire = json.loads(text)
        repeat = wire["repeat"]
        every_s = _whole(repeat["every"]) / 1000 if repeat.get("every") else None
        offset_s = _whole(repeat.get("offset") or 0) / 1000
        timing = Timing(
            None if every_s else str(repeat.get("pattern") or repeat["cron"]),
            every_s,
            "UTC" if every_s else str(repeat.get("tz") or LOCAL),
            offset_s,
            None,
            _moment(repeat.get("endDate")),
            _whole(repeat["limit"]) if "limit" in repeat else None,
        )
        template = {name: value for name, value in wire.items() if name not in OF_ONE_JOB}
        made = _whole(repeat.get("count") or 1)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    if timing.fault() is not None:
        return None
    key = job.schedule_id or ""
    return _Repeat(StoredSchedule(key, job.name, timing, job.data, slot + offset_s, made=made), template)


def _fields_in(key: str) -> dict[str, str]:
    """Of one that has no hash, as BullMQ 3 made them: `name:jobId:endDate:tz:pattern`."""
    name, _, end, tz, pattern = [*key.split(":", 4), "", "", "", ""][:5]
    timing = {"every": pattern} if pattern.isdigit() else {"pattern": pattern}
    return {"name": name, "endDate": end, "tz": tz} | timing


def _whole(value: object) -> int:
    """:raises ValueError, TypeError: it is no whole number from 0 on that BullMQ could hold."""
    number = int(value) if isinstance(value, int | float | str) else -1
    if not 0 <= number <= LARGEST:
        raise ValueError(value)
    return number


def _moment(value: object) -> float | None:
    """BullMQ takes milliseconds, or a date as JavaScript writes it."""
    if not value:
        return None
    if isinstance(value, int | float):
        return _whole(value) / 1000
    at = datetime.fromisoformat(str(value))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
