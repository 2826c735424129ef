"""What the inspector tells of queues, the server, and one job."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from barback.broker import Completed, Failed, Lease, NewFlow, NewJob, QueueLimits, Settlement
from barback.bullmq import BullMQBroker, finding
from barback.bullmq.server_info import clock_ahead_s, read_server
from barback.inspector import Family, LogEnd, Needle, Sieve
from barback.options import JobOptions
from drills.servers import Valkey

from .conftest import Store

HOSTILE = ['<script>"&', "a*b?[c]\\", "café 🎉", "meta", " x ", "a\nb", "{tag}"]
LEASE = Lease("tester", 30.0)


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[BullMQBroker]:
    """A broker on an empty server."""
    server = Valkey(tmp_path, "--maxmemory", "50mb")
    server.start()
    broker = BullMQBroker(server.url)
    await broker.open()
    yield broker
    await broker.close()
    server.stop()


async def test_queues_are_found_whatever_their_names(own: BullMQBroker) -> None:
    for queue in HOSTILE:
        await own.add([NewJob(queue, "any", "{}", JobOptions(job_id="x"))])
    other = BullMQBroker(own._connection._url, prefix="other")
    await other.open()
    await other.add([NewJob("elsewhere", "any", "{}")])
    assert await own.inspector.queues() == sorted(HOSTILE)
    assert await other.inspector.queues() == ["elsewhere"]
    for queue in HOSTILE:
        assert (await own.counts(queue))["waiting"] == 1
        assert [seen.record.id for seen in (await own.inspector.scan(queue, "waiting", 0, 9)).jobs] == ["x"]
    await other.close()


async def test_queues_that_come_and_go_are_seen_so(own: BullMQBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "KNOWN_FOR_S", 0.0)
    await own.add([NewJob("one", "any", "{}")])
    assert await own.inspector.queues() == ["one"]
    await own.add([NewJob("two", "any", "{}")])
    assert await own.inspector.queues() == ["one", "two"]
    await own._connection.run("DEL", "bull:one:meta")
    assert await own.inspector.queues() == ["two"]


async def test_queues_are_remembered_for_some_seconds(own: BullMQBroker) -> None:
    await own.add([NewJob("one", "any", "{}")])
    await own.inspector.queues()
    await own.add([NewJob("two", "any", "{}")])
    assert await own.inspector.queues() == ["one"]


async def test_the_server_tells_how_it_is(own: BullMQBroker) -> None:
    server = await own.inspector.server()
    assert (server.product, server.most_bytes, server.eviction) == ("Valkey", 50 * 1024 * 1024, "noeviction")
    assert server.used_bytes is not None
    assert 0 < server.used_bytes < 50 * 1024 * 1024
    assert server.clients is not None
    assert server.clients >= 1
    assert server.saved_at == pytest.approx(time.time(), abs=60)
    assert abs(server.ahead_s) < 0.1
    assert isinstance(server.append_only, bool)


def test_what_a_server_does_not_tell_is_none() -> None:
    server = read_server({"redis_version": "7.0", "used_memory": "?"}, None, 0.0)
    assert (server.product, server.version) == ("Redis", "7.0")
    assert (server.used_bytes, server.eviction, server.append_only, server.save_points) == (None, None, None, None)


def test_clocks_are_compared_within_what_the_question_took() -> None:
    assert clock_ahead_s(10.0, (10, 500_000), 11.0) == 0
    assert clock_ahead_s(10.0, (7, 0), 11.0) == 3
    assert clock_ahead_s(10.0, (14, 0), 11.0) == -3
    assert clock_ahead_s(10.0, None, 11.0) == 0


async def test_the_end_of_a_long_log_is_read_alone(store: Store) -> None:
    await store.broker.add([NewJob(store.queue, "any", "{}", JobOptions(job_id="talks"))])
    for n in range(7):
        await store.broker.add_log(store.queue, "talks", f"line {n}", 100)
    assert await store.inspector.log_end(store.queue, "talks", 2) == LogEnd(["line 5", "line 6"], 5)
    assert (await store.inspector.log_end(store.queue, "talks", 9)).first == 0
    assert await store.inspector.log_end(store.queue, "gone", 9) == LogEnd([], 0)


async def test_the_place_of_a_job_is_how_many_come_before_it(store: Store) -> None:
    broker, inspector, queue = store.broker, store.inspector, store.queue
    await broker.add([NewJob(queue, "any", "{}", JobOptions(job_id=f"w{n}")) for n in range(3)])
    await broker.add([NewJob(queue, "any", "{}", JobOptions(job_id=f"p{n}", priority=9 - n)) for n in range(3)])
    assert [await inspector.place(queue, "waiting", f"w{n}") for n in range(3)] == [0, 1, 2]
    assert [await inspector.place(queue, "prioritized", f"p{n}") for n in range(3)] == [2, 1, 0]
    assert await inspector.place(queue, "waiting", "p0") is None
    assert await inspector.count(queue, "waiting") == 3


async def test_limits_are_told_as_they_were_set(store: Store) -> None:
    for limits in (QueueLimits(), QueueLimits(3, (10, 1.5))):
        await store.broker.set_limits(store.queue, limits)
        assert await store.inspector.limits(store.queue) == limits


async def test_a_queue_at_its_rate_limit_says_for_how_long(store: Store) -> None:
    broker, queue = store.broker, store.queue
    await broker.set_limits(queue, QueueLimits(rate=(2, 60.0)))
    await broker.add([NewJob(queue, "any", "{}") for _ in range(3)])
    for expected in (False, True):
        await broker.exchange(queue, [], 1, LEASE)
        limited_for_s = await store.inspector.limited_for_s(queue)
        assert (0 < limited_for_s <= 60) is expected


async def test_a_parent_names_its_children_by_what_became_of_them(store: Store) -> None:
    queue = store.queue
    children = [NewFlow(NewJob(queue, "any", "{}", JobOptions(job_id=f"c{n}", on_failure="ignore"))) for n in range(3)]
    await store.broker.add_flow(NewFlow(NewJob(queue, "any", "{}", JobOptions(job_id="parent")), children))
    for outcome in (Completed(), Failed("no milk")):
        [job] = (await store.broker.exchange(queue, [], 1, LEASE)).jobs
        await store.broker.exchange(queue, [Settlement(job, outcome)], 0, LEASE)
    assert await store.inspector.family(queue, "parent") == Family(
        [f"{queue}:c2"], [f"{queue}:c0"], [f"{queue}:c1"], {"pending": 1, "finished": 1, "failed": 1}
    )
    assert (await store.inspector.family(queue, "gone")).counts == {"pending": 0, "finished": 0, "failed": 0}


async def test_records_are_told_in_the_order_asked_and_none_where_there_is_no_job(store: Store) -> None:
    await store.put("a")
    await store.put("b", "delayed")
    found = await store.inspector.records(store.queue, ["b", "gone", "a"])
    assert [record and record.state for record in found] == ["delayed", None, "failed"]
    assert await store.inspector.records(store.queue, []) == []


async def test_one_call_ends_after_so_many_bytes_or_jobs_found(store: Store) -> None:
    large = json.dumps({"a": "x" * 2_000_000})
    await store.put_many({f"j{n}": {"data": large} for n in range(6)})
    scanned = await store.inspector.scan(store.queue, "failed", 0, 100, Sieve([Needle("absent")]))
    assert 0 < scanned.looked < 6
    scanned = await store.inspector.scan(store.queue, "failed", 0, 100, wanted=2)
    assert (scanned.looked, scanned.last_id, [seen.record.id for seen in scanned.jobs]) == (2, "j4", ["j5", "j4"])


async def test_two_who_ask_for_the_queues_at_once_are_told_all_of_them(own: BullMQBroker) -> None:
    for number in range(20):
        await own.add([NewJob(f"queue-{number}", "any", "{}")])
    found = await asyncio.gather(*(own.inspector.queues() for _ in range(4)))
    assert [len(queues) for queues in found] == [20] * 4
