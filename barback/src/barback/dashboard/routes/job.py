"""One job: everything that is kept of it, and what can be done to it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.dashboard.control import Acted
from barback.dashboard.pages import Visit
from barback.options import options_json


async def job(request: Request) -> Response:
    visit = Visit(request)
    queue, job_id = visit.query("queue"), visit.query("id")
    found = await visit.control.job(queue, job_id)
    if found is None:
        return visit.page("no_job.html", 404, only=queue, queue=queue, job_id=job_id)
    options = options_json(found.record.options)
    return visit.page("job.html", only=queue, job=found.record, logs=found.logs, options=options)


async def act(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.form()
    queue, job_id, action = (form.get(name, [""])[0] for name in ("queue", "id", "action"))
    acted = await _act(visit, action, queue, job_id)
    await visit.record(action, queue, job_id, acted)
    if action == "remove" and acted.done:
        return visit.see("jobs", action, acted, queue=queue)
    return visit.see("job", action, acted, queue=queue, id=job_id)


async def _act(visit: Visit, action: str, queue: str, job_id: str) -> Acted:
    match action:
        case "cancel":
            return await visit.control.cancel(queue, job_id)
        case "retry" | "promote" | "remove":
            return await visit.control.act(action, queue, [job_id])
        case _:
            raise HTTPException(400)


routes = [
    Route("/job", job, name="job"),
    Route("/job/act", act, name="act_on_job", methods=["POST"]),
]
