"""Sessions that were signed out, remembered beside the queues: every process of the dashboard knows them."""

import contextlib
import time
from collections.abc import Callable

import structlog

from barback.board import Board
from barback.control.kept import Kept
from barback.errors import BarbackError

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

KIND = "signed-out"
"""Of document, by the session's id, which lets nobody in without its signature."""
FRESH_S = 2.0
"""So long after a session was signed out elsewhere it may still be let in here."""


class SignedOutOnBoard:
    """`SignedOut` of all processes. While Redis is away, those known so far, and those ended here, are kept out."""

    def __init__(self, board: Board, clock: Callable[[], float] = time.time) -> None:
        self._board, self._clock = board, clock
        self._here: dict[str, float] = {}
        """Ended by this process, until when; they count at once."""
        self._known: frozenset[str] = frozenset()
        self._ids = Kept(self._ask, FRESH_S)

    async def add(self, session_id: str, until: float) -> None:
        """Remember it until then (epoch seconds)."""
        now = self._clock()
        self._here = {one: end for one, end in self._here.items() if end > now} | {session_id: until}
        if until <= now:
            return
        try:
            await self._board.put_document(KIND, session_id, "", until - now)
        except BarbackError as error:
            log.warning("a session was signed out in this process only: Redis is away", reason=str(error))

    async def has(self, session_id: str) -> bool:
        """Whether it was ended, here or elsewhere."""
        return session_id in self._here or session_id in await self._ids.get()

    async def _ask(self) -> frozenset[str]:
        # Without Redis no page shows anything but that.
        with contextlib.suppress(BarbackError):
            self._known = frozenset(await self._board.documents(KIND))
        return self._known
