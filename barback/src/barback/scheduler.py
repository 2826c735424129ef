"""Schedules of the app: put into the broker at start, and advanced when due.

The next job is made when its slot comes, not when the last one gets a worker, so a busy queue does not run cron late.
Every worker may tick: advancing is a compare-and-set, and of two only one makes the job (P13).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import structlog

from barback.broker import Broker, StoredSchedule
from barback.cron import Schedule, next_after
from barback.errors import BarbackError, BrokerError
from barback.outage import Outage
from barback.payload_limits import PayloadLimits, write_payload

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.scheduler")

LONGEST_REST_S = 5.0
SHORTEST_REST_S = 0.02
RETRY_S = 1.0
SLOTS_TRIED = 10
"""How many slots are tried when they have their jobs already: run ahead of time, or made by a clock that was ahead."""


class Scheduler:
    """The schedules of some queues of an app, with payloads within `limits`."""

    def __init__(
        self,
        broker: Broker,
        schedules: Iterable[Schedule],
        outage: Outage | None = None,
        limits: PayloadLimits | None = None,
    ) -> None:
        self._broker = broker
        self._outage = outage or Outage()
        self._limits = limits or PayloadLimits()
        self._by_queue: dict[str, dict[str, Schedule]] = defaultdict(dict)
        for schedule in schedules:
            self._by_queue[schedule.job.queue][schedule.id] = schedule

    async def apply(self) -> None:
        """Put each schedule that is missing or declared differently; leave all others alone.

        :raises InvalidPayload: that of a schedule is over a limit, or cannot be written as JSON.
        """
        for queue, schedules in self._by_queue.items():
            stored = {s.id: s for s in await self._broker.schedules(queue)}
            for schedule in schedules.values():
                old = stored.get(schedule.id)
                if _same(old, self._wanted(schedule)):
                    continue
                if old is not None and old.next_at is not None and old.next_at <= self._broker.now():
                    # Putting removes the next slot's job. This one is due and shall run: it is not the next any more.
                    await self._advance(queue, schedule, old)
                await self._put(queue, schedule)

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            try:
                rest_s = await self.tick()
            except BarbackError as error:
                self._outage.failed("advance schedules", error)
                rest_s = RETRY_S
            await asyncio.sleep(rest_s)

    async def tick(self) -> float:
        """Advance what is due; seconds until the next tick."""
        rest_s = LONGEST_REST_S
        for queue, schedules in self._by_queue.items():
            for stored in await self._broker.schedules(queue):
                schedule = schedules.get(stored.id)
                if schedule is None or stored.next_at is None:
                    continue
                due_in_s = stored.next_at - self._broker.now()
                if due_in_s <= 0:
                    await self._advance(queue, schedule, stored)
                rest_s = min(rest_s, due_in_s)
        return max(rest_s, SHORTEST_REST_S)

    async def _put(self, queue: str, schedule: Schedule) -> None:
        for next_at in self._slots(schedule):
            try:
                await self._broker.put_schedule(queue, self._wanted(schedule, next_at), schedule.job.options)
            except BrokerError as error:
                log.warning("slot has its job already", schedule=schedule.id, slot=next_at, error=str(error))
            else:
                log.info("schedule applied", schedule=schedule.id, pattern=schedule.pattern, tz=schedule.tz)
                return
        log.error("schedule not applied", schedule=schedule.id)

    async def _advance(self, queue: str, schedule: Schedule, stored: StoredSchedule) -> None:
        for next_at in self._slots(schedule):
            if await self._broker.advance_schedule(queue, stored, next_at, schedule.job.options):
                log.info("schedule due", schedule=schedule.id, job=schedule.job.name)
                return
            # Another worker was first, or that slot has its job already: then BullMQ would never go on.
            if not any(s.id == stored.id and s.next_at == stored.next_at for s in await self._broker.schedules(queue)):
                return
        log.error("schedule not advanced", schedule=schedule.id)

    def _slots(self, schedule: Schedule) -> Iterator[float]:
        at = self._broker.now()
        for _ in range(SLOTS_TRIED):
            at = next_after(schedule.pattern, schedule.tz, at)
            yield at

    def _wanted(self, schedule: Schedule, next_at: float | None = None) -> StoredSchedule:
        data = write_payload(schedule.data, schedule.job.name, self._limits)
        return StoredSchedule(schedule.id, schedule.job.name, schedule.pattern, schedule.tz, data, next_at)


def _same(stored: StoredSchedule | None, wanted: StoredSchedule) -> bool:
    return stored is not None and replace(stored, next_at=None) == wanted
