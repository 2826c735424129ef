"""Schedules, kept by BullMQ's own job schedulers so that Node and bull-board see and continue them.

What BullMQ has no place for (whose a schedule is, what to do with missed slots) lies in a hash of our own beside them.
"""

import json
import os
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple, cast

from barback.broker import StoredSchedule
from barback.bullmq.codec import LARGEST, decode_options, encode_options, ms, pairs
from barback.bullmq.connection import Call, Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.packing import pack
from barback.cron import Timing
from barback.errors import BrokerError
from barback.options import JobOptions
from barback.slots import slot_id

NOTES = "barback:schedules"
LOCAL = os.environ.get("TZ") or "UTC"
"""The zone of a pattern that Node stored without one: there it is that of the process."""
MADE = "ic"
"""What BullMQ calls the number of jobs that a scheduler has made."""
LONGEST_NUMBER = 14
"""Digits."""


class Member(NamedTuple):
    """One of a queue's `repeat` set, and its hash."""

    id: str
    next_at: float
    fields: dict[str, str]


async def read_members(connection: Connection, keys: Keys, until: float | None = None) -> list[Member]:
    """Job schedulers, and repeatables of BullMQ 5; the soonest first; `until`: those that are not later.

    :raises BrokerError: a key of theirs is of another type; says so.
    """
    try:
        latest = "+inf" if until is None else ms(until)
        scored: list[Any] = await connection.run("ZRANGEBYSCORE", keys["repeat"], "-inf", latest, "WITHSCORES")
        found = _with_scores(scored)
        asked = [("HGETALL", hash_of(keys, member_id)) for member_id, _ in found]
        [answers] = await connection.run_all([Call(asked)]) if asked else [[]]
    except BrokerError as error:
        raise BrokerError(f"The schedules of '{keys.queue}' ({keys['repeat']}…) cannot be read: {error}") from error
    members = zip(found, answers, strict=True)
    return [Member(member_id, _moment(score), dict(fields)) for (member_id, score), fields in members]


async def read_schedules(connection: Connection, keys: Keys, until: float | None = None) -> list[StoredSchedule]:
    """All job schedulers of a queue, or those that are not later than `until`; the soonest first."""
    members = await read_members(connection, keys, until)
    return [decode_schedule(one.id, one.fields, one.next_at) for one in members if MADE in one.fields]


async def read_schedule(connection: Connection, keys: Keys, schedule_id: str) -> StoredSchedule | None:
    """A job scheduler; None: there is none of that id."""
    asked = [("ZSCORE", keys["repeat"], schedule_id), ("HGETALL", hash_of(keys, schedule_id))]
    [(score, answer)] = await connection.run_all([Call(asked)])
    fields = dict(answer)
    return None if score is None or MADE not in fields else decode_schedule(schedule_id, fields, _moment(score))


async def put_schedule(connection: Connection, keys: Keys, schedule: StoredSchedule, now: float) -> None:
    """Make or replace; the job that the old one had waiting is removed by BullMQ's script.

    :raises BrokerError: a job of the same slot exists that cannot be replaced.
    """
    names = keys.many(
        "repeat", "delayed", "wait", "paused", "meta", "prioritized", "marker", "id", "events", "pc", "active"
    )
    made = max(schedule.made, _number(await _read(connection, keys, schedule.id), MADE) or 1)
    wire = encode_options(schedule.options)
    template = {k: v for k, v in wire.items() if k != "delay"}
    timing = schedule.timing
    scheduler = {"name": schedule.name} | _bounds(timing)
    if timing.pattern is not None:
        scheduler |= _rule(timing)
    put = connection.script(
        "addJobScheduler", names, ms(schedule.next_at), pack(scheduler), schedule.id, schedule.data,
        pack(template), pack(_next_options(schedule, schedule.next_at, wire, now, made)),
        ms(now), keys.base, "",
    )  # fmt: skip
    more: list[Any] = [MADE, made]
    if timing.every_s is not None:
        # Told of a period, BullMQ's script would count it from now.
        more += [item for pair in _rule(timing).items() for item in pair]
    note = ("HSET", hash_of(keys, schedule.id), *more)
    answer, _ = await run_keeping_layout(connection, keys, [put, note])
    if isinstance(answer, int) and answer < 0:
        raise BrokerError(
            f"Schedule '{schedule.id}' of '{keys.queue}': a job of its next slot exists and cannot be replaced "
            f"(BullMQ answered {answer})."
        )


async def advance_schedule(
    connection: Connection, keys: Keys, schedule: StoredSchedule, next_at: float, now: float
) -> bool:
    """Compare and set: make the job of `next_at` if `schedule.next_at` is still the one that is due."""
    fields = await _read(connection, keys, schedule.id)
    template = _template(fields.get("opts") or "{}")
    producer_id = schedule.job_id
    names = [
        *keys.many("repeat", "delayed", "wait", "paused", "meta", "prioritized", "marker", "id", "events", "pc"),
        keys.job(producer_id),
        keys["active"],
    ]
    if schedule.timing.every_s is not None:
        now = _time_for(schedule.timing.every_s, schedule.next_at, next_at)
    elif next_at <= now:
        # One that is due is delayed all the same: those of earlier slots go first.
        now = schedule.next_at
    command = connection.script(
        "updateJobScheduler", names, ms(next_at), schedule.id, schedule.data,
        pack(_next_options(schedule, next_at, template, now, schedule.made + 1)), ms(now), keys.base, producer_id,
    )  # fmt: skip
    [answer] = await run_keeping_layout(connection, keys, [command])
    return answer is not None


