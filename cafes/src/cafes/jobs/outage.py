"""What a job does while the database is away: it waits, longer each time, and not for ever."""

import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from barback import Context, Exponential, RetryLater
from barback.retry import wait_after
from cafes.errors import StoreUnavailable

WAITS = Exponential(first_s=1.0, longest_s=60.0, jitter=0.5)
"""The jitter spreads the jobs that one outage put off together: they do not come back together."""
MOST_WAITS = 480
"""Between four and eight hours, the waits alone."""


@contextmanager
def outages_waited_out(ctx: Context[Any]) -> Generator[None]:
    """`with outages_waited_out(ctx):` puts the job off when the store is away, which uses up no attempt (P7).

    :raises RetryLater: instead of `StoreUnavailable`.
    :raises StoreUnavailable: it was put off `MOST_WAITS` times already: from here on each try uses up an attempt.
    """
    try:
        yield
    except StoreUnavailable as error:
        # Starts beyond the attempts are those put off, and a few that a crash, a lost lock or a stopping worker took
        # back: those make the next wait longer than it need be, which does no harm.
        after_s = wait_s(ctx.starts - ctx.attempt, random.random())  # noqa: S311 — no secret
        if after_s is None:
            raise
        raise RetryLater(after_s, str(error)) from error


def wait_s(waits: int, draw: float) -> float | None:
    """Seconds until the next try after `waits` earlier ones; None: no more. `draw` in [0, 1) draws the jitter."""
    if waits >= MOST_WAITS:
        return None
    return wait_after(WAITS, waits + 1, StoreUnavailable(), draw)
