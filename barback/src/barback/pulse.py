"""Asks the broker every second whether it is there, and whether it still has all that it acknowledged (P20, P21)."""

import asyncio
import time
from collections.abc import Sequence

import structlog

from barback.broker import Broker
from barback.errors import BarbackError
from barback.outage import Outage
from barback.telemetry.histogram import Durations

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.pulse")

PULSE_S = 1.0


class Pulse:
    """Of one broker, on behalf of a worker of these queues. `latency`: how long each answer took is added to it."""

    def __init__(self, broker: Broker, queues: Sequence[str], outage: Outage, latency: Durations | None = None) -> None:
        self._broker = broker
        self._queues = queues
        self._outage = outage
        self._latency = latency or Durations()

    async def run(self) -> None:
        """Ask again and again, for ever. What waits for jobs is woken by the broker if it does not answer."""
        while True:
            asked_at = time.monotonic()
            try:
                loss = await self._broker.pulse(self._queues)
            except BarbackError as error:
                self._outage.failed("pulse", error)
            else:
                self._latency.add(time.monotonic() - asked_at)
                self._outage.end()
                for line in loss.certain:
                    log.error("jobs lost", reason=line)
                for line in loss.possible:
                    log.warning("jobs may be lost", reason=line)
            await asyncio.sleep(PULSE_S)
