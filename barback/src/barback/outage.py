"""Tells of an outage of the broker once for all rooms of a worker, not once for each try of each of them (P20)."""

import time
from collections.abc import Callable
from threading import Lock

import structlog

from barback.errors import BrokerUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.outage")

AGAIN_S = 5.0
"""How long to be silent between two lines about the same outage."""


class Outage:
    """One worker's view of its broker. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = Lock()
        self._since: float | None = None
        self._told_at = 0.0
        self._failures = 0

    @property
    def over(self) -> bool:
        """The last call that somebody told of was answered."""
        return self._since is None

    def failed(self, what: str, error: BaseException, **facts: object) -> None:
        """`what` could not be done. While nobody is answered: one line at once, then one every few seconds."""
        if not isinstance(error, BrokerUnavailable):
            log.warning("broker failed", what=what, error=str(error), **facts)
            return
        with self._guard:
            now = self._clock()
            self._failures += 1
            if self._since is None:
                self._since = now
            elif now - self._told_at < AGAIN_S:
                return
            self._told_at = now
            lasted_s, failures = round(now - self._since, 1), self._failures
        log.warning("broker failed", what=what, error=str(error), lasted_s=lasted_s, failures=failures, **facts)

    def end(self) -> None:
        """A call was answered."""
        if self.over:
            return
        with self._guard:
            since, self._since = self._since, None
            failures, self._failures = self._failures, 0
        if since is not None:
            log.info("broker is back", lasted_s=round(self._clock() - since, 1), failures=failures)
