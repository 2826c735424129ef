"""Brings back jobs that nobody works any more: stalled ones, and those that a pause by Node 5 has orphaned."""

import asyncio

import structlog

from barback.broker import Broker
from barback.errors import BarbackError
from barback.outage import Outage
from barback.telemetry.meter import Meter

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.recovery")


class Recovery:
    """Looks after one queue, at once and then every `every_s` seconds."""

    def __init__(self, broker: Broker, queue: str, every_s: float, outage: Outage, meter: Meter | None = None) -> None:
        self._broker = broker
        self._queue = queue
        self._every_s = every_s
        self._outage = outage
        self._meter = meter or Meter()
        self._was_paused = False

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.look()
            except BarbackError as error:
                self._outage.failed("check for stalled jobs", error, queue=self._queue)
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Recover stalled jobs; after a pause that has ended, look for jobs in no list (P6)."""
        recovered = await self._broker.recover_stalled(self._queue, self._every_s)
        self._meter.stalled += len(recovered.waiting)
        if recovered.waiting:
            log.warning(
                "stalled jobs recovered", queue=self._queue, jobs=len(recovered.waiting), first=recovered.waiting[0]
            )
        if recovered.failed:
            log.error("unreadable jobs failed", queue=self._queue, jobs=list(recovered.failed))
        paused = await self._broker.is_paused(self._queue)
        if self._was_paused and not paused:
            restored = await self._broker.repair(self._queue)
            if restored:
                log.warning("orphaned jobs restored", queue=self._queue, jobs=len(restored), first=restored[0])
        self._was_paused = paused
