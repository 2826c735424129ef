"""What belongs to a whole queue: its workers, limits and schedules, as both sides see them."""

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from barback.broker import QueueLimits, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.options import JobOptions, Retention

from .pair import Pair, eventually, stays
from .python import PythonQueue
from .side import NodeQueue
from .stored import Stored

AT_THREE = "0 3 * * *"


async def test_node_sees_python_s_workers_and_sees_them_go(theirs: NodeQueue, ours: PythonQueue) -> None:
    """B18: by the name of the connection that waits for jobs."""
    assert await theirs.worker_names() == []
    await ours.work()
    names = await eventually(theirs.worker_names)
    assert names == [f"bull:{base64.b64encode(theirs.name.encode()).decode()}"]
    await theirs.work()
    assert len(await eventually(lambda: _two(theirs))) == 2
    await theirs.stop_workers()
    await ours.stop_workers()
    await ours.broker.close()
    await eventually(lambda: _none(theirs))


async def _two(queue: NodeQueue) -> list[str]:
    names = await queue.worker_names()
    return names if len(names) == 2 else []


async def _none(queue: NodeQueue) -> bool:
    return await queue.worker_names() == []


async def test_both_count_the_same_jobs(theirs: NodeQueue, broker: BullMQBroker) -> None:
    for opts in ({}, {}, {}, {"delay": 3_600_000}, {"priority": 1}):
        await theirs.add("any", {}, **opts)
    taken = await theirs.take()
    assert taken
    await theirs.finish(taken)
    await theirs.take()
    counts = await theirs.counts()
    assert {state: number for state, number in counts.items() if number} == {
        "waiting": 1, "active": 1, "completed": 1, "delayed": 1, "prioritized": 1,
    }  # fmt: skip
    ours = await broker.counts(theirs.name)
    assert {state: number for state, number in ours.items() if number} == {
        "waiting": 1, "active": 1, "completed": 1, "delayed": 1, "prioritized": 1,
    }  # fmt: skip


async def test_both_count_a_paused_queue_s_jobs_as_waiting(
    node6: NodeQueue, node5: NodeQueue, ours: PythonQueue
) -> None:
    await node5.add("any")
    await node5.pause()
    await ours.enqueue("any", {})
    assert (await ours.broker.counts(ours.name))["waiting"] == 2
    assert [job.id for job in await ours.broker.list_jobs(ours.name, "waiting", 0, 9)] == ["1", "2"]
    assert await ours.broker.state(ours.name, "1") == "waiting"
    assert (await node5.counts())["paused"] == 2
    # Node 6 does not look into the list of Node 5: a paused queue seems empty there.
    assert (await node6.counts())["waiting"] == 0


async def test_one_limit_of_concurrency_holds_over_the_workers_of_both(pair: Pair) -> None:
    await pair.python.broker.set_limits(pair.python.name, QueueLimits(concurrency=1))
    await pair.enqueuer.work(concurrency=5)
    held = await pair.enqueuer.enqueue("held", {})
    await pair.node.saw("active", held)
    await pair.worker.work(concurrency=5)
    second = await pair.enqueuer.enqueue("any", {})

    async def waits() -> bool:
        return await pair.python.broker.state(pair.python.name, second) == "waiting"

    assert await stays(waits)
    assert await eventually(lambda: pair.enqueuer.release(held))
    await pair.node.saw("completed", held)
    await pair.node.saw("completed", second)


async def test_one_limit_of_rate_holds_over_the_workers_of_both(pair: Pair) -> None:
    await pair.python.broker.set_limits(pair.python.name, QueueLimits(rate=(2, 0.5)))
    ids = [await pair.enqueuer.enqueue("any", {}) for _ in range(6)]
    await asyncio.gather(pair.enqueuer.work(concurrency=5), pair.worker.work(concurrency=5))
    await pair.finished(*ids)
    started = sorted([(await pair.node.get(job_id)).processedOn or 0 for job_id in ids])
    # Six jobs of two in 500 ms each; the first window may have begun before the first start.
    assert all(later - earlier >= 450 for earlier, later in zip(started, started[2:], strict=False))
    assert started[-1] - started[0] < 3000


async def test_python_reads_a_schedule_of_node(theirs: NodeQueue, broker: BullMQBroker) -> None:
    made = await theirs.upsert_scheduler(
        "nightly", {"pattern": AT_THREE, "tz": "Europe/Berlin"}, {"name": "stats", "data": {"city": "köln"}}
    )
    [schedule] = await broker.schedules(theirs.name)
    assert (schedule.id, schedule.name) == ("nightly", "stats")
    assert schedule.timing == Timing(AT_THREE, tz="Europe/Berlin")
    assert schedule.data == '{"city":"köln"}'
    assert made is not None
    assert made == f"repeat:nightly:{round(schedule.next_at * 1000)}"
    record = await broker.get(theirs.name, made)
    assert record is not None
    assert (record.state, record.schedule_id) == ("delayed", "nightly")


