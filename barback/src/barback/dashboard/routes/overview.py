"""All queues at a glance: what waits, how they did over time, and what needs attention."""

from math import ceil
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.broker import LISTED_STATES
from barback.control.metrics import STEPS, Series, Span
from barback.control.overview import QUEUES_A_PAGE, Overview
from barback.dashboard.pages import Visit


async def overview(request: Request) -> Response:
    visit = Visit(request)
    span, chosen = _span(visit.query("span", "1h")), visit.query("queue")
    last_page = max(1, ceil(len(await visit.control.queues()) / QUEUES_A_PAGE))
    page = min(max(1, visit.number("page", 1)), last_page)
    found = await visit.control.overviews.look(span, page)
    first = (page - 1) * QUEUES_A_PAGE
    totals = {state: sum(queue.counts[state] for queue in found.queues) for state in LISTED_STATES}
    return visit.page(
        "overview.html",
        queues=found.queues[first : first + QUEUES_A_PAGE],
        total=len(found.queues),
        page=page,
        first=first,
        totals=totals,
        notices=found.notices,
        series=found.histories.by_queue,
        drawn=await _drawn(visit, found, chosen),
        span=span,
        spans=tuple(STEPS),
        chosen=chosen,
    )


async def _drawn(visit: Visit, found: Overview, chosen: str) -> Series:
    """What the chart shows: all queues, or the chosen one."""
    if not chosen:
        return found.histories.whole
    await visit.control.check(chosen)
    # It may be newer than what is kept of the past.
    return found.histories.by_queue.get(chosen, found.histories.whole)


def _span(text: str) -> Span:
    if text not in STEPS:
        raise HTTPException(404)
    return cast("Span", text)


routes = [Route("/", overview, name="overview")]
