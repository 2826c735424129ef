"""Makes the stored schedules those that the app declares (P15): at a worker's start, now and then, and on demand.

Only what barback itself made for this app is changed or removed: each such schedule is marked.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import structlog

from barback.broker import Broker, StoredSchedule
from barback.cron import Timing
from barback.errors import BrokerError
from barback.payload_limits import PayloadLimits
from barback.schedule import Schedule
from barback.schedules.marks import RELEASE, Mark, mark_note, nothing_noted, read_marks
from barback.schedules.plan import Change, Wanted, plan, want
from barback.schedules.ticker import SAID_EVERY_S, Ticker
from barback.seldom import Seldom

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")

SLOTS_TRIED = 10
"""How many slots are tried when they have their jobs already: run ahead of time, or made by a clock that was ahead."""


class Reconciler:
    """The schedules that one app declares in some queues.

    `release`: of two, the one that sorts higher (numbers in it as numbers) decides; the other changes nothing.

    :raises InvalidPayload: that of a schedule is over a limit, or cannot be written as JSON.
    """

    def __init__(
        self,
        broker: Broker,
        app: str,
        release: str,
        queues: Sequence[str],
        schedules: Iterable[Schedule],
        limits: PayloadLimits | None = None,
    ) -> None:
        self._broker = broker
        self._app = app
        self._release = release
        self._queues = queues
        self._ticker = Ticker(broker, queues)
        self._seldom = Seldom(SAID_EVERY_S)
        self._wanted: dict[str, dict[str, Wanted]] = defaultdict(dict)
        for schedule in schedules:
            self._wanted[schedule.job.queue][schedule.id] = want(app, schedule, limits or PayloadLimits())

    async def plan(self) -> dict[str, list[Change]]:
        """What `apply` would do, by queue."""
        return {queue: await self._plan(queue) for queue in self._queues}

    async def apply(self, *, force: bool = False) -> dict[str, list[Change]]:
        """Do it; by queue what was done. `force`: also as the older release, which is the newest from then on."""
        return {queue: await self._apply(queue, force) for queue in self._queues}

    async def pause(self, queue: str, schedule_id: str) -> None:
        """Make no more jobs of it until it is resumed, whatever is deployed meanwhile.

        :raises BrokerError: it is none of this app's.
        """
        mark = await self._mark(queue, schedule_id)
        await self._broker.set_notes(queue, mark_note(schedule_id, replace(mark, paused=True)))
        await self._broker.remove_schedule(queue, schedule_id)
        log.info("schedule paused", queue=queue, schedule=schedule_id)

    async def resume(self, queue: str, schedule_id: str) -> None:
        """:raises BrokerError: it is none of this app's."""
        mark = await self._mark(queue, schedule_id)
        await self._broker.set_notes(queue, mark_note(schedule_id, replace(mark, paused=False)))
        for change in await self._plan(queue):
            if change.schedule_id == schedule_id:
                await self._make(queue, change)

    async def _mark(self, queue: str, schedule_id: str) -> Mark:
        mark = read_marks(await self._broker.notes(queue)).get(schedule_id)
        if mark is None or mark.app != self._app:
            raise BrokerError(f"Schedule '{schedule_id}' of '{queue}' is none that app '{self._app}' has put.")
        return mark

    async def _plan(self, queue: str) -> list[Change]:
        stored = {schedule.id: schedule for schedule in await self._broker.schedules(queue)}
        return plan(self._app, self._wanted.get(queue, {}), stored, read_marks(await self._broker.notes(queue)))

    async def _apply(self, queue: str, force: bool) -> list[Change]:
        changes = [change for change in await self._plan(queue) if change.kind != "keep"]
        if not await self._claim(queue, force, bool(changes)):
            return []
        for change in changes:
            await self._make(queue, change)
        return changes

    async def _claim(self, queue: str, force: bool, needed: bool) -> bool:
        """Write down that this release has declared its schedules; False: a newer one has."""
        name = RELEASE + self._app
        while True:
            newest = (await self._broker.notes(queue)).get(name)
            if newest is not None and not force and _order(newest) > _order(self._release):
                if needed and self._seldom.may_say(("older", queue, newest)):
                    log.warning(
                        "schedules not applied: a newer release has; 'barback schedules apply' goes back to this one",
                        queue=queue, release=self._release, newest=newest,
                    )  # fmt: skip
                return False
            if newest == self._release or (newest is None and not needed):
                return True
            if await self._broker.set_notes(queue, {name: self._release}, expected={name: newest}):
                return True

    async def _make(self, queue: str, change: Change) -> None:
        match change.kind:
            case "add" | "change":
                assert change.wanted is not None  # noqa: S101 — that is what it is changed to
                await self._put(queue, change.wanted, change.stored)
            case "remove":
                await self._broker.remove_schedule(queue, change.schedule_id)
                await self._broker.set_notes(queue, nothing_noted(change.schedule_id))
                log.info("schedule removed", queue=queue, schedule=change.schedule_id)
            case "taken" if self._seldom.may_say(("taken", queue, change.schedule_id)):
                log.error(
                    "schedule not applied: another program made one of that id; give it another one, or remove theirs",
                    queue=queue, schedule=change.schedule_id,
                )  # fmt: skip
            case "paused" if change.stored is not None:
                # Its pausing was interrupted.
                await self._broker.remove_schedule(queue, change.schedule_id)
            case _:
                pass

    async def _put(self, queue: str, wanted: Wanted, old: StoredSchedule | None) -> None:
        if old is not None and old.next_at <= self._broker.now():
            # Putting removes the next slot's job. This one is due and shall run: it is not the next any more.
            await self._ticker.advance(queue, old)
        schedule = wanted.stored
        await self._broker.set_notes(queue, mark_note(schedule.id, wanted.mark))
        for next_at in _slots(schedule.timing, self._broker.now()):
            try:
                await self._broker.put_schedule(queue, replace(schedule, next_at=next_at))
            except BrokerError as error:
                log.warning(
                    "slot has its job already", queue=queue, schedule=schedule.id, slot=next_at, error=str(error)
                )
            else:
                log.info("schedule applied", queue=queue, schedule=schedule.id, next_at=next_at)
                return
        log.warning("schedule has no slot to come", queue=queue, schedule=schedule.id)


def _slots(timing: Timing, after: float) -> Iterator[float]:
    yield from timing.following(after, SLOTS_TRIED)


def _order(release: str) -> list[tuple[int, int, str]]:
    """`2.10` after `2.9`: digits count as numbers."""
    parts = re.findall(r"\d+|\D+", release)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
