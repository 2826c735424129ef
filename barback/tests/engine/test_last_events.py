"""Whether anything happened in a queue is one small question."""

import pytest

from barback.broker import Completed, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker

LEASE = Lease("w", 10.0)


async def test_a_queue_without_events_is_left_out(broker: BullMQBroker, queue_name: str) -> None:
    await broker.add([NewJob(queue_name, "mail", "{}")])
    found = await broker.last_events([queue_name, f"{queue_name}-empty"])
    assert list(found) == [queue_name]
    assert await broker.last_events([]) == {}


async def test_every_change_of_a_job_is_one(broker: BullMQBroker, queue_name: str) -> None:
    seen: list[str] = []

    async def is_new() -> bool:
        seen.append((await broker.last_events([queue_name]))[queue_name])
        return seen[-1] not in seen[:-1]

    await broker.add([NewJob(queue_name, "mail", "{}")])
    assert await is_new()
    [job] = (await broker.exchange(queue_name, [], 1, LEASE)).jobs
    assert await is_new()
    await broker.set_progress(queue_name, job.id, "50")
    assert await is_new()
    await broker.exchange(queue_name, [Settlement(job, Completed())], 0, LEASE)
    assert await is_new()
    await broker.pause(queue_name)
    assert await is_new()
    assert not await is_new()


@pytest.mark.parametrize("count", [1, 50])
async def test_any_number_of_queues_is_one_question(broker: BullMQBroker, queue_name: str, count: int) -> None:
    queues = [f"{queue_name}-{n}" for n in range(count)]
    await broker.add([NewJob(queue, "mail", "{}") for queue in queues])
    assert set(await broker.last_events(queues)) == set(queues)
