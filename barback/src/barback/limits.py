"""The limits of queues that an app declares: put at a worker's start, and where that fails, again until it is done."""

import asyncio
from collections.abc import Mapping

import structlog

from barback.broker import Broker, QueueLimits
from barback.errors import BarbackError, BrokerError
from barback.outage import Outage

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

AGAIN_S = 30.0


class Limits:
    """By queue; of one broker."""

    def __init__(self, broker: Broker, limits: Mapping[str, QueueLimits], outage: Outage) -> None:
        self._broker = broker
        self._outage = outage
        self._left = dict(limits)
        """Those that are not put yet."""

    async def apply(self) -> None:
        """Put those that are left; what a queue refuses is told of.

        :raises BrokerUnavailable: the broker is away.
        """
        for queue, limits in list(self._left.items()):
            try:
                await self._broker.set_limits(queue, limits)
            except BrokerError as error:
                log.error("limits not applied", queue=queue, error=str(error))
            else:
                del self._left[queue]

    async def run(self) -> None:
        """Until none is left."""
        while self._left:
            await asyncio.sleep(AGAIN_S)
            try:
                await self.apply()
            except BarbackError as error:
                self._outage.failed("apply limits", error)
