"""All queues at a glance."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.broker import LISTED_STATES
from barback.dashboard.pages import Visit


async def overview(request: Request) -> Response:
    visit = Visit(request)
    queues = await visit.control.overview()
    totals = {state: sum(queue.counts[state] for queue in queues) for state in LISTED_STATES}
    return visit.page("overview.html", queues=queues, totals=totals)


routes = [Route("/", overview, name="overview")]
