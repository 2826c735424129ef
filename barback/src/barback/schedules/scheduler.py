"""A worker's schedules: made those that the app declares at its start and now and then, and ticked all the time."""

import asyncio
from collections.abc import Sequence

import structlog

from barback.broker import Broker
from barback.errors import BarbackError, BrokerError
from barback.outage import Outage
from barback.payload_limits import PayloadLimits
from barback.schedule import Schedule
from barback.schedules.reconciler import Reconciler
from barback.schedules.ticker import Ticker
from barback.telemetry.histogram import Durations

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

APPLY_EVERY_S = 30.0
"""After a release that starts at the same time as an older one, its schedules hold so much later at the latest."""


class Scheduler:
    """The schedules of one app in some queues; with those that others made there.

    :raises InvalidPayload: that of a schedule is over a limit, or cannot be written as JSON.
    """

    def __init__(
        self,
        broker: Broker,
        app: str,
        release: str,
        queues: Sequence[str],
        schedules: Sequence[Schedule],
        outage: Outage | None = None,
        limits: PayloadLimits | None = None,
    ) -> None:
        self._outage = outage or Outage()
        self._queues = queues
        self._left = set(queues)
        """Those where it was not applied yet."""
        self._reconciler = Reconciler(broker, app, release, queues, schedules, limits)
        self._ticker = Ticker(broker, queues, self._outage)

    @property
    def lateness(self) -> Durations:
        """How late each slot was for which it made the next one's job."""
        return self._ticker.lateness

    async def apply(self, *, again: bool = False) -> None:
        """Make the stored schedules those that are declared, unless a newer release has (`again`: any other).

        A queue where that cannot be done is told of, and left for the next time.

        :raises BrokerUnavailable: the broker is away.
        """
        for queue in self._queues:
            try:
                await self._reconciler.apply_to(queue, again=again and queue not in self._left)
            except BrokerError as error:
                log.error("schedules not applied", queue=queue, error=str(error))
            else:
                self._left.discard(queue)

    async def tick(self) -> float:
        """Advance what is due; seconds until the next tick."""
        return await self._ticker.tick()

    async def run(self) -> None:
        """Tick for ever, and apply now and then."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ticker.run())
            group.create_task(self._ticker.watch_now_and_then())
            group.create_task(self._apply_now_and_then())

    async def _apply_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(APPLY_EVERY_S)
            try:
                await self.apply(again=True)
            except BarbackError as error:
                self._outage.failed("apply schedules", error)
