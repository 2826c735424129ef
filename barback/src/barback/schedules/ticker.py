"""Makes the job of each slot when it is due, not when the last one gets a worker: a busy queue runs cron on time (P13).

Every worker ticks: advancing is a compare-and-set, and of two only one makes the job. What others made (Node,
bull-board) goes on too. Slots that passed while nobody ticked are none, one or all made up for (P14).
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice

import structlog

from barback.broker import Broker, StoredSchedule
from barback.errors import BarbackError, BrokerError
from barback.outage import Outage
from barback.schedule import Missed
from barback.schedules.marks import note_skip, read_mark
from barback.seldom import Seldom
from barback.slots import slot_id
from barback.telemetry.histogram import Durations

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
AT_ONCE = 50
"""Schedules advanced side by side."""
WATCH_EVERY_S = 30.0
SAID_EVERY_S = 3600.0


class Ticker:
    """Ticks all schedules of some queues."""

    def __init__(self, broker: Broker, queues: Sequence[str], outage: Outage | None = None) -> None:
        self._broker = broker
        self._queues = queues
        self._outage = outage or Outage()
        self.lateness = Durations()
        """How late each slot was."""
        self._name = os.urandom(6).hex()
        self._seldom = Seldom(SAID_EVERY_S)

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
        next_at = self._broker.now() + LONGEST_REST_S
        for queue in self._queues:
            try:
                next_at = await self._tick(queue, next_at)
            except BrokerError as error:
                # It is that queue's trouble: the others go on.
                self._outage.failed("advance schedules", error, queue=queue)
                next_at = min(next_at, self._broker.now() + RETRY_S)
        return max(next_at - self._broker.now(), SHORTEST_REST_S)

    async def _tick(self, queue: str, next_at: float) -> float:
        """Advance what is due in one queue; when to come again, `next_at` at the latest."""
        soon = await self._broker.schedules(queue, until=next_at)
        due = [schedule for schedule in soon if schedule.next_at <= self._broker.now()]
        # Many that come at the same moment: each takes some round trips, which need not wait for one another.
        for start in range(0, len(due), AT_ONCE):
            next_at = min([next_at, *await self._advance_all(queue, due[start : start + AT_ONCE])])
        return min([next_at, *(schedule.next_at for schedule in soon[len(due) :])])

    async def _advance_all(self, queue: str, due: Sequence[StoredSchedule]) -> list[float]:
        """When to come again; one that fails keeps none of the others from going on."""
        advancing = [self.advance(queue, schedule) for schedule in due]
        ended = await asyncio.gather(*advancing, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        return [at for at in ended if isinstance(at, float)]

    async def watch_now_and_then(self) -> None:
        """Watch for ever."""
        while True:
            try:
                await self.watch()
            except BarbackError as error:
                self._outage.failed("watch schedules", error)
            await asyncio.sleep(WATCH_EVERY_S)

    async def watch(self) -> None:
        """See that each schedule has a job to come: somebody may have removed it, or run it ahead of its time."""
        for queue in self._queues:
            try:
                await self._watch(queue)
            except BrokerError as error:
                self._outage.failed("watch schedules", error, queue=queue)

    async def _watch(self, queue: str) -> None:
        for schedule in await self._broker.schedules(queue):
            if schedule.next_at > self._broker.now():
                await self._repair(queue, schedule)

    async def advance(self, queue: str, schedule: StoredSchedule) -> float | None:
        """Make the job of the slot after the due one, and what is to be made up for; when to come again, if ever."""
        mark = await read_mark(self._broker, queue, schedule.id)
        if mark is not None and mark.paused:
            # Its pausing was interrupted, or it was put at the same moment.
            await self._broker.remove_schedule(queue, schedule.id)
            return None
        return await self._advance(queue, schedule, mark.missed if mark is not None else "once")

    async def _advance(self, queue: str, schedule: StoredSchedule, missed: Missed) -> float | None:
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
                await note_skip(self._broker, queue, schedule, self._name, skipped=True)
            made = await self._make(queue, schedule, following)
            if made is None:
                if late and missed == "skip":
                    await note_skip(self._broker, queue, schedule, self._name, skipped=False)
                return now + RETRY_S
            self.lateness.add(now - schedule.next_at)
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

    async def _make(self, queue: str, schedule: StoredSchedule, next_at: float) -> float | None:
        """The slot whose job was made; None: another worker was first."""
        for slot in chain([next_at], islice(schedule.timing.slots(next_at), SLOTS_TRIED - 1)):
            if await self._broker.advance_schedule(queue, schedule, slot):
                return slot
            stored = await self._broker.schedule(queue, schedule.id)
            if stored is None or stored.next_at != schedule.next_at:
                return None
            if await self._broker.state(queue, slot_id(schedule.id, slot)) == "unknown":
                break
            # That slot has its job already: BullMQ would never go on.
        if self._seldom.may_say(("stuck", queue, schedule.id)):
            log.error("schedule not advanced: BullMQ makes no job of its next slots", queue=queue, schedule=schedule.id)
        return None

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


def is_missed(schedule: StoredSchedule, now: float) -> bool:
    """Whether its due slot is one at which nobody was there."""
    following = schedule.slot_after(schedule.next_at)
    return (following is not None and following <= now) or now - schedule.next_at > MISSED_AFTER_S
