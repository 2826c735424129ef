"""Many jobs in one call, and one in the shortest way (P1, P5). What they leave, at random: `test_any_adding.py`."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, cast

import pytest
import redis

from barback.answers import Created
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.bullmq.adding import add_jobs
from barback.bullmq.adding_many import BATCH, BATCH_BYTES, batches
from barback.bullmq.connection import Call
from barback.errors import BrokerError, BrokerUnavailable
from barback.options import Deduplication, JobOptions
from drills.servers import Valkey

from .twins import Twins


def new(queue: str, data: str = "{}", **options: Any) -> NewJob:
    return NewJob(queue, "any", data, JobOptions(**options))


def test_a_call_is_of_one_queue_and_keeps_redis_for_a_bounded_time() -> None:
    """P17: in their order."""
    half = "x" * (BATCH_BYTES // 2)
    jobs = [new("a")] * (BATCH + 1) + [new("b")] + [new("a", half)] * 3 + [new("a", half * 9)]
    sizes = [[(job.queue, len(job.data)) for job in batch] for batch in batches(jobs)]
    assert [len(batch) for batch in sizes] == [BATCH, 1, 1, 2, 1, 1]
    assert [one for batch in sizes for one in batch] == [(job.queue, len(job.data)) for job in jobs]


async def test_jobs_are_sent_in_as_few_round_trips_as_promised(
    broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = broker._connection
    trips: list[int] = []

    async def count(calls: Sequence[Call], atomic: bool) -> list[list[Any]]:
        trips.append(len(calls))
        return await send(calls, atomic)

    async def count_one(command: Sequence[Any]) -> Any:
        trips.append(1)
        return await send_one(command)

    send, send_one = connection._send, connection._send_script
    monkeypatch.setattr(connection, "_send", count)
    monkeypatch.setattr(connection, "_send_script", count_one)
    await broker.add([new(queue_name)])
    await broker.add([new(queue_name) for _ in range(1_050)])
    assert trips == [1, 10, 1]


@pytest.mark.parametrize("options", [{}, {"priority": 1}, {"delay_s": 1}, {"job_id": "mine"}])
async def test_events_stay_as_many_as_the_queue_is_told_to_keep(options: dict[str, Any], twins: Twins) -> None:
    await twins.run(lambda keys: ("HSET", keys["meta"], "opts.maxLenEvents", 100))
    await twins.add_many([JobOptions(**options)] * 500)
    # Redis drops whole nodes, of a hundred at most.
    assert await twins.ours.run("XLEN", twins.ours.keys["events"]) <= 200


async def test_more_jobs_are_due_in_one_millisecond_than_it_has_places(twins: Twins) -> None:
    """P17: 4,096 of them, as in BullMQ."""
    await twins.add_many([JobOptions(delay_s=60)] * 4_100)
    await twins.compare()


NOT_FOR_ALL = ("delayed", "prioritized", "pc")


@pytest.mark.parametrize("name", ["wait", "paused", "meta", "id", "active", "events", "marker", *NOT_FOR_ALL])
async def test_a_queue_with_a_broken_key_gets_no_job_and_says_which_key(name: str, twins: Twins) -> None:
    """P1: what was stored already would be in no list."""
    twin = twins.ours
    if name in ("paused", "active"):
        await twin.run("HSET", twin.keys["meta"], "paused" if name == "paused" else "concurrency", 1)
    await twin.run("DEL", twin.keys[name])
    await twin.run(*(("RPUSH", twin.keys[name], "x") if name in ("id", "pc") else ("SET", twin.keys[name], "x")))
    before = await twin.stored()
    jobs = [new(twin.keys.queue), new(twin.keys.queue, priority=1), new(twin.keys.queue, delay_s=1)]
    for added in (jobs,) if name in NOT_FOR_ALL else (jobs, jobs[:1]):
        with pytest.raises(BrokerError, match=rf"BROKENQUEUE .*:{name} holds a"):
            await add_jobs(twin.connection, "bull", added, twins.now)
    assert await twin.stored() == before


async def test_a_broken_key_that_a_job_does_not_need_does_not_keep_it_out(twins: Twins) -> None:
    twin = twins.ours
    for name in NOT_FOR_ALL:
        await twin.run("RPUSH", twin.keys[name], "x")
    assert await add_jobs(twin.connection, "bull", [new(twin.keys.queue)], twins.now) == [Created("1")]


@pytest.mark.parametrize("taken", ["mine", "2"], ids=["asked for", "automatic"])
async def test_a_key_that_is_no_job_is_refused_and_the_jobs_beside_it_are_added(
    broker: BullMQBroker, queue_name: str, taken: str
) -> None:
    """P1, P6: none is left without a place."""
    await broker._connection.run("SET", f"bull:{queue_name}:{taken}", "no hash")
    jobs = [new(queue_name), new(queue_name, job_id="mine"), new(queue_name)]
    if taken == "2":
        jobs[1] = new(queue_name)
    with pytest.raises(BrokerError, match=r"Job 'any' was not added to '.*': Redis answered: WRONGTYPE"):
        await broker.add(jobs)
    waiting = await broker.list_jobs(queue_name, "waiting", 0, 9)
    assert [record.id for record in waiting] == ["1", "3"]


async def test_what_a_full_redis_refuses_is_not_acknowledged_and_leaves_nothing(
    start_valkey: Callable[..., Valkey], queue_name: str
) -> None:
    """P1."""
    server = start_valkey()
    broker = BullMQBroker(server.url)
    await broker.open()
    await broker.add([new(queue_name)])
    with closing(cast("Any", redis.Redis)(port=server.port, db=1)) as admin:
        before = sorted(admin.keys())
        admin.config_set("maxmemory", 1)
        for count in (1, 250):
            with pytest.raises(BrokerUnavailable, match="takes no writes for now"):
                await broker.add([new(queue_name) for _ in range(count)])
        admin.config_set("maxmemory", 0)
        assert sorted(admin.keys()) == before
    assert await broker.add([new(queue_name)]) == [Created("2")]
    await broker.close()


async def test_a_chunk_with_a_key_in_it_keeps_its_order(broker: BullMQBroker, queue_name: str) -> None:
    """P17."""
    jobs = [new(queue_name, str(n)) for n in range(150)]
    jobs[70] = new(queue_name, "70", deduplicate=Deduplication.simple("key"))
    assert await broker.add(jobs) == [Created(str(n + 1)) for n in range(150)]
    waiting = await broker.list_jobs(queue_name, "waiting", 0, 200)
    assert [record.data for record in waiting] == [str(n) for n in range(150)]


# ── one ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_is_added_though_scripts_were_flushed(start_valkey: Callable[..., Valkey], queue_name: str) -> None:
    broker = BullMQBroker(start_valkey().url)
    await broker.open()
    await broker._connection.run("SCRIPT", "FLUSH")
    assert await broker.add([new(queue_name)]) == [Created("1")]
    await broker.close()


async def test_adds_at_the_same_time_get_each_its_own_answer(broker: BullMQBroker, queue_name: str) -> None:
    """P5."""
    answers = await asyncio.gather(*(broker.add([new(queue_name, job_id=f"job-{n}")]) for n in range(300)))
    assert answers == [[Created(f"job-{n}")] for n in range(300)]


async def test_an_answer_that_a_cancelled_add_left_is_not_taken_for_the_next_ones(
    broker: BullMQBroker, queue_name: str
) -> None:
    """P5."""
    for n in range(50):
        cancelled = asyncio.create_task(broker.add([new(queue_name, job_id=f"cancelled-{n}")]))
        for _ in range(n % 5):
            await asyncio.sleep(0)
        cancelled.cancel()
        assert await broker.add([new(queue_name, job_id=f"job-{n}")]) == [Created(f"job-{n}")]
        await asyncio.wait([cancelled])


async def test_a_queue_whose_name_no_utf_8_can_write_is_added_to_as_it_is_read(broker: BullMQBroker) -> None:
    queue = "caf\udce9"
    [answer] = await broker.add([new(queue)])
    assert isinstance(answer, Created)
    assert await broker.remove(queue, answer.job_id)
