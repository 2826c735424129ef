"""Who works, and the server that all of it lies on."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.dashboard.pages import Visit


async def workers(request: Request) -> Response:
    visit = Visit(request)
    around = await visit.control.overviews.surroundings()
    shown = frozenset(await visit.control.queues())
    return visit.page("workers.html", workers=around.workers, server=around.server, shown=shown)


routes = [Route("/workers", workers, name="workers")]
