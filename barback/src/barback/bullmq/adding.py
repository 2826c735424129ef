"""Adding jobs, and knowing whether they were made or swallowed (P5).

Most are added by our own script, many in a call (`adding_many`). For what it does not cover there are BullMQ's, a call
for each job. Their answer is only an id. Whether it is a new one is told by what is read in the same MULTI: with a
custom id, whether its hash was there before and is there now; with an automatic one, whether it is what the id counter
now stands at.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from barback.answers import Answer, Created, Swallowed
from barback.broker import AddedFlow, NewFlow, NewJob
from barback.bullmq.adding_many import batches, decode, fits, in_chunks, script_call
from barback.bullmq.codec import ON_FAILURE, SHORT, encode_options, ms
from barback.bullmq.connection import Call, Command, Connection
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.layout import keep_layout
from barback.bullmq.looking import read_state
from barback.bullmq.packing import pack
from barback.errors import BrokerError

CHUNK = 200
"""Adds in one MULTI: Redis serves nobody else meanwhile (about 10 ms)."""
AT_ONCE, AT_ONCE_BYTES = 1_000, 4 * 1024 * 1024
"""Jobs, and characters of their payloads, sent in one round trip."""

ERRORS = {-5: "its parent job does not exist", -7: "it already has another parent, which cannot be replaced"}


class Parent(NamedTuple):
    """The job that waits for this one."""

    keys: Keys
    job_id: str


@dataclass(frozen=True, slots=True)
class _Add:
    job: NewJob
    call: Call
    counted: bool
    """The id is automatic: the last answer is the counter. Else the first and last tell whether its job was there."""


async def add_jobs(connection: Connection, prefix: str, jobs: Sequence[NewJob], now: float) -> list[Answer]:
    """Add in order, in chunks; one answer each.

    :raises BrokerError: Redis refused one; others may be in.
    """
    answers: list[Answer] = []
    for chunk in in_chunks(jobs, AT_ONCE, AT_ONCE_BYTES):
        add = _add_by_ours if all(map(fits, chunk)) else add_by_bullmq
        told = await add(connection, prefix, chunk, now)
        await _look_up_states(connection, prefix, chunk, told)
        answers += told
    return answers


async def _add_by_ours(connection: Connection, prefix: str, jobs: Sequence[NewJob], now: float) -> list[Answer]:
    parts = list(batches(jobs))
    scripts = [script_call(keys_of(prefix, part[0].queue), now, part) for part in parts]
    commands = [connection.script(*script) for script in scripts]
    if len(commands) == 1:
        return decode(jobs, await connection.run_script(commands[0]))
    results = await connection.run_all([Call([command]) for command in commands])
    return [answer for part, (result,) in zip(parts, results, strict=True) for answer in decode(part, result)]


async def add_by_bullmq(connection: Connection, prefix: str, jobs: Sequence[NewJob], now: float) -> list[Answer]:
    """Add with BullMQ's own scripts, whatever the jobs; the state of those that swallowed is not known.

    :raises BrokerError: Redis refused one; others may be in.
    """
    answers: list[Answer] = []
    for start in range(0, len(jobs), CHUNK):
        chunk = jobs[start : start + CHUNK]
        adds = [_plan(connection, keys_of(prefix, job.queue), job, now) for job in chunk]
        answers += await _run(connection, prefix, adds)
    return answers


async def add_flow(connection: Connection, prefix: str, flow: NewFlow, now: float) -> AddedFlow:
    """Add a tree, all or none. Ids are made here, since children must name a parent that has none yet.

    What BullMQ would refuse is looked for just before, since it does not undo what the rest of the tree wrote. Only
    another producer that takes an id or a key in between can still leave a part of the tree behind.

    :raises BrokerError: a child has another parent; a parent would be swallowed and its children have none.
    """
    await _refuse_in_advance(connection, prefix, flow, None)
    adds: list[_Add] = []
    _plan_flow(connection, prefix, _with_ids(flow), None, now, adds)
    answers = await _run(connection, prefix, adds)
    await _look_up_states(connection, prefix, [add.job for add in adds], answers)
    return _shape(flow, iter(answers))


async def _refuse_in_advance(connection: Connection, prefix: str, flow: NewFlow, parent: str | None) -> None:
    """Ask only about jobs of a custom id and parents with a deduplication key: no others can be refused."""
    keys, options = keys_of(prefix, flow.job.queue), flow.job.options
    key = keys.job(options.job_id) if options.job_id is not None else None
    known: bool = key is not None and bool(await connection.run("EXISTS", key))
    other: str | None = await connection.run("HGET", key, "parentKey") if known else None
    if other and parent and other != parent and await connection.run("EXISTS", other):
        raise _refused(flow.job, -7)
    rule = options.deduplicate if flow.children and not known else None
    if rule and await connection.run("EXISTS", f"{keys['de']}:{rule.id}"):
        raise _refused(flow.job, -5)
    for child in flow.children:
        await _refuse_in_advance(connection, prefix, child, key or "a new one")


def _plan(connection: Connection, keys: Keys, job: NewJob, now: float, parent: Parent | None = None) -> _Add:
    command = _add_command(connection, keys, job, now, parent)
    if job.options.job_id is not None:
        exists = ("EXISTS", keys.job(job.options.job_id))
        return _Add(job, Call([exists, command, exists]), counted=False)
    return _Add(job, Call([command, ("GET", keys["id"])]), counted=True)


def _plan_flow(
    connection: Connection, prefix: str, flow: NewFlow, parent: Parent | None, now: float, adds: list[_Add]
) -> None:
    keys = keys_of(prefix, flow.job.queue)
    if not flow.children:
        adds.append(_plan(connection, keys, flow.job, now, parent))
        return
    job_id = flow.job.options.job_id
    assert job_id is not None  # noqa: S101 — _with_ids gave one
    names = keys.many("meta", "id", "delayed", "waiting-children", "completed", "events")
    command = connection.script("addParentJob", names, *_arguments(keys, flow.job, now, parent))
    exists = ("EXISTS", keys.job(job_id))
    adds.append(_Add(flow.job, Call([exists, command, exists]), counted=False))
    for child in flow.children:
        _plan_flow(connection, prefix, child, Parent(keys, job_id), now, adds)


def _with_ids(flow: NewFlow) -> NewFlow:
    options = flow.job.options
    if options.job_id is None:
        options = replace(options, job_id=uuid.uuid4().hex)
    return NewFlow(replace(flow.job, options=options), [_with_ids(child) for child in flow.children])


def _add_command(connection: Connection, keys: Keys, job: NewJob, now: float, parent: Parent | None) -> Command:
    arguments = _arguments(keys, job, now, parent)
    if job.options.delay_s:
        names = keys.many("marker", "meta", "id", "delayed", "completed", "events")
        return connection.script("addDelayedJob", names, *arguments)
    if job.options.priority:
        names = keys.many("marker", "meta", "id", "prioritized", "delayed", "completed", "active", "events", "pc")
        return connection.script("addPrioritizedJob", names, *arguments)
    names = keys.many("wait", "paused", "meta", "id", "completed", "delayed", "active", "events", "marker")
    return connection.script("addStandardJob", names, *arguments)


def _arguments(keys: Keys, job: NewJob, now: float, parent: Parent | None) -> list[Any]:
    options = encode_options(job.options)
    deduplicate = job.options.deduplicate
    parent_key: str | None = None
    parent_data: dict[str, Any] | None = None
    if parent is not None:
        parent_key = parent.keys.job(parent.job_id)
        parent_data = {"id": parent.job_id, "queueKey": parent.keys.qualified_name}
        if job.options.on_failure is not None:
            parent_data[SHORT[ON_FAILURE[job.options.on_failure]]] = True
        options["parent"] = {"id": parent.job_id, "queue": parent.keys.qualified_name}
    head: list[Any] = [
        keys.base,
        job.options.job_id or "",
        job.name,
        ms(now),
        parent_key,
        f"{parent_key}:dependencies" if parent_key else None,
        parent_data,
        None,  # the schedule it comes from: those are made by scripts of their own
        f"{keys['de']}:{deduplicate.id}" if deduplicate else None,
    ]
    return [pack(head), job.data, pack(options)]


async def _run(connection: Connection, prefix: str, adds: Sequence[_Add]) -> list[Answer]:
    queues = {add.job.queue for add in adds}
    layout = [Call([keep_layout(connection, keys_of(prefix, queue))]) for queue in queues]
    results = await connection.run_all([*(add.call for add in adds), *layout], atomic=True)
    return [_answer(add, result) for add, result in zip(adds, results, strict=False)]


def _answer(add: _Add, result: Sequence[Any]) -> Answer:
    if add.counted:
        added, counter = result
        created = str(added) == str(counter)
    else:
        existed, added, exists = result
        # The key may still name an earlier job of the same id, which is gone.
        created = exists and not existed and str(added) == add.job.options.job_id
    if isinstance(added, int) and added < 0:
        raise _refused(add.job, added)
    return Created(str(added)) if created else Swallowed(str(added), "unknown")


def _refused(job: NewJob, code: int) -> BrokerError:
    reason = ERRORS.get(code, f"BullMQ answered {code}")
    return BrokerError(f"Job '{job.name}' was not added to '{job.queue}': {reason}.")


async def _look_up_states(connection: Connection, prefix: str, jobs: Sequence[NewJob], answers: list[Answer]) -> None:
    swallowed = [(i, answer.by) for i, answer in enumerate(answers) if isinstance(answer, Swallowed)]
    states = await asyncio.gather(*(read_state(connection, keys_of(prefix, jobs[i].queue), by) for i, by in swallowed))
    for (i, by), state in zip(swallowed, states, strict=True):
        answers[i] = Swallowed(by, state)


def _shape(flow: NewFlow, answers: Any) -> AddedFlow:
    answer: Answer = next(answers)
    return AddedFlow(answer, [_shape(child, answers) for child in flow.children])
