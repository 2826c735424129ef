"""How much a request may send."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

BODY_LIMIT = 1024 * 1024
TOO_LARGE = f"Expected at most {BODY_LIMIT // 1024} KB."


def wrong_body(headers: Headers) -> tuple[int, str] | None:
    """Status and text, if its headers alone tell that it cannot be taken."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return 415, "Expected a body that is not compressed."
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > BODY_LIMIT:
        return 413, TOO_LARGE
    return None


def limited(receive: Receive) -> Receive:
    """The same body, up to the limit.

    :raises HTTPException: 413, when more than that has come.
    """
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_LIMIT:
            raise HTTPException(413, TOO_LARGE)
        return message

    return receive_limited
