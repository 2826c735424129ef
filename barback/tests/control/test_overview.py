"""Everything at a glance, over a real Valkey."""

import asyncio
import time

from barback.board import Counted
from barback.broker import Lease, NewJob
from barback.bullmq.connection import Call
from barback.control.overview import Overviews
from barback.errors import BrokerUnavailable
from barback.options import JobOptions
from barback.telemetry.histogram import bin_of

from .conftest import Store

LEASE = Lease("tester", 30.0)


async def test_a_glance_tells_counts_pauses_and_what_is_first_in_line(store: Store) -> None:
    broker, queue, other = store.broker, store.queue, f"{store.queue}-other"
    assert await store.inspector.glance([]) == []
    await broker.add([NewJob(queue, name, "{}") for name in ("first", "second")])
    await broker.add([NewJob(queue, "urgent", "{}", JobOptions(priority=1))])
    await broker.pause(other)
    one, two = await store.inspector.glance([queue, other])
    assert (one.queue, one.paused, one.next_name, one.tended) == (queue, False, "first", False)
    assert (one.counts["waiting"], one.counts["prioritized"]) == (2, 1)
    assert one.oldest_at is not None
    assert abs(one.oldest_at - time.time()) < 20
    assert (two.paused, two.next_name, two.oldest_at) == (True, None, None)


async def test_of_a_paused_queue_the_first_in_line_is_known_too(store: Store) -> None:
    await store.broker.pause(store.queue)
    await store.broker.add([NewJob(store.queue, "stays", "{}")])
    [glance] = await store.inspector.glance([store.queue])
    assert (glance.next_name, glance.counts["waiting"]) == ("stays", 1)


async def test_since_when_the_oldest_waits_does_not_count_its_delay(store: Store) -> None:
    await store.put("old", "waiting", timestamp=1_700_000_000_000, delay=60_000)
    await store.broker.add([NewJob(store.queue, "urgent", "{}", JobOptions(priority=1))])
    [glance] = await store.inspector.glance([store.queue])
    assert glance.oldest_at == 1_700_000_060.0


async def test_a_hash_that_cannot_be_read_spoils_no_glance(store: Store) -> None:
    await store.put("odd", "waiting", timestamp="x" * 40, delay="-5")
    calls = [("LPUSH", f"bull:{store.queue}:paused", "gone"), ("ZADD", f"bull:{store.queue}:prioritized", 1, "gone")]
    await store.broker._connection.run_all([Call(calls)])
    [glance] = await store.inspector.glance([store.queue])
    assert (glance.next_name, glance.oldest_at) == ("any", 0.0)


async def test_a_queue_that_a_worker_looks_after_is_told_so(store: Store) -> None:
    await store.broker.recover_stalled(store.queue, 30.0)
    [glance] = await store.inspector.glance([store.queue])
    assert glance.tended


async def test_it_stays_warm_though_the_server_is_away_for_a_while(store: Store) -> None:
    asked, warmed = 0, asyncio.Event()

    async def queues() -> list[str]:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise BrokerUnavailable("away")
        if asked > 20:
            warmed.set()
        return [store.queue]

    warming = asyncio.create_task(Overviews(store.broker, queues).stay_warm(every_s=0.0))
    await asyncio.wait_for(warmed.wait(), 10)
    warming.cancel()


async def test_an_overview_brings_all_of_it_together(store: Store) -> None:
    broker, queue = store.broker, store.queue
    now = broker.now()
    counts = {"completed": 30, "failed": 20, f"run:{bin_of(1.0)}": 50}
    await broker.board.count([Counted(queue, 60, now - 120, counts, 7200)], queue, 1)
    await broker.add([NewJob(queue, "any", "{}")])

    async def queues() -> list[str]:
        return [queue]

    overview = await Overviews(broker, queues).look("1h")
    assert [one.counts["waiting"] for one in overview.queues] == [1]
    told = overview.histories.by_queue[queue]
    assert (len(told.points), told.whole.completed, told.whole.failed) == (60, 30, 20)
    assert overview.histories.whole == told
    about = [(notice.cause, notice.queue) for notice in overview.notices if notice.queue]
    assert about == [("no-worker", queue), ("failures", queue)]


async def test_what_nodes_workers_counted_is_part_of_it(store: Store) -> None:
    broker, queue = store.broker, store.queue
    now = broker.now()
    await broker.board.count([Counted(queue, 60, now, {"completed": 3}, 7200)], queue, 1)
    key = f"bull:{queue}:metrics:completed"
    commands = [("HSET", key, "count", 9, "prevTS", int(now * 1000), "prevCount", 2), ("LPUSH", f"{key}:data", 2)]
    await broker._connection.run_all([Call(commands)])

    async def queues() -> list[str]:
        return [queue]

    told = (await Overviews(broker, queues).history("1h")).by_queue[queue]
    assert told.whole.completed == 3 + 9
