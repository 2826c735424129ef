"""Brokers that are open, and servers of a test's own."""

from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest

from barback.bullmq import BullMQBroker
from drills.servers import Valkey

from .twins import Twin, Twins


@pytest.fixture
async def broker(valkey_url: str) -> AsyncGenerator[BullMQBroker]:
    opened = BullMQBroker(valkey_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def twins(broker: BullMQBroker, queue_name: str) -> Twins:
    """A queue for BullMQ's own scripts, and one for ours."""
    connection = broker._connection
    return Twins(Twin(connection, f"{queue_name}-theirs"), Twin(connection, f"{queue_name}-ours"))


@pytest.fixture
def start_valkey(tmp_path: Path) -> Generator[Callable[..., Valkey]]:
    """Start a Valkey with these options; it ends with the test."""
    started: list[Valkey] = []

    def start(*options: str) -> Valkey:
        server = Valkey(tmp_path, *options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
