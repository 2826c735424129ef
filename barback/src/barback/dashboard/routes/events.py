"""The event stream of a tab: `changed` with the names of queues, `away` while Redis cannot be reached."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from barback.dashboard.live import Away, News
from barback.dashboard.pages import Visit

LONGEST_S = 300.0
"""A stream ends after that; the browser opens another, and has to show again who it is."""

# `no-transform`: a proxy that compresses holds news back until it has enough of them (Next.js does).
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


async def events(request: Request) -> Response:
    visit = Visit(request)
    # A stream that was cut names the last news it got: it is told what it missed.
    since = _moment(request.headers.get("last-event-id") or visit.query("since"))
    queue = visit.query("queue")
    return EventStream(visit.dashboard.live.stream(since, [queue] if queue else []))


class EventStream(Response):
    """Sends news until the browser leaves, and then closes them; a browser that does not read is waited for."""

    media_type = "text/event-stream"

    def __init__(self, news: AsyncGenerator[News | None]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._news = news

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, timeout=LONGEST_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (sending, leaving):
                one.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled():
            sending.result()
        if leaving.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._news) as news:
            # The first bytes at once: the browser knows that it is connected.
            await send({"type": "http.response.body", "body": b": connected\n\n", "more_body": True})
            async for one in news:
                await send({"type": "http.response.body", "body": as_event(one), "more_body": True})


def as_event(news: News | None) -> bytes:
    """As it goes over the wire; None: a comment, which keeps proxies from ending a silent connection."""
    if news is None:
        return b": quiet\n\n"
    name, data = ("away", []) if isinstance(news, Away) else ("changed", list(news.queues))
    return f"event: {name}\nid: {news.at:.3f}\ndata: {json.dumps(data)}\n\n".encode()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _moment(text: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        return 0.0
    return moment if 0 <= moment < float("inf") else 0.0


routes = [Route("/events", events, name="events")]
