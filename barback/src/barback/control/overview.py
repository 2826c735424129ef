"""Everything at a glance, asked for side by side.

What lasts is kept for some seconds, so that many tabs ask no more than one; how many jobs there are is always new.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from barback.control.attention import Notice, Situation, attention
from barback.control.kept import Kept, ask_each
from barback.control.metrics import STEPS, Histories, Past, Span
from barback.control.schedules import ScheduleView, add_declared, list_schedules
from barback.control.workers import live_workers, published_apps
from barback.errors import BarbackError
from barback.inspector import Glance, InspectedBroker, Server
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.published import PublishedApp

QUEUES_A_PAGE = 100
"""Of so many the past is told at a time."""
GLANCED_AT_ONCE = 200
FRESH_S = 5.0
"""Workers tell of themselves, and what they counted, no more often."""
HISTORY_FRESH_S: Mapping[Span, float] = {"1h": FRESH_S, "24h": 30.0, "7d": 60.0}
SURROUNDINGS_FRESH_S = 1.0
WARMED_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around the queues."""

    workers: Sequence[WorkerBeat]
    apps: Sequence[PublishedApp]
    server: Server


@dataclass(frozen=True, slots=True)
class Overview:
    """All queues as they are now, how those of a page did in a span, and what needs attention."""

    queues: Sequence[Glance]
    histories: Histories
    notices: Sequence[Notice]


@dataclass(frozen=True, slots=True)
class PageOfPast:
    """How the queues of one page did."""

    page: int
    kept: Kept[Histories]


class Overviews:
    """Of one process; every method raises `BrokerUnavailable` while Redis is away. `queues` is asked each time."""

    def __init__(self, broker: InspectedBroker, queues: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._broker, self._queues = broker, queues
        self._past: dict[Span, PageOfPast] = {}
        self._schedules = Kept(self._ask_schedules, FRESH_S)
        self._surroundings = Kept(self._ask_surroundings, SURROUNDINGS_FRESH_S)

    async def look(self, span: Span, page: int = 1) -> Overview:
        """What the first page shows; `page`: of the past, `QUEUES_A_PAGE` queues each, from 1 on."""
        glances, around, schedules, told, last_hour = await asyncio.gather(
            self._glance(), self.surroundings(), self.schedules(), self.history(span, page), self.history("1h", page)
        )
        by_queue = {queue: series.whole for queue, series in last_hour.by_queue.items()}
        situation = Situation(
            self._broker.now(), around.server, glances, around.workers, around.apps, schedules, by_queue
        )
        return Overview(glances, told, attention(situation))

    async def warm(self) -> None:
        """Ask for all that lasts, before anybody has to wait for it."""
        for span in STEPS:
            await self.look(span)

    async def stay_warm(self, every_s: float = WARMED_EVERY_S) -> None:
        """Go on with it for good: whoever comes after a silent night need not wait for what was counted in it."""
        while True:
            await asyncio.sleep(every_s)
            with contextlib.suppress(BarbackError):
                await self.warm()

    async def history(self, span: Span, page: int = 1) -> Histories:
        known = self._past.get(span)
        if known is None or known.page != page:
            ask = partial(self._ask_history, Past(self._broker.board, span), page)
            known = self._past[span] = PageOfPast(page, Kept(ask, HISTORY_FRESH_S[span]))
        return await known.kept.get()

    async def surroundings(self) -> Surroundings:
        return await self._surroundings.get()

    async def schedules(self) -> Sequence[ScheduleView]:
        """All of these queues, and those that an app declares for them but are not there."""
        return await self._schedules.get()

    def forget_schedules(self) -> None:
        """One was changed: ask anew the next time."""
        self._schedules.forget()

    async def _glance(self) -> list[Glance]:
        queues = await self._queues()
        some = [queues[start : start + GLANCED_AT_ONCE] for start in range(0, len(queues), GLANCED_AT_ONCE)]
        return [glance for glances in await ask_each(some, self._broker.inspector.glance, 1) for glance in glances]

    async def _ask_history(self, past: Past, page: int) -> Histories:
        queues = await self._queues()
        return await past.look(queues[(page - 1) * QUEUES_A_PAGE : page * QUEUES_A_PAGE], self._broker.now())

    async def _ask_schedules(self) -> list[ScheduleView]:
        queues, around = await asyncio.gather(self._queues(), self.surroundings())
        return add_declared(await list_schedules(self._broker, queues), around.apps, queues)

    async def _ask_surroundings(self) -> Surroundings:
        board, inspector = self._broker.board, self._broker.inspector
        return Surroundings(*await asyncio.gather(live_workers(board), published_apps(board), inspector.server()))
