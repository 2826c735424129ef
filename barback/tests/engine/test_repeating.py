"""`enqueue(…, repeat=…)`: a schedule put where the program says so."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from barback.answers import Created, Swallowed
from barback.broker import Broker
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.errors import InvalidOptions
from barback.job import Context, Job, job
from barback.memory import MemoryBroker
from barback.payload import Payload
from barback.producer import Producer
from barback.schedule import Schedule
from barback.schedules import pausing
from barback.schedules.reconciler import Reconciler

YEARLY = Timing("0 3 29 2 *", tz="Europe/Berlin")


class Mail(Payload, frozen=True):
    to: str

    def unique(self) -> str:
        return self.to


@pytest.fixture(params=["memory", "bullmq"])
async def broker(request: pytest.FixtureRequest, valkey_url: str) -> AsyncGenerator[Broker]:
    opened: Broker = MemoryBroker() if request.param == "memory" else BullMQBroker(valkey_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def send(queue_name: str) -> Job[Mail, None, Any]:
    @job("send", queue=queue_name, attempts=3)
    async def send(payload: Mail, ctx: Context[None]) -> None: ...

    return send


async def test_the_answer_is_the_job_of_the_next_slot(broker: Broker, send: Job[Mail, None, Any]) -> None:
    answer = await Producer(broker)(send, Mail(to="a"), repeat=YEARLY, attempts=7)
    slot = YEARLY.next_after(time.time())
    assert answer == Created(f"repeat:send:{(slot or 0) * 1000:.0f}")
    [stored] = await broker.schedules(send.queue)
    assert (stored.id, stored.name, stored.data, stored.timing) == ("send", "send", '{"to":"a"}', YEARLY)
    assert stored.options.attempts == 7


async def test_asked_for_again_it_is_swallowed_by_the_job_of_the_next_slot(
    broker: Broker, send: Job[Mail, None, Any]
) -> None:
    enqueue = Producer(broker)
    first = await enqueue(send, Mail(to="a"), repeat=YEARLY)
    assert isinstance(first, Created)
    assert await enqueue(send, Mail(to="a"), repeat=YEARLY) == Swallowed(first.job_id, "delayed")


async def test_another_pattern_replaces_the_old_one(broker: Broker, send: Job[Mail, None, Any]) -> None:
    """BullMQ's old `repeat` option left both running."""
    enqueue = Producer(broker)
    await enqueue(send, Mail(to="a"), repeat=YEARLY)
    hourly = Timing(every_s=3600.0)
    answer = await enqueue(send, Mail(to="a"), repeat=hourly)
    assert isinstance(answer, Created)
    [stored] = await broker.schedules(send.queue)
    assert stored.timing == hourly
    assert [record.id for record in await broker.list_jobs(send.queue, "delayed", 0, 9)] == [answer.job_id]


async def test_two_with_ids_of_their_own_stand_side_by_side_and_no_deploy_removes_them(
    broker: Broker, send: Job[Mail, None, Any]
) -> None:
    enqueue = Producer(broker)
    for name in ("a", "b"):
        await enqueue(send, Mail(to=name), repeat=YEARLY, job_id=name)
    await Reconciler(broker, "app", "1", [send.queue], []).apply()
    assert {stored.id for stored in await broker.schedules(send.queue)} == {"a", "b"}


async def test_its_jobs_are_not_unique_so_that_others_are_not_swallowed_by_the_next_one(
    broker: Broker, send: Job[Mail, None, Any]
) -> None:
    enqueue = Producer(broker)
    await enqueue(send, Mail(to="a"), repeat=YEARLY)
    assert isinstance(await enqueue(send, Mail(to="a")), Created)


async def test_a_paused_one_stays_paused(broker: Broker, send: Job[Mail, None, Any]) -> None:
    enqueue = Producer(broker)
    await enqueue(send, Mail(to="a"), repeat=YEARLY)
    [before] = await broker.schedules(send.queue)
    await pausing.pause(broker, send.queue, "send")
    assert await enqueue(send, Mail(to="a"), repeat=YEARLY) == Swallowed("send", "unknown")
    assert await broker.schedules(send.queue) == []
    await pausing.resume(broker, send.queue, "send")
    [stored] = await broker.schedules(send.queue)
    assert (stored.timing, stored.data, stored.options) == (YEARLY, '{"to":"a"}', before.options)
    assert await enqueue(send, Mail(to="a"), repeat=YEARLY) == Swallowed(stored.job_id, "delayed")


async def test_asked_for_by_many_at_once_there_is_one_and_each_is_told_its_job(
    broker: Broker, send: Job[Mail, None, Any]
) -> None:
    enqueue = Producer(broker)
    answers = await asyncio.gather(*(enqueue(send, Mail(to="a"), repeat=YEARLY) for _ in range(20)))
    [stored] = await broker.schedules(send.queue)
    assert {answer.job_id if isinstance(answer, Created) else answer.by for answer in answers} == {stored.job_id}
    assert len(await broker.list_jobs(send.queue, "delayed", 0, 99)) == 1


@pytest.mark.parametrize(
    ("timing", "job_id", "why"),
    [
        (Timing("0 3 31 2 *"), "x", "Bad day-of-month"),
        (Timing("* * * * *", tz="Mars"), "x", "zone 'Mars' is not known"),
        (Timing("* * * * *", end_at=1.0), "x", "'x' has no slot to come"),
        (YEARLY, "declared", "has a schedule 'declared' that was put elsewhere"),
    ],
)
async def test_what_cannot_repeat_is_refused_and_leaves_nothing(
    broker: Broker, send: Job[Mail, None, Any], timing: Timing, job_id: str, why: str
) -> None:
    declared = Schedule("declared", send, "0 3 29 2 *", payload=Mail(to="app"))
    await Reconciler(broker, "app", "1", [send.queue], [declared]).apply()
    with pytest.raises(InvalidOptions, match=why):
        await Producer(broker)(send, Mail(to="a"), repeat=timing, job_id=job_id)
    assert [stored.data for stored in await broker.schedules(send.queue)] == ['{"to":"app"}']
