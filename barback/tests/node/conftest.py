"""The Node process, and one queue as either version and as Redis itself see it."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Literal
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from barback.bullmq import BullMQBroker

from .pair import Pair
from .process import Node, NodeMissing, install
from .python import PythonQueue
from .side import NodeQueue
from .stored import Stored

DB = 1
"""`REDIS_DB`'s default."""


@pytest.fixture(scope="session")
def node(valkey_url: str) -> Iterator[Node]:
    """One Node process for all tests. Where there is no Node the tests are skipped, but never on CI."""
    try:
        install()
    except NodeMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    process = Node({"host": "127.0.0.1", "port": urlsplit(valkey_url).port, "db": DB})
    yield process
    process.close()


@pytest.fixture(params=[6, 5], ids=["node-6.7.0", "node-5.81.5"])
def version(request: pytest.FixtureRequest) -> Literal[5, 6]:
    """Of BullMQ in Node."""
    return request.param


@pytest.fixture
async def theirs(node: Node, version: Literal[5, 6], queue_name: str) -> AsyncIterator[NodeQueue]:
    """The test's queue in Node, in either version."""
    queue = NodeQueue(node, version, queue_name)
    yield queue
    await queue.close()


@pytest.fixture
async def node6(node: Node, queue_name: str) -> AsyncIterator[NodeQueue]:
    queue = NodeQueue(node, 6, queue_name)
    yield queue
    await queue.close()


@pytest.fixture
async def node5(node: Node, queue_name: str) -> AsyncIterator[NodeQueue]:
    queue = NodeQueue(node, 5, queue_name)
    yield queue
    await queue.close()


@pytest.fixture
async def stored(valkey_url: str, queue_name: str) -> AsyncIterator[Stored]:
    """The test's queue as it lies in Redis."""
    client = redis.asyncio.Redis.from_url(f"{valkey_url}/{DB}", decode_responses=True)  # pyright: ignore[reportUnknownMemberType]
    yield Stored(client, queue_name)
    await client.aclose()


@pytest.fixture
async def broker(valkey_url: str) -> AsyncIterator[BullMQBroker]:
    """Python's side."""
    opened = BullMQBroker(valkey_url, db=DB)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def ours(broker: BullMQBroker, queue_name: str) -> AsyncIterator[PythonQueue]:
    """The test's queue in Python."""
    queue = PythonQueue(broker, queue_name)
    yield queue
    await queue.stop_workers()


@pytest.fixture(params=["node-to-python", "python-to-node"])
def pair(request: pytest.FixtureRequest, theirs: NodeQueue, ours: PythonQueue) -> Pair:
    """One side enqueues, the other works: all four ways, both versions of Node."""
    return Pair(theirs, ours, theirs, ours) if request.param == "node-to-python" else Pair(ours, theirs, theirs, ours)
