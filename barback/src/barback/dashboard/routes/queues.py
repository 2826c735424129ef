"""What can be done to a queue."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.dashboard.pages import Visit


async def pause(request: Request) -> Response:
    visit = Visit(request)
    queue = (await visit.form()).get("queue", [""])[0]
    await visit.control.pause(queue)
    await visit.record("pause", queue)
    return visit.see("overview", "pause")


async def resume(request: Request) -> Response:
    visit = Visit(request)
    queue = (await visit.form()).get("queue", [""])[0]
    await visit.control.resume(queue)
    await visit.record("resume", queue)
    return visit.see("overview", "resume")


routes = [
    Route("/queues/pause", pause, name="pause", methods=["POST"]),
    Route("/queues/resume", resume, name="resume", methods=["POST"]),
]
