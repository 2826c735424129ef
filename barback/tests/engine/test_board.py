"""How the board lies in Redis."""

from barback.board import Bucket, Counted
from barback.bullmq import BullMQBroker


async def test_what_nodes_workers_counted_is_read_as_bullmq_keeps_it(broker: BullMQBroker, queue_name: str) -> None:
    """Its newest minute is the difference of two totals, the older ones are a list that ends before it."""
    minute = int(broker.now()) // 60 * 60
    key = f"bull:{queue_name}:metrics:completed"
    await broker._connection.run("HSET", key, "count", 10, "prevTS", (minute - 60) * 1000 + 1234, "prevCount", 7)
    await broker._connection.run("RPUSH", f"{key}:data", 0, 5, 2)
    assert await broker.board.counts_of_others(queue_name, 60, minute - 240, minute) == [
        Bucket(minute - 240, {"completed": 2}),
        Bucket(minute - 180, {"completed": 5}),
        Bucket(minute - 120, {"completed": 0}),
        Bucket(minute - 60, {"completed": 3}),
        Bucket(minute, {}),
    ]
    by_hour = await broker.board.counts_of_others(queue_name, 3600, minute - 240, minute)
    assert sum(bucket.counts.get("completed", 0) for bucket in by_hour) == 10


async def test_everything_is_bounded_and_lies_beside_the_queues(broker: BullMQBroker, queue_name: str) -> None:
    await broker.board.put_document(queue_name, "a", "1", ttl_s=60)
    await broker.board.count([Counted(queue_name, 60, broker.now(), {"completed": 1}, keep_s=60)], queue_name, 1)
    keys: list[str] = await broker._connection.run("KEYS", f"*{queue_name}*")
    assert len(keys) == 4
    assert all(key.startswith("barback:bull:") for key in keys)
    for key in keys:
        assert 0 < await broker._connection.run("PTTL", key) <= 31 * 86_400_000


async def test_names_of_documents_that_expired_long_ago_are_forgotten(broker: BullMQBroker, queue_name: str) -> None:
    names = f"barback:bull:documents:{queue_name}"
    await broker._connection.run("ZADD", names, (broker.now() - 100_000) * 1000, "old", broker.now() * 1000, "new")
    await broker.board.put_document(queue_name, "a", "1", ttl_s=60)
    assert await broker._connection.run("ZRANGE", names, 0, -1) == ["new", "a"]
