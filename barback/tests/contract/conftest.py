"""Every test here runs against every broker."""

from collections.abc import AsyncIterator

import pytest

from barback.broker import Broker
from barback.bullmq import BullMQBroker
from barback.memory import MemoryBroker

from .under_test import QueueUnderTest


@pytest.fixture(params=["memory", "bullmq"])
async def broker(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Broker]:
    opened: Broker = MemoryBroker() if request.param == "memory" else BullMQBroker(valkey_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def queue(broker: Broker, queue_name: str) -> QueueUnderTest:
    return QueueUnderTest(broker, queue_name)
