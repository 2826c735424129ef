"""The front door for code that enqueues: `async with connect() as enqueue: await enqueue(job, payload)`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from barback.errors import SettingsError
from barback.producer import Producer
from barback.settings import Settings, load_settings

if TYPE_CHECKING:
    from barback.bullmq import BullMQBroker


@asynccontextmanager
async def connect(settings: Settings | None = None) -> AsyncGenerator[Producer]:
    """A producer on the Redis that the settings name; closed at the end.

    :raises SettingsError: a setting is wrong, or `REDIS_URL` is not set.
    :raises BrokerUnavailable: Redis cannot be reached or refuses us.
    """
    settings = settings or load_settings(Settings)
    async with open_broker(settings) as broker:
        yield Producer(broker, settings.payload_limits)


@asynccontextmanager
async def open_broker(settings: Settings | None = None) -> AsyncGenerator["BullMQBroker"]:
    """An open broker on the Redis that the settings name; closed at the end. Raises as `connect`."""
    settings = settings or load_settings(Settings)
    if settings.redis_url is None:
        raise SettingsError(
            "REDIS_URL is not set. Set it to your Redis (redis://host:6379), "
            "or run 'barback dev', which brings a Redis of its own."
        )
    # Not at the top: Redis's client is a quarter of what importing barback takes, and supervisors and the processes
    # that jobs run in do without it.
    from barback.bullmq import BullMQBroker

    broker = BullMQBroker(settings.redis_url.get_secret_value(), settings.redis_db, settings.redis_prefix)
    try:
        await broker.open()
        yield broker
    finally:
        await broker.close()
