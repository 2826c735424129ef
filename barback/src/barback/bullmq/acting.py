"""Acting on many jobs of one state, a hundred in a MULTI, each only if it is still what was decided on."""

from collections.abc import Mapping, Sequence
from typing import Any

from barback.broker import ListedState
from barback.bullmq.codec import ms
from barback.bullmq.connection import Command, Connection
from barback.bullmq.keys import Keys
from barback.bullmq.layout import CHUNK, run_keeping_layout
from barback.bullmq.packing import pack
from barback.bullmq.tending import cancel_command
from barback.errors import BrokerError, InvalidOptions
from barback.inspector import (
    ACTS_ON,
    Acted,
    Action,
    Cancel,
    ChangeDelay,
    ChangePriority,
    NotRemoved,
    Promote,
    Refusal,
    Remove,
    Retry,
    Target,
)
from barback.options import JobOptions

GONE_THROUGH = 1_000_000
"""Entries of a list that one MULTI may go through: to take a job out of one, Redis looks at all before it."""
ELSEWHERE = ("active", "delayed", "prioritized", "completed", "failed", "waiting-children")
"""Where a job that waits is not: these are quickly asked, a list of a million is not."""


async def act(
    connection: Connection, keys: Keys, state: ListedState, action: Action, targets: Sequence[Target], now: float
) -> list[Acted]:
    if state not in ACTS_ON[type(action)]:
        raise InvalidOptions(
            f"{type(action).__name__} cannot be done to jobs that are {state}, only to those that are "
            f"{' or '.join(ACTS_ON[type(action)])}."
        )
    _check(action)
    waiting = "paused" if await connection.run("EXISTS", keys["paused"]) else "wait"
    answers: list[Acted] = []
    chunk = await _chunk(connection, keys, state, waiting)
    for start in range(0, len(targets), chunk):
        commands = [
            _command(connection, keys, state, action, target, now, waiting) for target in targets[start : start + chunk]
        ]
        answers.extend(_meaning(action, answer) for answer in await _run(connection, keys, commands))
    return answers


async def _chunk(connection: Connection, keys: Keys, state: ListedState, waiting: str) -> int:
    """How many jobs one MULTI may act on."""
    length: int = await connection.run("LLEN", keys[waiting]) if state == "waiting" else 0
    return min(CHUNK, max(1, GONE_THROUGH // (length + 1)))


async def _run(connection: Connection, keys: Keys, commands: Sequence[Command]) -> list[Any]:
    return await run_keeping_layout(connection, keys, commands, errors_as_answers=True)


def _check(action: Action) -> None:
    match action:
        case ChangePriority(priority):
            JobOptions(priority=priority)
        case ChangeDelay(delay_s):
            JobOptions(delay_s=delay_s)
        case _:
            return


def _command(
    connection: Connection, keys: Keys, state: ListedState, action: Action, target: Target, now: float, waiting: str
) -> Command:
    job_id, key = target.job_id, keys.job(target.job_id)
    guard = _guard(keys, state, target)
    match action:
        case Retry():
            names = [key, *keys.many("events", state, "wait", "meta", "active", "marker", "prioritized", "pc")]
            field = "failedReason" if state == "failed" else "returnvalue"
            return connection.script("reprocessJobIfStillThere", names, job_id, "LPUSH", field, state, "1", "0", guard)
        case Promote():
            names = keys.many("delayed", "wait", "paused", "meta", "prioritized", "active", "pc", "events", "marker")
            return connection.script("promoteIfStillThere", names, keys.base, job_id, guard)
        case Remove():
            return connection.script("removeJobIfStillThere", [key, keys["repeat"]], job_id, 1, keys.base, guard)
        case ChangePriority(priority):
            names = keys.many(waiting, "paused", "meta", "prioritized", "active", "pc", "marker")
            return connection.script("changePriorityIfStillThere", names, priority, keys.base, job_id, 0, guard)
        case ChangeDelay(delay_s):
            names = keys.many("delayed", "meta", "marker", "events")
            return connection.script("changeDelay", names, ms(delay_s), ms(now), job_id, key)
        case Cancel(reason):
            return cancel_command(connection, keys, job_id, reason)


def _guard(keys: Keys, state: ListedState, target: Target) -> bytes:
    """What `still_there.lua` is told."""
    there, elsewhere = (False, keys.many(*ELSEWHERE)) if state == "waiting" else (keys[state], list[str]())
    finished = False if target.finished_at is None else str(ms(target.finished_at))
    return pack([keys.job(target.job_id), target.job_id, there, elsewhere, finished])


NOT_REMOVED: Mapping[int, Refusal] = {0: "worked", -8: "scheduled"}


def _meaning(action: Action, answer: Any) -> Acted:
    """Of all these scripts: -1 there is no such job, -3 it is in another state."""
    if isinstance(answer, BrokerError):
        return answer
    if answer in ("moved", -1, -3) or (answer == 0 and isinstance(action, Cancel)):
        return "moved"
    if isinstance(action, Remove) and answer in NOT_REMOVED:
        return NotRemoved(NOT_REMOVED[answer])
    return "done"
