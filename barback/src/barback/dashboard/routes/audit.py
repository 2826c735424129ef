"""Who did what. Whoever may look may see it: it tells of no payload."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.board import check_entry_id
from barback.control.audit import KEPT, recorded
from barback.dashboard.pages import Visit
from barback.errors import BrokerError

PAGE_SIZE = 50


async def audit(request: Request) -> Response:
    visit = Visit(request)
    before = _entry_id(visit.query("before"))
    entries = await recorded(visit.control.broker.board, PAGE_SIZE + 1, before)
    return visit.page(
        "audit.html", entries=entries[:PAGE_SIZE], more=len(entries) > PAGE_SIZE, before=before, kept=KEPT,
        shown=frozenset(await visit.control.queues()),
    )  # fmt: skip


def _entry_id(text: str) -> str | None:
    """Of the entry that the page before ended with."""
    try:
        return check_entry_id(text) if text else None
    except BrokerError:
        raise HTTPException(404) from None


routes = [Route("/audit", audit, name="audit")]
