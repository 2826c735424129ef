"""What is done to all jobs that match: how many they are, how far it is, and what came of it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from barback.control.actions import preview
from barback.control.orders import Order
from barback.dashboard.action_forms import kinds_in, read_action
from barback.dashboard.pages import Visit
from barback.dashboard.selecting import Asked, read
from barback.dashboard.signing_in.refusals import role_too_low
from barback.dashboard.signing_in.roles import Role
from barback.errors import UsageError
from barback.options import HIGHEST_PRIORITY_NUMBER

WRONG = {
    "priority": f"Expected a priority from 0 to {HIGHEST_PRIORITY_NUMBER:,}.",
    "delay": "Expected a number for the delay, up to ten years.",
    "many": "Two bulk actions are running already: wait for one of them to end, or stop it.",
}


async def choose(request: Request) -> Response:
    """Before anything is done: which jobs, how many, and what may be done to them."""
    visit = Visit(request)
    asked = read(visit.request.query_params.get)
    await visit.control.check(asked.queue)
    broker = visit.control.broker
    found = await preview(broker.inspector, await asked.matching(broker.board))
    wrong = WRONG.get(visit.query("wrong"))
    return visit.page("bulk.html", only="", asked=asked, found=found, kinds=kinds_in(asked.state), wrong=wrong)


async def start(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.fields()
    asked, did = read(form.get), form.get("action", "")
    await visit.control.check(asked.queue)
    if did not in kinds_in(asked.state):
        raise HTTPException(400)
    if did == "remove" and not visit.may_remove_all:
        return role_too_low(request, Role.ADMIN.word)
    action = read_action(did, form)
    if action is None:
        return _again(visit, asked, did)
    try:
        matching = await asked.matching(visit.control.broker.board)
        bulk = await visit.control.bulk.start(Order(matching, action, did, visit.who, asked.subject))
    except UsageError:
        return _again(visit, asked, "many")
    visit.control.failures.forget()
    return RedirectResponse(visit.url("bulk", id=bulk.id), 303)


async def show(request: Request) -> Response:
    visit = Visit(request)
    bulk = visit.control.bulk.get(visit.query("id"))
    if bulk is None:
        return visit.page("bulk_gone.html", 404, only="")
    return visit.page("bulk_progress.html", only="", bulk=bulk)


async def all_known(request: Request) -> Response:
    visit = Visit(request)
    return visit.page("bulk_list.html", only="", bulks=visit.control.bulk.all())


async def stop(request: Request) -> Response:
    visit = Visit(request)
    bulk_id = (await visit.fields()).get("id", "")
    bulk = visit.control.bulk.get(bulk_id)
    if bulk is not None and visit.control.bulk.stop(bulk_id):
        await visit.record("stop", bulk.order.queue, f"{bulk.order.did} {bulk.order.subject}")
    return RedirectResponse(visit.url("bulk", id=bulk_id), 303)


def _again(visit: Visit, asked: Asked, wrong: str) -> Response:
    return RedirectResponse(visit.url("choose_bulk", **asked.address, wrong=wrong), 303)


routes = [
    Route("/bulk", show, name="bulk"),
    Route("/bulk/all", all_known, name="all_bulk"),
    Route("/bulk/choose", choose, name="choose_bulk"),
    Route("/bulk/start", start, name="start_bulk", methods=["POST"]),
    Route("/bulk/stop", stop, name="stop_bulk", methods=["POST"]),
]
