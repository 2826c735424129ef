"""Repeatables of BullMQ 5, which nobody but Node 5 and barback go on with (C5)."""

import asyncio
from typing import Any, Literal

import pytest

from barback.app import App, no_services
from barback.broker import FetchedJob, Lease
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.payload import Payload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

from .process import DEADLINE_S, Node
from .side import NodeQueue
from .stored import Stored

HOUR_MS = 3_600_000
LEASE = Lease("tester", lock_s=30.0)
REPEATS: list[dict[str, Any]] = [
    {"every": HOUR_MS},
    {"every": HOUR_MS, "immediately": True},
    {"pattern": "0 3 * * *", "tz": "Europe/Berlin"},
    {"pattern": "*/10 0 3 * * *", "tz": "UTC", "limit": 5},
    {"pattern": "0 3 * * *", "tz": "UTC", "endDate": "2040-01-01T00:00:00.000Z"},
    {"every": HOUR_MS, "key": "mine"},
]
ids = [" ".join(repeat) for repeat in REPEATS]


async def start(side: NodeQueue, repeat: dict[str, Any], data: Any, **more: Any) -> str:
    """Add a repeatable and have its first job due; the job's id."""
    first = await side.add("told", data, repeat=repeat, attempts=4, priority=3, **more)
    if first in await side.ids("delayed"):
        await side.promote(first)
    return first


async def fetch(broker: BullMQBroker, queue: str) -> FetchedJob:
    [fetched] = (await broker.exchange(queue, [], 1, LEASE)).jobs
    return fetched


@pytest.mark.parametrize("old", [False, True], ids=["", "key of BullMQ 3"])
@pytest.mark.parametrize("repeat", REPEATS, ids=ids)
async def test_its_next_job_is_that_of_a_scheduler_which_either_side_goes_on_with(
    repeat: dict[str, Any], old: bool, node: Node, node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    key = f"told::{2_208_988_800_000 if 'endDate' in repeat else ''}:"
    key += f"{repeat.get('tz', '')}:{repeat.get('pattern', repeat.get('every'))}"
    if old:
        await stored.run("ZADD", stored.key("repeat"), 0, key)
    first = await start(node5, repeat, {"id": 7})
    slot = await broker.continue_repeatable(await fetch(broker, node5.name))
    assert slot is not None
    [schedule] = await broker.schedules(node5.name)
    assert (schedule.id, schedule.name, schedule.data) == (await key_of(stored, first), "told", '{"id":7}')
    assert (schedule.next_at, schedule.made, schedule.timing.limit) == (slot, 2, repeat.get("limit"))
    assert await broker.repeatables(node5.name) == []
    [by_5], [by_6] = await node5.schedulers(), await NodeQueue(node, 6, node5.name).schedulers()
    assert by_5 == by_6
    assert by_5["next"] == slot * 1000
    assert by_5.get("pattern") == repeat.get("pattern")
    job = await node5.get(schedule.job_id)
    assert (job.name, job.data, job.state, job.opts["attempts"], job.priority) == ("told", {"id": 7}, "delayed", 4, 3)
    assert job.delay == pytest.approx(slot * 1000 - job.timestamp, abs=1)


async def key_of(stored: Stored, job_id: str) -> str:
    return (await stored.fields(job_id))["rjk"]


async def test_it_goes_on_once_whoever_asks(node5: NodeQueue, broker: BullMQBroker) -> None:
    await start(node5, {"every": HOUR_MS}, {})
    fetched = await fetch(broker, node5.name)
    assert await broker.continue_repeatable(fetched) is not None
    assert await broker.continue_repeatable(fetched) is None
    assert len(await node5.ids("delayed")) == 1


@pytest.mark.parametrize("by", [5, 6])
async def test_node_goes_on_from_ours_with_the_payload(
    by: Literal[5, 6], node: Node, node5: NodeQueue, broker: BullMQBroker
) -> None:
    await start(node5, {"every": HOUR_MS}, {"n": 1})
    slot = await broker.continue_repeatable(await fetch(broker, node5.name))
    theirs = NodeQueue(node, by, node5.name)
    [second] = await theirs.ids("delayed")
    await theirs.promote(second)
    assert await theirs.take() == second
    [third] = await theirs.ids("delayed")
    assert int(third.rpartition(":")[2]) == round((slot or 0) * 1000) + HOUR_MS
    assert (await theirs.get(third)).data == {"n": 1}
    await theirs.close()


async def test_one_that_was_removed_or_has_reached_its_limit_ends(node5: NodeQueue, broker: BullMQBroker) -> None:
    await start(node5, {"every": HOUR_MS, "limit": 1}, {})
    assert await broker.continue_repeatable(await fetch(broker, node5.name)) is None
    await start(node5, {"every": HOUR_MS, "key": "removed"}, {})
    fetched = await fetch(broker, node5.name)
    assert await broker.remove_schedule(node5.name, "removed")
    assert await broker.continue_repeatable(fetched) is None
    assert await node5.ids("delayed") == []


async def test_repeatables_are_listed_and_are_no_schedules(node5: NodeQueue, broker: BullMQBroker) -> None:
    await node5.add("told", {}, repeat={"pattern": "0 3 * * *", "tz": "Europe/Berlin", "key": "nightly"})
    assert await broker.schedules(node5.name) == []
    [found] = await broker.repeatables(node5.name)
    assert (found.id, found.name, found.timing.pattern, found.timing.tz) == (
        "nightly", "told", "0 3 * * *", "Europe/Berlin",
    )  # fmt: skip
    assert found.next_at > broker.now()


async def test_a_schedulers_job_is_none_of_a_repeatable(theirs: NodeQueue, broker: BullMQBroker) -> None:
    await theirs.upsert_scheduler("often", {"every": HOUR_MS}, {"name": "told"})
    for first in await theirs.ids("delayed"):
        await theirs.promote(first)
    fetched = await fetch(broker, theirs.name)
    assert await broker.continue_repeatable(fetched) is None


class Told(Payload, frozen=True):
    n: int


async def test_a_worker_goes_on_with_what_node_5_began(node5: NodeQueue, broker: BullMQBroker) -> None:
    ran: list[str] = []

    @job("told", queue=node5.name)
    async def told(payload: Told, ctx: Context[None]) -> None:
        ran.append(ctx.job_id)

    await node5.add("told", {"n": 1}, repeat={"every": 500})
    worker = Worker(App([told], no_services), broker, WorkerOptions())
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(DEADLINE_S):
        while len(ran) < 3:  # noqa: ASYNC110 — it is a list
            await asyncio.sleep(0.02)
    worker.stop()
    await working
    slots = [int(job_id.rpartition(":")[2]) for job_id in ran]
    assert slots == sorted(set(slots))
    assert {slot % 500 for slot in slots} == {0}
