"""What runs when, and stopping, starting and running single ones."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.answers import Created
from barback.control import schedules as control
from barback.control.actions import Progress
from barback.dashboard.pages import Visit
from barback.errors import BrokerError, BrokerUnavailable


async def schedules(request: Request) -> Response:
    visit = Visit(request)
    around = await visit.control.overviews.surroundings()
    views = await visit.control.overviews.schedules()
    apps = around.apps
    rows = [(view, control.differences(view, apps), control.declared_timing(view, apps)) for view in views]
    return visit.page("schedules.html", rows=rows)


async def act(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.fields()
    queue, schedule_id, action = (form.get(name, "") for name in ("queue", "id", "action"))
    await visit.control.check(queue)
    did, acted = await _act(visit, action, queue, schedule_id)
    visit.control.overviews.forget_schedules()
    await visit.record(did, queue, schedule_id, acted)
    return visit.see("schedules", did, acted)


async def _act(visit: Visit, action: str, queue: str, schedule_id: str) -> tuple[str, Progress]:
    """How it is called, and whether it was done."""
    broker = visit.control.broker
    if action not in ("pause", "resume", "run"):
        raise HTTPException(400)
    did = f"{action}-schedule"
    try:
        match action:
            case "pause":
                await control.pause(broker, queue, schedule_id)
            case "resume":
                await control.resume(broker, queue, schedule_id)
            case _:
                answer = await control.run_now(broker, queue, schedule_id)
                if not isinstance(answer, Created):
                    return did, Progress(failed=1)
    except BrokerUnavailable:
        raise
    except BrokerError:
        return did, Progress(failed=1)
    return did, Progress(done=1)


routes = [
    Route("/schedules", schedules, name="schedules"),
    Route("/schedules/act", act, name="act_on_schedule", methods=["POST"]),
]
