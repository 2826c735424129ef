"""Node 5 keeps a paused queue's jobs in a list of its own, renames it over `wait` to resume, and loses what lies there.

First the loss as Node makes it without us, so that we notice when it changes; then that we take no part in it (P6).
"""

from collections.abc import Awaitable, Callable

import pytest

from barback.answers import Created
from barback.broker import Completed, HandedBack, Lease, NewFlow, NewJob, Retry, Settlement, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.options import Deduplication, JobOptions

from .side import NodeQueue
from .stored import Stored

LEASE = Lease("python", lock_s=30)


async def add(broker: BullMQBroker, queue: str, options: JobOptions | None = None) -> str:
    """A new job's id."""
    [answer] = await broker.add([NewJob(queue, "any", "{}", options or JobOptions())])
    assert isinstance(answer, Created)
    return answer.job_id


async def take(broker: BullMQBroker, queue: str) -> Settlement:
    """The next job, fetched and completed, but for the writing of it."""
    [job] = (await broker.exchange(queue, [], 1, LEASE)).jobs
    return Settlement(job, Completed())


# ── the loss, Node 5 and Node 6 alone ───────────────────────────────────────────────────────────────────────────────


async def test_node_5_loses_what_node_6_added_while_it_was_paused(
    node5: NodeQueue, node6: NodeQueue, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    assert await stored.places() == {before: ["paused"], added: ["wait"]}
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: []}
    assert (await node6.get(added)).state == "unknown"


async def test_node_5_loses_all_that_waited_when_it_ends_a_pause_of_node_6_in_which_it_added(
    node5: NodeQueue, node6: NodeQueue, stored: Stored
) -> None:
    before = await node6.add("before")
    await node6.pause()
    added = await node5.add("meanwhile")
    assert await stored.places() == {before: ["wait"], added: ["paused"]}
    await node5.resume()
    assert await stored.places() == {before: [], added: ["wait"]}


