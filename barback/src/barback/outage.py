"""Tells of an outage of the broker once for all rooms of a worker, not once for each try of each of them (P20)."""

import time
from collections.abc import Callable
from math import inf
from threading import Lock

import structlog

from barback.errors import BrokerUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.outage")

SHORT_S = 0.5
"""What is over sooner is told of in one line, at its end."""
BETWEEN_S = 1.0
AGAIN_S = 5.0
"""How long to be silent between two lines about the same outage, or about short ones that follow each other."""


class Outage:
    """One worker's view of its broker. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = Lock()
        self._since: float | None = None
        self._told = False
        self._told_at = -inf
        self._failures = 0
        self._last = ""

    @property
    def over(self) -> bool:
        """The last call that somebody told of was answered."""
        return self._since is None

    def failed(self, what: str, error: BaseException, **facts: object) -> None:
        """`what` could not be done. While nobody is answered: a line after half a second, then every few seconds."""
        if not isinstance(error, BrokerUnavailable):
            with self._guard:
                tell = self._may_tell(self._clock(), BETWEEN_S)
            if tell:
                log.warning("broker failed", what=what, error=str(error), **facts)
            return
        with self._guard:
            now = self._clock()
            self._failures += 1
            self._last = f"{what}: {error}"
            self._since = now if self._since is None else self._since
            lasted_s, failures = round(now - self._since, 1), self._failures
            tell = lasted_s >= SHORT_S and self._may_tell(now, AGAIN_S if self._told else BETWEEN_S)
            self._told = self._told or tell
        if tell:
            log.warning("broker failed", what=what, error=str(error), lasted_s=lasted_s, failures=failures, **facts)

    def end(self) -> None:
        """A call was answered."""
        if self.over:
            return
        with self._guard:
            now, since, failures = self._clock(), self._since, self._failures
            tell = since is not None and self._may_tell(now, BETWEEN_S if self._told else AGAIN_S)
            if self._told and not tell:
                # Who was told of its beginning is told of its end: at the next answer.
                return
            told, self._since, self._told = self._told, None, False
            if tell:
                self._failures = 0
        if not tell or since is None:
            return
        if told:
            log.info("broker is back", lasted_s=round(now - since, 1), failures=failures)
        else:
            log.warning("broker failed for a moment", error=self._last, failures=failures)

    def _may_tell(self, now: float, gap_s: float) -> bool:
        if now - self._told_at < gap_s:
            return False
        self._told_at = now
        return True
