"""The broker over Redis: the only folder that knows bullmq, redis, keys, scripts and their bugs."""

from barback.bullmq.broker import BullMQBroker

__all__ = ["BullMQBroker"]