async def test_node_reads_a_schedule_of_python_and_its_next_job(theirs: NodeQueue, broker: BullMQBroker) -> None:
    slot = datetime(2040, 1, 1, 2, tzinfo=UTC).timestamp()
    schedule = StoredSchedule("nightly", "stats", Timing(AT_THREE, tz="Europe/Berlin"), '{"city":"köln"}', slot)
    await broker.put_schedule(
        theirs.name, replace(schedule, options=JobOptions(attempts=3, keep_failed=Retention(count=7)))
    )
    [seen] = await theirs.schedulers()
    assert {name: seen[name] for name in ("key", "name", "pattern", "tz", "next")} == {
        "key": "nightly", "name": "stats", "pattern": AT_THREE, "tz": "Europe/Berlin", "next": slot * 1000,
    }  # fmt: skip
    assert seen["template"]["data"] == {"city": "köln"}
    job = await theirs.get(f"repeat:nightly:{round(slot * 1000)}")
    assert (job.state, job.name, job.data, job.repeatJobKey) == ("delayed", "stats", {"city": "köln"}, "nightly")
    assert (job.opts["attempts"], job.opts["removeOnFail"]) == (3, {"count": 7})
    assert await theirs.remove_scheduler("nightly")
    assert await broker.schedules(theirs.name) == []


async def test_a_schedule_of_python_and_its_job_lie_in_redis_as_node_writes_them(
    theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    theirs_id = await theirs.upsert_scheduler("nightly", {"pattern": AT_THREE, "tz": "UTC"}, {"name": "stats"})
    elsewhere = Stored(stored.client, f"{theirs.name}-python")
    slot = int(str(theirs_id).rpartition(":")[2]) / 1000
    schedule = StoredSchedule("nightly", "stats", Timing(AT_THREE), "{}", slot)
    await broker.put_schedule(elsewhere.queue, schedule)
    by_node, by_python = await stored.fields(str(theirs_id)), await elsewhere.fields(str(theirs_id))
    assert by_python.keys() == by_node.keys()
    assert by_python["rjk"] == by_node["rjk"]
    opts_of_node, opts_of_python = await stored.opts(str(theirs_id)), await elsewhere.opts(str(theirs_id))
    same = opts_of_node.keys() - {"attempts", "delay", "timestamp", "repeat"}
    assert {name: opts_of_python.get(name) for name in same} == {name: opts_of_node[name] for name in same}
    assert opts_of_python["repeat"].items() >= {"pattern": AT_THREE, "tz": "UTC", "count": 1}.items()
    assert opts_of_node["repeat"].items() >= {"pattern": AT_THREE, "tz": "UTC", "count": 1}.items()
    kept_by_node, kept_by_python = await stored.fields("repeat:nightly"), await elsewhere.fields("repeat:nightly")
    assert {name: kept_by_python[name] for name in ("name", "tz", "pattern", "ic")} == {
        name: kept_by_node[name] for name in ("name", "tz", "pattern", "ic")
    }


async def test_node_works_a_slot_of_python_s_schedule_and_makes_the_next_one(
    theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    slot = float(int(broker.now()))
    await broker.put_schedule(theirs.name, StoredSchedule("often", "told", Timing("* * * * * *"), "{}", slot))
    await theirs.work()
    first = f"repeat:often:{round(slot * 1000)}"
    assert await theirs.wait_until_finished(first) == {"id": first, "attempt": 1, "starts": 1}
    [schedule] = await broker.schedules(theirs.name)
    assert schedule.next_at > slot
    await theirs.stop_workers()
    await theirs.remove_scheduler("often")


async def test_of_python_s_ticker_and_node_s_worker_only_one_makes_the_job_of_a_slot(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    slot = float(int(broker.now()))
    schedule = StoredSchedule("often", "told", Timing("0 3 * * *"), "{}", slot)
    await broker.put_schedule(theirs.name, schedule)
    assert await broker.advance_schedule(theirs.name, schedule, slot + 3600)
    # Node fetches the due job and would make the next one now; it has been made.
    assert await theirs.take() == f"repeat:often:{round(slot * 1000)}"
    assert not await broker.advance_schedule(theirs.name, schedule, slot + 7200)
    [after] = await broker.schedules(theirs.name)
    assert after.next_at == slot + 3600
    assert await theirs.ids("delayed") == [f"repeat:often:{round((slot + 3600) * 1000)}"]


@pytest.mark.parametrize("change", ["priority", "delay", "data"])
async def test_what_node_changes_of_a_job_that_waits_python_is_given(
    change: str, theirs: NodeQueue, ours: PythonQueue
) -> None:
    first = await ours.enqueue("any", {"number": 1}, JobOptions(priority=5))
    second = await ours.enqueue("any", {"number": 2}, JobOptions(priority=5))
    third = await ours.enqueue("any", {"number": 3}, JobOptions(delay_s=3600))
    match change:
        case "priority":
            await theirs.change_priority(second, 1)
        case "delay":
            await theirs.change_delay(third, 1)
        case _:
            await theirs.call("updateData", id=first, data={"number": 4})
    await ours.work()
    ran = [second, first] if change == "priority" else [first, second]
    for job_id in [*ran, *([third] if change == "delay" else [])]:
        await theirs.saw("completed", job_id)
    pair = Pair(theirs, ours, theirs, ours)
    assert [job_id for job_id in await pair.started() if job_id != third] == ran
    assert (await theirs.get(first)).returnvalue == {"number": 4 if change == "data" else 1}
