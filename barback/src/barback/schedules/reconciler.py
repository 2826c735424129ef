"""Makes the stored schedules those that the app declares (P15): at a worker's start, now and then, and on demand.

Only what barback itself made for this app is changed or removed: each such schedule is marked.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog

from barback.broker import Broker
from barback.payload_limits import PayloadLimits
from barback.release import order_of
from barback.schedule import Schedule
from barback.schedules.marks import RELEASE, nothing_noted, read_marks
from barback.schedules.plan import Change, Wanted, plan, want
from barback.schedules.putting import Putter
from barback.schedules.ticker import SAID_EVERY_S, Ticker
from barback.seldom import Seldom

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")


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
        self._putter = Putter(broker, Ticker(broker, queues))
        self._seldom = Seldom(SAID_EVERY_S)
        self._wanted: dict[str, dict[str, Wanted]] = defaultdict(dict)
        for schedule in schedules:
            self._wanted[schedule.job.queue][schedule.id] = want(app, schedule, limits or PayloadLimits())

    async def plan(self) -> dict[str, list[Change]]:
        """What `apply` would do, by queue."""
        return {queue: await self._plan(queue) for queue in self._queues}

    async def newer(self) -> dict[str, str]:
        """The newer releases that have declared their schedules, by queue; there this one would change nothing."""
        name = RELEASE + self._app
        newest = {queue: (await self._broker.notes(queue)).get(name, "") for queue in self._queues}
        return {q: text.partition("#")[0] for q, text in newest.items() if _order(text) > _order(self._release)}

    async def apply(self, *, force: bool = False, again: bool = False) -> dict[str, list[Change]]:
        """Do it; by queue what was done. See `apply_to`."""
        return {queue: await self.apply_to(queue, force=force, again=again) for queue in self._queues}

    async def apply_one(self, queue: str, schedule_id: str) -> None:
        """Put one as this release declares it, unless a newer one has declared others."""
        if queue in await self.newer():
            return
        for change in await self._plan(queue):
            if change.schedule_id == schedule_id:
                await self._make(queue, change)

    async def _plan(self, queue: str) -> list[Change]:
        # A repeatable of that id is another program's, too.
        stored = {one.id: one for one in await self._broker.repeatables(queue)}
        stored |= {one.id: one for one in await self._broker.schedules(queue)}
        return plan(self._app, self._wanted.get(queue, {}), stored, read_marks(await self._broker.notes(queue)))

    async def apply_to(self, queue: str, *, force: bool = False, again: bool = False) -> list[Change]:
        """Do it in one queue; what was done.

        `force`: also as the older release, which is the newest from then on. `again`: only if nobody else has since.
        """
        if not await self._claim(queue, force, again):
            return []
        changes = [change for change in await self._plan(queue) if change.kind not in ("keep", "over")]
        for change in changes:
            await self._make(queue, change)
        return changes

    async def _claim(self, queue: str, force: bool, again: bool) -> bool:
        """Write down that this release has declared its schedules; False: a newer one has, or `again` another one."""
        name, claim = RELEASE + self._app, f"{self._release}#{self._fingerprint(queue)}"
        while True:
            notes = await self._broker.notes(queue)
            newest = notes.get(name)
            if newest == claim or (newest is None and not self._wanted.get(queue)):
                return True
            if again and newest is not None:
                return False
            if newest is not None and not force and _order(newest) > _order(claim):
                log.warning(
                    "schedules not applied: a newer release has; 'barback schedules apply' goes back to this one",
                    queue=queue, release=self._release, newest=newest.partition("#")[0],
                )  # fmt: skip
                return False
            if await self._broker.set_notes(queue, {name: claim}, expected={name: newest}):
                return True

    def _fingerprint(self, queue: str) -> str:
        """Of all that is declared: replicas have the same."""
        told = sorted(wanted.mark.fingerprint for wanted in self._wanted.get(queue, {}).values())
        return hashlib.sha256(" ".join(told).encode()).hexdigest()[:16]

    async def _make(self, queue: str, change: Change) -> None:
        match change.kind:
            case "add" | "change":
                assert change.wanted is not None  # noqa: S101 — that is what it is changed to
                await self._putter.put(queue, change.wanted, change.stored, change.mark)
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


def _order(noted: str) -> list[tuple[int, int, str]]:
    """That of a release, which may be noted with its fingerprint."""
    return order_of(noted.partition("#")[0])
