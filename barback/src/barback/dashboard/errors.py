"""What a page says when there is nothing to show. Never more than its reader may know."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from barback.dashboard.pages import Visit
from barback.errors import BrokerError, BrokerUnavailable, UnknownQueue

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

Handler = Callable[[Request, Any], Awaitable[Response]]


def handlers() -> Mapping[Any, Handler]:
    """For Starlette."""
    return {
        HTTPException: _refused,
        UnknownQueue: _unknown_queue,
        BrokerUnavailable: _away,
        BrokerError: _failed,
        Exception: _failed,
    }


async def _refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return _page(request, 404, "Not found", "There is no such page.")
    what = error.detail if error.status_code in (408, 413) else "That cannot be asked of this page."
    page = _page(request, error.status_code, HTTPStatus(error.status_code).phrase, what)
    page.headers.update(error.headers or {})
    return page


async def _unknown_queue(request: Request, error: UnknownQueue) -> Response:
    return _page(request, 404, "Not found", str(error))


async def _away(request: Request, error: BrokerUnavailable) -> Response:
    log.warning("a page could not be shown", path=request.url.path, reason=str(error))
    what = "Your jobs are not lost. This page comes back by itself as soon as Redis answers again."
    return _page(request, 503, "Redis is away", what, comes_back=True)


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, BrokerError):
        log.error("a page could not be shown", path=request.url.path, reason=str(error))
    what = "The dashboard failed on this page. What happened is in its log."
    return _page(request, 500, "Something went wrong", what)


def _page(request: Request, status: int, title: str, what: str, *, comes_back: bool = False) -> Response:
    return Visit(request).page("error.html", status, title=title, what=what, comes_back=comes_back)
