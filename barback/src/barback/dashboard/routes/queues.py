"""What can be done to a queue."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.control.actions import set_paused
from barback.dashboard.pages import Visit


async def pause(request: Request) -> Response:
    """Let no worker start jobs of it; those that run go on."""
    return await _set(Visit(request), "pause", paused=True)


async def resume(request: Request) -> Response:
    return await _set(Visit(request), "resume", paused=False)


async def _set(visit: Visit, did: str, *, paused: bool) -> Response:
    queue = (await visit.fields()).get("queue", "")
    await visit.control.check(queue)
    await set_paused(visit.control.broker, queue, paused)
    await visit.record(did, queue)
    return visit.see("overview", did)


routes = [
    Route("/queues/pause", pause, name="pause", methods=["POST"]),
    Route("/queues/resume", resume, name="resume", methods=["POST"]),
]