async def test_node_5_loses_all_that_was_paused_when_it_pauses_a_second_time(
    node5: NodeQueue, node6: NodeQueue, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    await node5.pause()
    assert await stored.places() == {before: [], added: ["paused"]}


async def test_node_6_puts_both_lists_back(node5: NodeQueue, node6: NodeQueue, stored: Stored) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    await node6.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"]}


# ── Python takes no part in it ──────────────────────────────────────────────────────────────────────────────────────


async def test_node_5_keeps_what_python_added_while_it_was_paused(
    node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await add(broker, stored.queue)
    assert await stored.places() == {before: ["paused"], added: ["paused"]}
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"]}
    assert [await node5.take(), await node5.take()] == [before, added], "first come, first served"


async def test_node_5_keeps_what_python_and_then_it_added_to_a_queue_that_was_paused_when_empty(
    node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    await node5.pause()
    ours = await add(broker, stored.queue)
    theirs = await node5.add("meanwhile")
    await node5.resume()
    assert await stored.places() == {ours: ["wait"], theirs: ["wait"]}
    assert [await node5.take(), await node5.take()] == [ours, theirs]


async def test_node_5_keeps_what_waited_when_it_ends_a_pause_of_python_in_which_it_added(
    node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await broker.pause(stored.queue)
    added = await node5.add("meanwhile")
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"]}


async def test_node_5_keeps_what_was_paused_when_it_pauses_a_second_time_after_an_add_of_python(
    node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await add(broker, stored.queue)
    await node5.pause()
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"]}


async def test_python_moves_what_node_6_added_before_node_5_can_lose_it(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    ours = await add(broker, stored.queue)
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"], ours: ["wait"]}


async def test_a_worker_of_python_that_looks_for_jobs_saves_what_node_6_added(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    assert not (await broker.exchange(stored.queue, [], 1, LEASE)).jobs
    await node5.resume()
    assert await stored.places() == {before: ["wait"], added: ["wait"]}


async def test_where_node_5_left_no_trace_an_add_of_python_is_lost_until_a_repair(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    """The limit of it: paused when empty by Node 5, and then opened by Node 6, a queue looks like Node 6's own."""
    await node5.pause()
    await node6.counts()
    ours = await add(broker, stored.queue)
    theirs = await node5.add("meanwhile")
    await node5.resume()
    assert await stored.places() == {ours: [], theirs: ["wait"]}
    assert await broker.repair(stored.queue) == [ours]


async def test_a_paused_queue_that_only_node_6_knows_keeps_its_jobs_where_node_6_counts_them(
    node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node6.add("before")
    await node6.pause()
    added = await add(broker, stored.queue)
    assert await stored.places() == {before: ["wait"], added: ["wait"]}
    assert (await node6.counts())["waiting"] == 2


async def test_python_puts_both_lists_back_when_it_resumes(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    await broker.resume(stored.queue)
    assert await stored.places() == {before: ["wait"], added: ["wait"]}
    assert not await node5.is_paused()


Write = Callable[[BullMQBroker, str], Awaitable[str]]
"""Something Python does to a paused queue that makes a job wait; the job's id. Prepared before the pause."""


async def retried(broker: BullMQBroker, queue: str) -> Write:
    held = await take(broker, queue)

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.exchange(queue, [Settlement(held.job, Retry(0, "once more"))], 0, LEASE)
        return held.job.id

    return write


async def handed_back(broker: BullMQBroker, queue: str) -> Write:
    held = await take(broker, queue)

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.exchange(queue, [Settlement(held.job, HandedBack())], 0, LEASE)
        return held.job.id

    return write


async def reprocessed(broker: BullMQBroker, queue: str) -> Write:
    held = await take(broker, queue)
    await broker.exchange(queue, [held], 0, LEASE)

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.retry(queue, held.job.id)
        return held.job.id

    return write


async def promoted(broker: BullMQBroker, queue: str) -> Write:
    delayed = await add(broker, queue, JobOptions(delay_s=3600))

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.promote(queue, delayed)
        return delayed

    return write


async def due(broker: BullMQBroker, queue: str) -> Write:
    delayed = await add(broker, queue, JobOptions(delay_s=0.001))

    async def write(broker: BullMQBroker, queue: str) -> str:
        # A worker that looks at a paused queue fetches nothing but lets delayed jobs wait that are due.
        while await broker.state(queue, delayed) == "delayed":
            assert not (await broker.exchange(queue, [], 1, LEASE)).jobs
        return delayed

    return write


async def stalled(broker: BullMQBroker, queue: str) -> Write:
    [job] = (await broker.exchange(queue, [], 1, Lease("killed", lock_s=0.001))).jobs

    async def write(broker: BullMQBroker, queue: str) -> str:
        for _ in range(1000):
            if (await broker.recover_stalled(queue, 0.001)).waiting:
                return job.id
        raise AssertionError("never recovered")

    return write


async def kept_last(broker: BullMQBroker, queue: str) -> Write:
    first = await add(broker, queue, JobOptions(lifo=True, deduplicate=Deduplication.keep_last("one")))
    held = await take(broker, queue)
    assert held.job.id == first
    await broker.add([NewJob(queue, "any", "{}", JobOptions(deduplicate=Deduplication.keep_last("one")))])

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.exchange(queue, [held], 0, LEASE)
        return await _newest(broker, queue)

    return write


async def parent_of_finished(broker: BullMQBroker, queue: str) -> Write:
    flow = await broker.add_flow(
        NewFlow(NewJob(queue, "parent", "{}"), [NewFlow(NewJob(queue, "child", "{}", JobOptions(lifo=True)))])
    )
    held = await take(broker, queue)
    assert held.job.name == "child"

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.exchange(queue, [held], 0, LEASE)
        assert isinstance(flow.answer, Created)
        return flow.answer.job_id

    return write


async def scheduled(broker: BullMQBroker, queue: str) -> Write:
    slot = float(int(broker.now()) - 60)
    schedule = StoredSchedule("often", "any", Timing("* * * * *"), "{}", slot)

    async def write(broker: BullMQBroker, queue: str) -> str:
        await broker.put_schedule(queue, schedule)
        return f"repeat:often:{round(slot * 1000)}"

    return write


async def _newest(broker: BullMQBroker, queue: str) -> str:
    return max((job.id for job in await broker.list_jobs(queue, "waiting", 0, 100)), key=int)


@pytest.mark.parametrize(
    "prepare",
    [retried, handed_back, reprocessed, promoted, due, stalled, kept_last, parent_of_finished, scheduled],
    ids=lambda prepare: prepare.__name__,
)
async def test_node_5_keeps_what_python_lets_wait_while_it_is_paused(
    prepare: Callable[[BullMQBroker, str], Awaitable[Write]], node5: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    for _ in range(2):
        await node5.add("before")
    write = await prepare(broker, stored.queue)
    await node5.pause()
    job_id = await write(broker, stored.queue)
    await node5.resume()
    assert (await stored.places())[job_id] == ["wait"]
    assert await stored.misplaced() == {}


# ── what others lost is found ───────────────────────────────────────────────────────────────────────────────────────


async def test_repair_puts_back_what_node_6_lost(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    before = await node5.add("before")
    await node5.pause()
    lost = [await node6.add("meanwhile", {"number": number}) for number in range(3)]
    await node5.resume()
    assert sorted(await broker.repair(stored.queue)) == sorted(lost)
    assert await stored.misplaced() == {}
    await node6.start_worker()
    for job_id in [before, *lost]:
        await node6.wait_until_finished(job_id)
    assert (await node6.get(lost[2])).returnvalue == {"number": 2}


async def test_repair_wakes_a_worker_that_waits(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    await node5.add("before")
    await node5.pause()
    lost = await node6.add("meanwhile")
    await node5.resume()
    await node6.start_worker(drainDelay=3600)
    await node6.saw("drained")
    await broker.repair(stored.queue)
    await node6.saw("completed", lost)


async def test_repair_puts_back_into_a_paused_queue_what_a_second_pause_lost(
    node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    lost = await node5.add("before")
    await node5.pause()
    added = await node6.add("meanwhile")
    await node5.pause()
    assert await broker.repair(stored.queue) == [lost]
    await node5.resume()
    assert await stored.places() == {lost: ["wait"], added: ["wait"]}


async def test_repair_leaves_every_job_alone_that_has_its_place(
    theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    await theirs.add_flow({"name": "parent", "queueName": theirs.name, "children": [
        {"name": "child", "queueName": theirs.name, "opts": {"delay": 3_600_000}},
    ]})  # fmt: skip
    await theirs.upsert_scheduler("nightly", {"pattern": "0 3 * * *", "tz": "UTC"}, {"name": "any"})
    for opts in ({}, {"delay": 3_600_000}, {"priority": 3}, {"jobId": "mine"}):
        await theirs.add("any", {}, **opts)
    done, failed, active = [await theirs.add("any", {}, lifo=True) and await theirs.take() for _ in range(3)]
    assert done and failed and active  # noqa: PT018
    await theirs.finish(done)
    await theirs.finish(failed, error="on purpose")
    before = await stored.places()
    assert {place for places in before.values() for place in places} == {
        "wait", "active", "delayed", "prioritized", "completed", "failed", "waiting-children",
    }  # fmt: skip
    assert await broker.repair(stored.queue) == []
    assert await stored.places() == before
