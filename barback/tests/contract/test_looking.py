"""Counts, states, pages and single jobs."""

from barback.broker import Broker, Completed, ListedState, NewFlow
from barback.options import JobOptions

from .under_test import FAILED, QueueUnderTest


async def one_in_each_state(queue: QueueUnderTest) -> dict[ListedState, str]:
    """The id of a job in every state."""
    completed = await queue.create()
    await queue.work_one(Completed())
    failed = await queue.create()
    await queue.work_one(FAILED)
    active = await queue.create()
    await queue.fetch_one()
    flow = await queue.broker.add_flow(NewFlow(queue.new(JobOptions(job_id="parent")), [NewFlow(queue.new())]))
    assert flow.children
    [child] = await queue.ids("waiting")
    return {
        "completed": completed,
        "failed": failed,
        "active": active,
        "waiting-children": "parent",
        "waiting": child,
        "delayed": await queue.create(JobOptions(delay_s=60)),
        "prioritized": await queue.create(JobOptions(priority=1)),
    }


async def test_a_job_is_in_exactly_one_state_and_counted_there(queue: QueueUnderTest) -> None:
    """P6."""
    by_state = await one_in_each_state(queue)
    assert await queue.broker.counts(queue.name) == dict.fromkeys(by_state, 1)
    for state, job_id in by_state.items():
        assert await queue.state(job_id) == state
        assert (await queue.get(job_id)).state == state
        [listed] = await queue.broker.list_jobs(queue.name, state, 0, 10)
        assert listed == await queue.get(job_id)


async def test_a_job_that_is_gone_is_unknown(queue: QueueUnderTest) -> None:
    assert await queue.state("gone") == "unknown"
    assert await queue.broker.get(queue.name, "gone") is None


async def test_queues_do_not_see_each_others_jobs(broker: Broker, queue_name: str) -> None:
    mine, other = QueueUnderTest(broker, queue_name), QueueUnderTest(broker, f"{queue_name}-other")
    job_id = await mine.create()
    assert await other.counts() == {}
    assert await other.state(job_id) == "unknown"
    assert await other.fetch() == []
    assert not await broker.remove(other.name, job_id)


async def test_waiting_jobs_are_paged_in_the_order_in_which_they_will_run(queue: QueueUnderTest) -> None:
    ids = [await queue.create() for _ in range(7)]
    pages = [await queue.broker.list_jobs(queue.name, "waiting", start, 3) for start in range(0, 12, 3)]
    assert [[record.id for record in page] for page in pages] == [ids[:3], ids[3:6], ids[6:], []]
    assert await queue.broker.list_jobs(queue.name, "waiting", 0, 0) == []
    await queue.broker.pause(queue.name)
    assert [record.id for record in await queue.broker.list_jobs(queue.name, "waiting", 2, 3)] == ids[2:5]


async def test_prioritized_and_delayed_jobs_are_paged_too(queue: QueueUnderTest) -> None:
    prioritized = [await queue.create(JobOptions(priority=n)) for n in (1, 2, 3)]
    delayed = [await queue.create(JobOptions(delay_s=60 * n)) for n in (1, 2, 3)]
    states: dict[ListedState, list[str]] = {"prioritized": prioritized, "delayed": delayed}
    for state, ids in states.items():
        assert [record.id for record in await queue.broker.list_jobs(queue.name, state, 1, 1)] == ids[1:2]
        assert [record.id for record in await queue.broker.list_jobs(queue.name, state, 1, 9)] == ids[1:]


async def test_active_jobs_are_listed_the_longest_running_first(queue: QueueUnderTest) -> None:
    ids = [await queue.create() for _ in range(5)]
    await queue.fetch(5)
    assert await queue.ids("active") == ids
    assert [record.id for record in await queue.broker.list_jobs(queue.name, "active", 1, 2)] == ids[1:3]


async def test_finished_jobs_are_listed_the_newest_first(queue: QueueUnderTest) -> None:
    ids: list[str] = []
    for _ in range(3):
        ids.append(await queue.create())
        await queue.work_one(Completed())
        await queue.let_pass(0.002)
    assert await queue.ids("completed") == ids[::-1]
    assert [record.id for record in await queue.broker.list_jobs(queue.name, "completed", 0, 2)] == ids[:0:-1]
