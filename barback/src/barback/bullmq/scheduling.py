"""Schedules, kept by BullMQ's own job schedulers so that Node and bull-board see and continue them."""

from typing import Any

from barback.broker import StoredSchedule
from barback.bullmq.codec import encode_options, ms, pairs
from barback.bullmq.connection import Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.packing import pack
from barback.errors import BrokerError
from barback.options import JobOptions


async def read_schedules(connection: Connection, keys: Keys) -> list[StoredSchedule]:
    """All job schedulers of a queue, the soonest first. Legacy repeatables of BullMQ 5 are not among them."""
    scored: list[Any] = await connection.run("ZRANGE", keys["repeat"], 0, -1, "WITHSCORES")
    stored: list[StoredSchedule] = []
    for schedule_id, score in _with_scores(scored):
        fields: dict[str, str] = await connection.run("HGETALL", f"{keys['repeat']}:{schedule_id}")
        if fields:
            stored.append(_decode(schedule_id, fields, score))
    return stored


async def put_schedule(
    connection: Connection, keys: Keys, schedule: StoredSchedule, options: JobOptions, now: float
) -> None:
    """Make or replace; the job that the old one had waiting is removed by BullMQ's script.

    :raises BrokerError: a job of the same slot exists that cannot be replaced.
    """
    assert schedule.next_at is not None  # noqa: S101 — a schedule is put with its next time
    names = keys.many(
        "repeat", "delayed", "wait", "paused", "meta", "prioritized", "marker", "id", "events", "pc", "active"
    )
    template = {k: v for k, v in encode_options(options).items() if k != "delay"}
    scheduler = {"name": schedule.name, "tz": schedule.tz, "pattern": schedule.pattern}
    command = connection.script(
        "addJobScheduler", names, ms(schedule.next_at), pack(scheduler), schedule.id, schedule.data,
        pack(template), pack(_next_options(schedule, schedule.next_at, options, now, count=1)),
        ms(now), keys.base, "",
    )  # fmt: skip
    [answer] = await run_keeping_layout(connection, keys, [command])
    if isinstance(answer, int) and answer < 0:
        raise BrokerError(
            f"Schedule '{schedule.id}' of '{keys.queue}': a job of its next slot exists and cannot be replaced "
            f"(BullMQ answered {answer})."
        )


async def advance_schedule(
    connection: Connection, keys: Keys, schedule: StoredSchedule, next_at: float, options: JobOptions, now: float
) -> bool:
    """Compare and set: make the job of `next_at` if `schedule.next_at` is still the one that is due."""
    assert schedule.next_at is not None  # noqa: S101 — only a schedule with a due slot is advanced
    producer_id = f"repeat:{schedule.id}:{ms(schedule.next_at)}"
    names = [
        *keys.many("repeat", "delayed", "wait", "paused", "meta", "prioritized", "marker", "id", "events", "pc"),
        keys.job(producer_id),
        keys["active"],
    ]
    command = connection.script(
        "updateJobScheduler", names, ms(next_at), schedule.id, schedule.data,
        pack(_next_options(schedule, next_at, options, now, count=2)), ms(now), keys.base, producer_id,
    )  # fmt: skip
    [answer] = await run_keeping_layout(connection, keys, [command])
    return answer is not None


def _next_options(
    schedule: StoredSchedule, next_at: float, options: JobOptions, now: float, count: int
) -> dict[str, Any]:
    """What Node stores with a scheduler's next job, so that either side can go on from it."""
    return encode_options(options) | {
        "jobId": f"repeat:{schedule.id}:{ms(next_at)}",
        "delay": max(0, ms(next_at) - ms(now)),
        "timestamp": ms(now),
        "prevMillis": ms(next_at),
        "repeatJobKey": schedule.id,
        "repeat": {"pattern": schedule.pattern, "tz": schedule.tz, "count": count},
    }


def _decode(schedule_id: str, fields: dict[str, str], score: str) -> StoredSchedule:
    return StoredSchedule(
        schedule_id,
        fields.get("name", schedule_id),
        fields.get("pattern"),
        fields.get("tz"),
        fields.get("data") or "{}",
        float(score) / 1000,
    )


def _with_scores(answer: list[Any]) -> list[tuple[str, str]]:
    """ZRANGE WITHSCORES: pairs already (RESP 3), or names and scores in turn (RESP 2)."""
    if answer and isinstance(answer[0], list | tuple):
        return [(str(pair[0]), str(pair[1])) for pair in answer]
    return list(pairs([str(value) for value in answer]).items())
