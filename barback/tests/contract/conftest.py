"""Every test here runs against every broker."""

from collections.abc import AsyncIterator

import pytest

from barback.broker import Broker
from barback.bullmq import BullMQBroker
from barback.memory import MemoryBroker

from .under_test import QueueUnderTest


@pytest.fixture(params=["memory", "bullmq", "bullmq on the machine's Redis"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    opened: Broker
    if request.param == "memory":
        opened = MemoryBroker()
    else:
        opened = BullMQBroker(request.getfixturevalue("valkey_url" if request.param == "bullmq" else "redis_url"))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def queue(broker: Broker, queue_name: str) -> QueueUnderTest:
    return QueueUnderTest(broker, queue_name)