def _time_for(every_s: float, last: float, next_at: float) -> float:
    """What BullMQ's script must be told of the time to make that slot of a period: it computes it by itself.

    It makes the slot after the last one, unless that is past: then the first one to come.
    """
    before = next_at - every_s
    return last if ms(before) == ms(last) else before + 0.001


async def remove_schedule(connection: Connection, keys: Keys, schedule_id: str) -> bool:
    """Remove it, and its next job if that is delayed."""
    command: Command = connection.script(
        "removeJobScheduler", keys.many("repeat", "delayed", "events"), schedule_id, keys.base
    )
    return await connection.run(*command) == 0


async def read_notes(connection: Connection, keys: Keys, names: Sequence[str] = ()) -> dict[str, str]:
    """All, or some by name.

    :raises BrokerError: their key is of another type; says so.
    """
    try:
        if not names:
            return dict(await connection.run("HGETALL", keys[NOTES]))
        texts: list[str | None] = await connection.run("HMGET", keys[NOTES], *names)
    except BrokerError as error:
        raise BrokerError(f"What is noted of schedules ({keys[NOTES]}) cannot be read: {error}") from error
    return {name: text for name, text in zip(names, texts, strict=True) if text is not None}


async def set_notes(
    connection: Connection, keys: Keys, notes: Mapping[str, str | None], expected: Mapping[str, str | None]
) -> bool:
    told = [{name: text if text is not None else False for name, text in some.items()} for some in (expected, notes)]
    return bool(await connection.run(*connection.script("setNotes", [keys[NOTES]], pack(told))))


async def _read(connection: Connection, keys: Keys, schedule_id: str) -> dict[str, str]:
    return dict(await connection.run("HGETALL", hash_of(keys, schedule_id)))


def hash_of(keys: Keys, schedule_id: str) -> str:
    """The key of what is stored of a member."""
    return f"{keys['repeat']}:{schedule_id}"


def _next_options(
    schedule: StoredSchedule, next_at: float, template: Mapping[str, Any], now: float, count: int
) -> dict[str, Any]:
    """What Node stores with a scheduler's next job, so that either side can go on from it."""
    timing = schedule.timing
    repeat = timing_fields(timing) | {"count": count}
    return {
        **template,
        "jobId": slot_id(schedule.id, next_at),
        "delay": max(0, ms(next_at) - ms(now)),
        "timestamp": ms(now),
        "prevMillis": ms(next_at),
        "repeatJobKey": schedule.id,
        "repeat": repeat,
    }


def timing_fields(timing: Timing) -> dict[str, Any]:
    """As BullMQ keeps it with a scheduler."""
    return _bounds(timing) | _rule(timing)


def _rule(timing: Timing) -> dict[str, Any]:
    if timing.every_s is not None:
        return {"every": ms(timing.every_s), "offset": ms(timing.offset_s)}
    return {"pattern": timing.pattern, "tz": timing.tz}


def _bounds(timing: Timing) -> dict[str, Any]:
    bounds = {
        "startDate": None if timing.start_at is None else ms(timing.start_at),
        "endDate": None if timing.end_at is None else ms(timing.end_at),
        "limit": timing.limit,
    }
    return {name: value for name, value in bounds.items() if value is not None}


def decode_schedule(schedule_id: str, fields: Mapping[str, str], next_at: float) -> StoredSchedule:
    every_s = _seconds(fields, "every") or None
    offset_s = _seconds(fields, "offset") or 0.0
    if every_s is not None:
        # Node leaves it out, or counts from its first slot.
        offset_s = round(next_at * 1000) % round(every_s * 1000) / 1000
    timing = Timing(
        None if every_s is not None else fields.get("pattern"),
        every_s,
        "UTC" if every_s is not None else fields.get("tz") or LOCAL,
        offset_s,
        _seconds(fields, "startDate"),
        _seconds(fields, "endDate"),
        _number(fields, "limit"),
    )
    return StoredSchedule(
        schedule_id,
        fields.get("name", schedule_id),
        timing,
        fields.get("data") or "{}",
        next_at,
        _options(fields.get("opts") or "{}"),
        _number(fields, MADE) or 1,
    )


def _options(text: str) -> JobOptions:
    """What cannot be read is as if it were not there: looking must not fail."""
    try:
        return decode_options(text)
    except (ValueError, TypeError, KeyError, AttributeError):
        return JobOptions()


def _template(text: str) -> dict[str, Any]:
    """The options of its jobs as they are stored; what cannot be read is as if it were not there."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", read) if isinstance(read, dict) else {}


def _moment(score: str | float) -> float:
    """Epoch seconds, within what is a date."""
    value = float(score)
    return min(max(value, 0.0), LARGEST) / 1000 if isfinite(value) else LARGEST / 1000


def _seconds(fields: Mapping[str, str], name: str) -> float | None:
    number = _number(fields, name)
    return None if number is None else number / 1000


def _number(fields: Mapping[str, str], name: str) -> int | None:
    """None: there is none, or it cannot be read, or BullMQ could not hold it."""
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else None


def _with_scores(answer: list[Any]) -> list[tuple[str, str]]:
    """ZRANGE WITHSCORES: pairs already (RESP 3), or names and scores in turn (RESP 2)."""
    if answer and isinstance(answer[0], list | tuple):
        return [(str(pair[0]), str(pair[1])) for pair in answer]
    return list(pairs([str(value) for value in answer]).items())
