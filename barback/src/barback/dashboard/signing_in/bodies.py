"""How much a request may send, and for how long."""

import asyncio
import time
from dataclasses import dataclass
from math import inf

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

TOO_SLOW = "Nothing was done: what was sent did not come to an end in time."


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Bytes, and seconds until all of it has come."""

    most: int
    within_s: float = inf

    @property
    def told(self) -> str:
        return f"Nothing was done: what was sent is larger than {self.most // 1024:,} KB."


USUAL = BodyLimit(1024 * 1024)
"""Of people who may be here. Payloads that would need more are not edited in a form (`editor.py`)."""
FROM_STRANGERS = BodyLimit(16 * 1024, 10.0)
"""Anyone may send a name and a password: not memory and sockets with them."""


def wrong_body(headers: Headers, limit: BodyLimit) -> tuple[int, str] | None:
    """Status and text, if its headers alone tell that it cannot be taken."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return 415, "Expected a body that is not compressed."
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > limit.most:
        return 413, limit.told
    return None


def limited(receive: Receive, limit: BodyLimit) -> Receive:
    """The same body, up to the limit.

    :raises HTTPException: 413, when more than that has come; 408, when it has not ended in time.
    """
    seen, ended, until = 0, False, time.monotonic() + limit.within_s

    async def receive_limited() -> Message:
        nonlocal seen, ended
        if ended or limit.within_s == inf:
            # What comes after the body is that its sender went away: that may take as long as the answer.
            message = await receive()
        else:
            message = await _in_time(receive, until)
        ended = not message.get("more_body", False)
        seen += len(message.get("body", b""))
        if seen > limit.most:
            raise HTTPException(413, limit.told)
        return message

    return receive_limited


async def _in_time(receive: Receive, until: float) -> Message:
    try:
        async with asyncio.timeout(until - time.monotonic()):
            return await receive()
    except TimeoutError:
        raise HTTPException(408, TOO_SLOW, {"Connection": "close"}) from None
