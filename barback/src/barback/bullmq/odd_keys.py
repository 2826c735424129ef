"""Keys of a queue that hold something else than BullMQ keeps there: somebody else has written them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from barback.bullmq.connection import Connection
from barback.bullmq.keys import Keys
from barback.bullmq.numbers import whole_number
from barback.errors import BrokerError
from barback.examiner import OddKey

KINDS = {
    **dict.fromkeys(("wait", "paused", "active", "metrics:completed:data", "metrics:failed:data"), "list"),
    **dict.fromkeys(("delayed", "prioritized", "completed", "failed", "waiting-children", "repeat", "marker"), "zset"),
    **dict.fromkeys(("meta", "metrics:completed", "metrics:failed", "barback:schedules", "barback-cancels"), "hash"),
    **dict.fromkeys(("id", "pc", "limiter", "stalled-check", "barback-checked"), "string"),
    "stalled": "set",
    "events": "stream",
}
"""All that a queue has beside its jobs."""
COUNTERS = ("id", "pc", "limiter")
SHOWN = 40
"""Characters of what stands in the place of a number."""


async def find_odd_keys(connection: Connection, keys: Keys) -> list[OddKey]:
    """All of a queue. What we may not ask is let pass."""
    asked = [("TYPE", keys[name]) for name in KINDS] + [("GET", keys[name]) for name in COUNTERS]
    answers = await connection.ask(asked)
    kinds = zip(KINDS.items(), answers, strict=False)
    odd = [
        OddKey(name, keys[name], f"a {kind}", f"a {wanted}")
        for (name, wanted), kind in kinds
        if kind not in (None, "none", wanted)
    ]
    counted = zip(COUNTERS, answers[len(KINDS) :], strict=True)
    texts = [(name, text) for name, text in counted if isinstance(text, str) and whole_number(text) is None]
    return odd + [OddKey(name, keys[name], repr(text[:SHOWN]), "a whole number") for name, text in texts]


@asynccontextmanager
async def naming_odd_keys(connection: Connection, keys: Keys) -> AsyncGenerator[None]:
    """What fails inside says by which keys, if there are any; Redis does not."""
    try:
        yield
    except BrokerError as error:
        if not (odd := await find_odd_keys(connection, keys)):
            raise
        raise BrokerError(f"{error} ({'; '.join(map(str, odd))})") from error
