"""Saying a thing once in a while: what is true of every job shall not be a log line of every job."""

import time
from collections.abc import Callable, Hashable

MOST = 1_000
"""Things remembered; while more than these are being said, further ones are not said at all."""


class Seldom:
    """Lets each thing be said at most once in `every_s` seconds."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._said_at: dict[Hashable, float] = {}

    def may_say(self, what: Hashable) -> bool:
        """Whether to say it now; if so, it counts as said."""
        now = self._clock()
        said_at = self._said_at.get(what)
        if said_at is not None and now - said_at < self._every_s:
            return False
        if len(self._said_at) >= MOST:
            self._said_at = {other: at for other, at in self._said_at.items() if now - at < self._every_s}
        if len(self._said_at) >= MOST:
            return False
        self._said_at[what] = now
        return True
