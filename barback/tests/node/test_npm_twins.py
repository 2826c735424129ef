"""Whatever is done to a queue, barback leaves in Redis what npm `bullmq` leaves, key for key (P2, P16, P17, P18).

Node's side is npm 6.7.0 with its own scripts, by its public methods; ours is the broker, which settles and fetches by
`lua/exchange.lua` and hands what that does not cover to the scripts of the Python package.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis.asyncio
from hypothesis import HealthCheck, Phase, given, settings

from barback.broker import Settled
from barback.options import JobOptions

from .conftest import DB
from .keyspace import Keyspace
from .npm_hand import NpmHand
from .npm_twins import BrokerAt, NpmTwins
from .operations import Operation, sequences
from .process import Node
from .side import NodeQueue
from .steps import Completes, Fails, Step

# Not shrunk: that asks Node thousands of times, and what differs is told of the first exchange after which it does.
ANY = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def node_at(node: Node, valkey_url: str) -> Iterator[Node]:
    """A second process, whose clock is set."""
    process = Node({"host": "127.0.0.1", "port": urlsplit(valkey_url).port, "db": DB})
    yield process
    process.close()


@pytest.fixture
async def npm_twins(node_at: Node, valkey_url: str, queue_name: str) -> AsyncIterator[NpmTwins]:
    client = redis.asyncio.Redis.from_url(f"{valkey_url}/{DB}", decode_responses=True)  # pyright: ignore[reportUnknownMemberType]
    broker = BrokerAt(valkey_url, db=DB)
    await broker.open()
    queues = [NodeQueue(node_at, 6, f"{queue_name}-{side}") for side in ("npm", "ours")]
    for queue in queues:
        await queue.counts()
    theirs, ours = [Keyspace(client, queue.name) for queue in queues]
    twins = NpmTwins(NpmHand(queues[0], theirs), broker, ours)
    await twins.start()
    yield twins
    for queue in queues:
        await queue.close()
    await broker.close()
    await client.aclose()


async def play(twins: NpmTwins, operations: Sequence[Operation]) -> None:
    """And work what is left of it."""
    await twins.start()
    for operation in operations:
        await operation.happen(twins)
    await twins.exchange([], 20)
    await twins.exchange([Step(place, Completes()) for place in range(len(twins.held))], 20)


@settings(ANY, max_examples=20)
@given(operations=sequences())
async def test_any_sequence_leaves_what_node_leaves(operations: Sequence[Operation], npm_twins: NpmTwins) -> None:
    await play(npm_twins, operations)


@pytest.mark.slow
@settings(ANY, max_examples=2_000)
@given(operations=sequences())
async def test_thousands_of_sequences_leave_what_node_leaves(
    operations: Sequence[Operation], npm_twins: NpmTwins
) -> None:
    await play(npm_twins, operations)


# ── found by them ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spoil", ["lock ran out", "became unique", "hash is a string"])
async def test_a_slot_that_is_freed_after_the_fetch_is_taken_all_the_same(spoil: str, npm_twins: NpmTwins) -> None:
    """What our script leaves to another is settled after it looked for jobs, and nobody would be woken for the slot."""
    await npm_twins.add([JobOptions()] * 2)
    await npm_twins.limit(1, None)
    await npm_twins.exchange([], 1)
    exchange = await npm_twins.exchange([Step(0, Completes(), spoil)], 1)
    assert [job.id for job in exchange.jobs] == ["2"]


async def test_no_more_old_jobs_are_removed_at_once_than_the_job_says(npm_twins: NpmTwins) -> None:
    """P16. `limit` is Node's."""
    kept: Any = {"age": 2, "limit": 1}
    await npm_twins.add_by_npm([{"removeOnComplete": kept, "removeOnFail": kept}] * 8)
    await npm_twins.exchange([], 8)
    await npm_twins.exchange([Step(place, Completes()) for place in range(3)], 0)
    await npm_twins.exchange([Step(place, Fails()) for place in range(3)], 0)
    await npm_twins.let_pass(5_000)
    await npm_twins.exchange([Step(0, Completes()), Step(1, Fails())], 0)
    assert await npm_twins.ours.run("ZRANGE", npm_twins.ours.key("completed"), 0, -1) == ["1", "2", "7"]


# ── batches ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_of_a_broken_batch_each_job_is_told_its_own_and_the_others_are_settled(npm_twins: NpmTwins) -> None:
    """P10, P11."""
    await npm_twins.add([JobOptions()] * 260)
    await npm_twins.exchange([], 230)
    spoils = {
        20: ("lock is another's", Settled.LOCK_LOST),
        50: ("hash was removed", Settled.GONE),
        80: ("is not active", Settled.LOCK_LOST),
        120: ("hash is a string", Settled.WRITTEN),
        150: ("field is damaged", Settled.WRITTEN),
        180: ("got a child", Settled.CHILDREN),
        220: ("lock ran out", Settled.WRITTEN),
    }
    steps = [Step(place, Completes(), spoils.get(place, (None,))[0]) for place in range(230)]
    exchange = await npm_twins.exchange(steps, 20)
    expected = [spoils[place][1] if place in spoils else Settled.WRITTEN for place in range(230)]
    assert list(exchange.settled) == expected
