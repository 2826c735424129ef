"""Makes the job of each slot when it is due, not when the last one gets a worker: a busy queue runs cron on time (P13).

Every worker ticks: advancing is a compare-and-set, and of two only one makes the job. What others made (Node,
bull-board) goes on too. Slots that passed while nobody ticked are none, one or all made up for (P14).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice

import structlog

from barback.broker import Broker, StoredSchedule
from barback.errors import BarbackError, BrokerError
from barback.outage import Outage
from barback.schedule import Missed
from barback.schedules.marks import SKIP, read_marks
from barback.seldom import Seldom

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

LONGEST_REST_S = 5.0
SHORTEST_REST_S = 0.02
RETRY_S = 1.0
SLOTS_TRIED = 1_000
"""How many slots are tried when they have their jobs already: run ahead of time, or made by a clock that was ahead."""
MISSED_AFTER_S = 60.0
"""A slot is missed if nobody made the next one's job so long after it, or before that one came."""
MADE_UP_AT_ONCE = 1_000
"""Missed slots made up for in one tick; the others follow with the next one."""
WATCH_EVERY_S = 30.0
SAID_EVERY_S = 3600.0


class Ticker:
    """Ticks all schedules of some queues."""

    def __init__(self, broker: Broker, queues: Sequence[str], outage: Outage | None = None) -> None:
        self._broker = broker
        self._queues = queues
        self._outage = outage or Outage()
        self._seldom = Seldom(SAID_EVERY_S)
        self._watch_at = 0.0

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
        if self._broker.now() >= self._watch_at:
            await self.watch()
            self._watch_at = self._broker.now() + WATCH_EVERY_S
        for queue in self._queues:
            for schedule in await self._broker.schedules(queue):
                next_at: float | None = schedule.next_at
                if schedule.next_at <= self._broker.now():
                    next_at = await self.advance(queue, schedule)
                if next_at is not None:
                    rest_s = min(rest_s, next_at - self._broker.now())
        return max(rest_s, SHORTEST_REST_S)

    async def watch(self) -> None:
        """See that each schedule has a job to come: somebody may have removed it, or run it ahead of its time."""
        for queue in self._queues:
            for schedule in await self._broker.schedules(queue):
                if schedule.next_at > self._broker.now():
                    await self._repair(queue, schedule)

    async def advance(self, queue: str, schedule: StoredSchedule) -> float | None:
        """Make the job of the slot after the due one, and what is to be made up for; when to come again, if ever."""
        missed = await self._missed(queue, schedule)
        for _ in range(MADE_UP_AT_ONCE):
            now = self._broker.now()
            following = schedule.slot_after(schedule.next_at)
            if following is None:
                self._say_over(queue, schedule)
                return None
            late = is_missed(schedule, now)
            if following <= now and missed != "all":
                # One for all of them, the due one; or none.
                following = schedule.timing.next_after(now)
                if following is None:
                    self._say_over(queue, schedule)
                    return None
            if late and missed == "skip":
                await self._note_skip(queue, schedule, schedule.next_at)
            made = await self._make(queue, schedule, following)
            if made is None:
                if late and missed == "skip":
                    await self._note_skip(queue, schedule, None)
                return now + RETRY_S
            log.info(
                "schedule due", queue=queue, schedule=schedule.id, job=schedule.name,
                late_s=round(now - schedule.next_at, 3),
            )  # fmt: skip
            if late and missed == "skip":
                await self._take_back(queue, schedule)
            if made > now:
                return made
            schedule = replace(schedule, next_at=made, made=schedule.made + 1)
        return self._broker.now()

    async def _repair(self, queue: str, schedule: StoredSchedule) -> None:
        # By the compare-and-set: whoever removed the schedule, or went on with it, since we read it, is not undone.
        state = await self._broker.state(queue, schedule.job_id)
        following = schedule.slot_after(schedule.next_at)
        if state not in ("unknown", "completed", "failed") or following is None:
            return
        if (slot := await self._make(queue, schedule, following)) is not None:
            log.warning(
                "schedule repaired: the job of its next slot was gone or had run already",
                queue=queue, schedule=schedule.id, lost=schedule.next_at, next_at=slot,
            )  # fmt: skip

    async def _missed(self, queue: str, schedule: StoredSchedule) -> Missed:
        mark = read_marks(await self._broker.notes(queue)).get(schedule.id)
        return mark.missed if mark is not None else "once"

    async def _make(self, queue: str, schedule: StoredSchedule, next_at: float) -> float | None:
        """The slot whose job was made; None: another worker was first."""
        for slot in chain([next_at], islice(schedule.timing.slots(next_at), SLOTS_TRIED - 1)):
            if await self._broker.advance_schedule(queue, schedule, slot):
                return slot
            stored = await find_schedule(self._broker, queue, schedule.id)
            if stored is None or stored.next_at != schedule.next_at:
                return None
            # That slot has its job already: BullMQ would never go on.
        if self._seldom.may_say(("stuck", queue, schedule.id)):
            log.error("schedule not advanced: its next slots have jobs already", queue=queue, schedule=schedule.id)
        return None

    async def _note_skip(self, queue: str, schedule: StoredSchedule, slot: float | None) -> None:
        """Its job may be fetched before it is taken back: whoever is about to run it looks there."""
        await self._broker.set_notes(queue, {SKIP + schedule.id: None if slot is None else str(slot)})

    async def _take_back(self, queue: str, schedule: StoredSchedule) -> None:
        """Remove the job of a slot that was missed and shall not run."""
        job_id = schedule.job_id
        try:
            await self._broker.remove(queue, job_id)
        except BrokerError:
            # It has been fetched: whoever did looks at the note.
            log.info("missed slot left to its worker to skip", queue=queue, schedule=schedule.id, job_id=job_id)
        else:
            log.info("missed slot skipped", queue=queue, schedule=schedule.id, job_id=job_id)

    def _say_over(self, queue: str, schedule: StoredSchedule) -> None:
        if self._seldom.may_say((queue, schedule.id)):
            log.info("schedule has no slot to come", queue=queue, schedule=schedule.id, made=schedule.made)


async def find_schedule(broker: Broker, queue: str, schedule_id: str) -> StoredSchedule | None:
    """As it is stored now; None: it is not."""
    return next((one for one in await broker.schedules(queue) if one.id == schedule_id), None)


def is_missed(schedule: StoredSchedule, now: float) -> bool:
    """Whether its due slot is one at which nobody was there."""
    following = schedule.slot_after(schedule.next_at)
    return (following is not None and following <= now) or now - schedule.next_at > MISSED_AFTER_S
