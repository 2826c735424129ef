"""Puts one declared schedule in the place of what is stored of it, without a slot lost or run twice."""

from dataclasses import replace
from itertools import islice

import structlog

from barback.broker import Broker, StoredSchedule
from barback.errors import BrokerError
from barback.schedules.marks import PUTTING, Mark, mark_note, read_mark
from barback.schedules.plan import Wanted
from barback.schedules.ticker import SAID_EVERY_S, SLOTS_TRIED, Ticker
from barback.seldom import Seldom

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

PENDING = ("waiting", "prioritized", "delayed")


class Putter:
    """Puts schedules of one broker."""

    def __init__(self, broker: Broker, ticker: Ticker) -> None:
        self._broker = broker
        self._ticker = ticker
        self._seldom = Seldom(SAID_EVERY_S)

    async def put(self, queue: str, wanted: Wanted, old: StoredSchedule | None, mark: Mark | None) -> bool:
        """`mark`: what was noted when it was decided to. False: it is another by now, and nothing was done."""
        now = self._broker.now()
        if old is not None and old.next_at <= now:
            # Putting removes the next slot's job. This one is due and shall run: it is not the next any more.
            await self._ticker.advance(queue, old)
            old = await self._broker.schedule(queue, old.id)
        pending = old is not None and await self._state(queue, old) in PENDING
        if old is not None and pending and old.next_at <= now:
            # Its last one still waits for a worker. We come again.
            return True
        made = max(old.made if old is not None else 0, mark.made if mark is not None else 0)
        made = made if pending else made + 1
        schedule = replace(wanted.stored, made=made)
        slot = await self._free_slot(queue, schedule, now, old if pending else None)
        final = replace(wanted.mark, made=made, over=slot is None)
        putting = replace(final, fingerprint=PUTTING, over=False)
        if not await self._note(queue, schedule.id, putting, mark):
            return False
        if slot is None:
            await self._end(queue, schedule, old)
        elif not await self._put(queue, replace(schedule, next_at=slot)):
            return True
        if not await self._note(queue, schedule.id, final, putting):
            await self._give_way(queue, schedule.id)
        return True

    async def _put(self, queue: str, schedule: StoredSchedule) -> bool:
        try:
            await self._broker.put_schedule(queue, schedule)
        except BrokerError as error:
            log.warning("schedule not applied", queue=queue, schedule=schedule.id, error=str(error))
            return False
        log.info("schedule applied", queue=queue, schedule=schedule.id, next_at=schedule.next_at)
        return True

    async def _note(self, queue: str, schedule_id: str, mark: Mark, known: Mark | None) -> bool:
        expected = mark_note(schedule_id, known)
        return await self._broker.set_notes(queue, mark_note(schedule_id, mark), expected=expected)

    async def _give_way(self, queue: str, schedule_id: str) -> None:
        """Somebody noted something else meanwhile: a pause holds, and so does a removal."""
        mark = await read_mark(self._broker, queue, schedule_id)
        if mark is None or mark.paused:
            await self._broker.remove_schedule(queue, schedule_id)

    async def _end(self, queue: str, schedule: StoredSchedule, old: StoredSchedule | None) -> None:
        if old is not None:
            await self._broker.remove_schedule(queue, schedule.id)
        if self._seldom.may_say((queue, schedule.id)):
            log.warning("schedule has no slot to come", queue=queue, schedule=schedule.id, made=schedule.made - 1)

    async def _free_slot(
        self, queue: str, schedule: StoredSchedule, now: float, replaced: StoredSchedule | None
    ) -> float | None:
        """The first slot to come that has no job yet, but for that of the one that is replaced."""
        limit = schedule.timing.limit
        if limit is not None and schedule.made > limit:
            return None
        for slot in islice(schedule.timing.slots(now), SLOTS_TRIED):
            if replaced is not None and slot == replaced.next_at:
                return slot
            # BullMQ's script would let a job that has run start once more.
            if await self._state(queue, replace(schedule, next_at=slot)) == "unknown":
                return slot
        return None

    async def _state(self, queue: str, schedule: StoredSchedule) -> str:
        return await self._broker.state(queue, schedule.job_id)
