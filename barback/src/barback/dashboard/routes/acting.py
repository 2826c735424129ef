"""What can be done to one job: only while it is still what was seen."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.broker import LISTED_STATES, ListedState
from barback.control.actions import act_on
from barback.dashboard.action_forms import read_action
from barback.dashboard.control import Acted
from barback.dashboard.pages import Visit
from barback.errors import InvalidOptions
from barback.inspector import Action, Target


async def act(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.fields()
    queue, job_id, did = form.get("queue", ""), form.get("id", ""), form.get("action", "")
    await visit.control.check(queue)
    action = read_action(did, form)
    if action is None:
        return visit.see("job", "no-number", queue=queue, id=job_id)
    acted = await _act(visit, queue, _state(form.get("state", "")), action, _target(job_id, form.get("finished", "")))
    await visit.record(did, queue, job_id, acted)
    if did == "remove" and acted.done:
        return visit.see("jobs", did, acted, queue=queue)
    return visit.see("job", did, acted, queue=queue, id=job_id)


async def _act(visit: Visit, queue: str, state: ListedState, action: Action, target: Target) -> Acted:
    try:
        progress = await act_on(visit.control.broker.inspector, queue, state, action, target)
    except InvalidOptions as error:
        return Acted(refused={target.job_id: str(error)})
    reason = progress.reasons[0][1] if progress.reasons else "it has moved"
    return Acted(1) if progress.done else Acted(refused={target.job_id: reason})


def _state(text: str) -> ListedState:
    if text not in LISTED_STATES:
        raise HTTPException(400)
    return text


def _target(job_id: str, finished: str) -> Target:
    try:
        return Target(job_id, float(finished) if finished else None)
    except ValueError:
        raise HTTPException(400) from None


routes = [Route("/job/act", act, name="act_on_job", methods=["POST"])]
