"""Writes every five seconds that a worker lives, what it counted, and now and then what its app declares.

    beat ──► a document, gone 15 s after the last one
    sums of the meters ──► counts by the minute (kept 2 h) and by the hour (kept 8 days)
    the app ──► a document, kept for a week; where its jobs have secrets, documents kept for 30 days

In an outage of the broker the meters go on counting, and what could not be written is written when it is back: with
its number, so that it counts once even if it was written and only the answer got lost. Lost are the counts of the last
seconds of a worker that is killed, or stops while the broker is away.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from barback.board import LONGEST_TTL_S, Board, Counted
from barback.errors import BarbackError
from barback.outage import Outage
from barback.release import order_of
from barback.telemetry.beat import KIND as WORKER
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.meter import Meter
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import SECRETS, PublishedApp, decode_app

BEAT_S = 5.0
GONE_AFTER_S = 15.0
PUBLISH_S = 60.0
PUBLISHED_FOR_S = 7 * 86_400.0
TAKEN_BACK_S = 300.0
"""A newer release that no worker has had for so long was taken back: an older one publishes over it."""
STEPS: Mapping[int, float] = {60: 2 * 3600.0, 3600: 8 * 86_400.0}
"""Seconds of a bucket, and for how long it is kept."""
LEAVE_S, LEAVE_IN_OUTAGE_S = 0.3, 0.15
"""How long the broker has to take the last words of a worker that stops."""


class Heartbeat:
    """Of one worker. `look` tells how it is now; `meters`: by queue."""

    def __init__(
        self,
        board: Board,
        look: Callable[[], WorkerBeat],
        app: PublishedApp,
        meters: Mapping[str, Meter],
        outage: Outage,
    ) -> None:
        self._board = board
        self._look = look
        self._app = app
        self._meters = meters
        self._outage = outage
        self._published_at: float | None = None
        self._unwritten: list[Counted] = []
        self._number = 0
        """Of the last write of counts."""

    async def run(self) -> None:
        """Beat again and again, for ever."""
        while True:
            try:
                await self.beat()
            except BarbackError as error:
                self._outage.failed("heartbeat", error)
            else:
                self._outage.end()
            await asyncio.sleep(BEAT_S)

    async def beat(self) -> None:
        """Write all that is to be told now."""
        beat = self._look()
        await self._board.put_document(WORKER, beat.name, beat.encode(), GONE_AFTER_S)
        await self._write_counts(beat)
        if self._published_at is None or beat.at - self._published_at >= PUBLISH_S:
            await self._publish(beat.at)
            self._published_at = beat.at

    async def leave(self) -> None:
        """The worker stops: it is gone at once, and all it counted is written, if the broker answers.

        In an outage it hardly waits: the beat expires by itself, and what was counted is lost if Redis is not back.
        """
        beat = self._look()
        with contextlib.suppress(BarbackError, TimeoutError):
            async with asyncio.timeout(LEAVE_S if self._outage.over else LEAVE_IN_OUTAGE_S):
                await self._board.remove_document(WORKER, beat.name)
                # What an earlier write left, and what was counted since.
                await self._write_counts(beat)
                await self._write_counts(beat)

    async def _write_counts(self, beat: WorkerBeat) -> None:
        if not self._unwritten:
            sums = {queue: meter.take() for queue, meter in self._meters.items()}
            self._unwritten = [
                Counted(queue, step_s, beat.at, counts, keep_s)
                for queue, counts in sums.items()
                for step_s, keep_s in STEPS.items()
                if counts
            ]
            self._number += 1
        if self._unwritten:
            await self._board.count(self._unwritten, beat.name, self._number)
            self._unwritten = []

    async def _publish(self, now: float) -> None:
        """Two releases that publish at once may do so in the wrong order: the next time puts it right."""
        known = decode_app((await self._board.documents(APP)).get(self._app.name, ""))
        if known is not None and _stands(known, self._app.release, now):
            return
        # First: what an app declares is never known without them.
        for secrets in self._app.secrets():
            await self._board.put_document(SECRETS, secrets.key, secrets.encode(), LONGEST_TTL_S)
        await self._board.put_document(APP, self._app.name, replace(self._app, at=now).encode(), PUBLISHED_FOR_S)


def _stands(known: PublishedApp, release: str, now: float) -> bool:
    """Whether what is published is a newer release's that workers still have."""
    return order_of(known.release) > order_of(release) and known.at > now - TAKEN_BACK_S
