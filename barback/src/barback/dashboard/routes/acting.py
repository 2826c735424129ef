"""What can be done to one job, or to several that were selected: only while they are still what was seen (B3).

Which queue, state and list is meant stands in the address, where any text can; the jobs stand in the form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.control.actions import Chosen, Progress
from barback.control.orders import TOLD_IDS, Order, carry_out
from barback.dashboard.action_forms import kinds_in, read_action
from barback.dashboard.pages import Visit
from barback.dashboard.selecting import Asked, read, read_target
from barback.inspector import NotRemoved, Target

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for and what came of it; None: a number that belongs to it is none, and nothing was done."""

    asked: Asked
    targets: Sequence[Target]
    did: str
    progress: Progress | None


async def act_on_job(request: Request) -> Response:
    """Leads back to the job, or to the list if it is not there any more."""
    visit = Visit(request)
    done = await _act(visit)
    queue, job_id = done.asked.queue, done.targets[0].job_id
    if done.did == "remove" and done.progress and done.progress.done:
        return _see(visit, done, "jobs", queue=queue)
    return _see(visit, done, "job", queue=queue, id=job_id)


async def act_on_selected(request: Request) -> Response:
    """Leads back to the very page of the list."""
    visit = Visit(request)
    done = await _act(visit)
    place = {name: visit.query(name) or None for name in ("page", "from")}
    return _see(visit, done, "jobs", **done.asked.address, **place)


async def _act(visit: Visit) -> Done:
    form = await visit.form()
    asked, did = read(visit.request.query_params.get), form.get("action", [""])[0]
    targets = [read_target(text) for text in form.get("job", ())]
    await visit.control.check(asked.queue)
    if did not in kinds_in(asked.state) or not targets:
        raise HTTPException(400)
    action = read_action(did, {name: values[0] for name, values in form.items()})
    if action is None:
        return Done(asked, targets, did, None)
    order = Order(Chosen(asked.queue, asked.state, targets), action, did, visit.who, _subject(targets))
    progress = await carry_out(visit.control.broker, order)
    visit.control.failures.forget()
    for job_id, reason in progress.reasons:
        if not isinstance(reason, NotRemoved):
            log.warning("an action failed", did=did, queue=asked.queue, job=job_id, reason=str(reason))
    return Done(asked, targets, did, progress)


def _subject(targets: Sequence[Target]) -> str:
    more = len(targets) - TOLD_IDS
    return ", ".join(target.job_id for target in targets[:TOLD_IDS]) + (f" and {more} more" if more > 0 else "")


def _see(visit: Visit, done: Done, route: str, **query: object) -> Response:
    return visit.see(route, done.did if done.progress else f"no-{done.did}", done.progress, **query)


routes = [
    Route("/job/act", act_on_job, name="act_on_job", methods=["POST"]),
    Route("/jobs/act", act_on_selected, name="act_on_selected", methods=["POST"]),
]
