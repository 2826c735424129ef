"""The jobs of one queue in one state, and what can be done to several of them."""

from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.broker import LISTED_STATES, ListedState
from barback.dashboard.control import ACTIONS, Action
from barback.dashboard.pages import Visit

PAGE_SIZE = 50


async def jobs(request: Request) -> Response:
    visit = Visit(request)
    queue, state, number = visit.query("queue"), _state(visit.query("state", "waiting")), visit.number("page", 1)
    start = (max(number, 1) - 1) * PAGE_SIZE
    page = await visit.control.jobs(queue, state, start, PAGE_SIZE)
    return visit.page(
        "jobs.html", only=queue, queue=page.status, records=page.records, state=state, start=start, size=PAGE_SIZE
    )


async def act(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.form()
    queue, state = _one(form, "queue"), _state(_one(form, "state"))
    action = _action(_one(form, "action"))
    acted = await visit.control.act(action, queue, form.get("id", []))
    await visit.record(action, queue, ", ".join(form.get("id", [])[:10]), acted)
    return visit.see("jobs", action, acted, queue=queue, state=state)


def _state(text: str) -> ListedState:
    if text not in LISTED_STATES:
        raise HTTPException(404)
    return text


def _action(text: str) -> Action:
    if text not in ACTIONS:
        raise HTTPException(400)
    return cast("Action", text)


def _one(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


routes = [
    Route("/jobs", jobs, name="jobs"),
    Route("/jobs/act", act, name="act", methods=["POST"]),
]
