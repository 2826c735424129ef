"""Run a job by its name: any that a live app declares."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.answers import Created
from barback.broker import NewJob
from barback.control import actions
from barback.control.published import find_job, options_of
from barback.control.secrets import secrets_of
from barback.control.workers import published_apps
from barback.dashboard.action_forms import seconds_of
from barback.dashboard.editor import JSON_NAME, Editor, editor_of
from barback.dashboard.pages import Visit
from barback.errors import InvalidOptions, InvalidPayload
from barback.options import HIGHEST_PRIORITY_NUMBER, JobOptions, check_job_id
from barback.telemetry.published import PublishedApp, PublishedJob


@dataclass(frozen=True, slots=True)
class Chosen:
    """The job that is to be run, and how its payload is edited."""

    job: PublishedJob
    editor: Editor


async def choose(request: Request) -> Response:
    visit = Visit(request)
    if not visit.may_act:
        raise HTTPException(403)
    apps = await published_apps(visit.control.broker.board)
    if not visit.query("name"):
        return visit.page("runnable.html", jobs=await _runnable(visit, apps))
    chosen = await _choose(visit, apps, visit.query("queue"), visit.query("name"), visit.query("as"))
    first = {"priority": str(chosen.job.priority), "unit": "s"}
    return _page(visit, chosen, first | chosen.editor.texts(), {})


async def run(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.fields()
    apps = await published_apps(visit.control.broker.board)
    chosen = await _choose(visit, apps, form.get("queue", ""), form.get("name", ""), form.get("as", ""))
    job = chosen.job
    read = chosen.editor.read(form)
    options, wrong = _options(job, form)
    if read.faults or options is None:
        return _page(visit, chosen, form, {**read.faults, **wrong})
    try:
        new = NewJob(job.queue, job.name, json.dumps(read.value), options)
        answer = await actions.run(visit.control.broker, new)
    except InvalidPayload as error:
        return _page(visit, chosen, form, {"": str(error)})
    job_id = answer.job_id if isinstance(answer, Created) else answer.by
    await visit.record("run", job.queue, f"{job.name} {job_id}")
    return visit.see("job", "run" if isinstance(answer, Created) else "swallowed", queue=job.queue, id=job_id)


async def _runnable(visit: Visit, apps: Sequence[PublishedApp]) -> list[PublishedJob]:
    """All that are declared for queues that are shown, by name."""
    queues = set(await visit.control.queues())
    found = {(job.queue, job.name): job for app in apps for job in app.jobs if job.queue in queues}
    return sorted(found.values(), key=lambda job: (job.queue, job.name))


async def _choose(visit: Visit, apps: Sequence[PublishedApp], queue: str, name: str, form: str) -> Chosen:
    await visit.control.check(queue)
    job = find_job(apps, queue, name)
    if job is None:
        raise HTTPException(404)
    before: dict[str, Any] = {}
    secrets = await secrets_of(visit.control.broker.board, queue)
    return Chosen(job, editor_of(job.schema, secrets.of(name), before, as_json=form == "json"))


def _options(job: PublishedJob, form: Mapping[str, str]) -> tuple[JobOptions | None, dict[str, str]]:
    """What was asked of the job beside its payload; or None, and by field what is wrong."""
    wrong: dict[str, str] = {}
    priority, job_id = form.get("priority", "").strip() or "0", form.get("job_id", "").strip()
    delay_s = seconds_of(form.get("delay", "").strip() or "0", form.get("unit", "s"))
    if not (priority.isascii() and priority.isdecimal() and int(priority[:12]) <= HIGHEST_PRIORITY_NUMBER):
        wrong["priority"] = f"Expected a whole number from 0 to {HIGHEST_PRIORITY_NUMBER:,}."
    if delay_s is None:
        wrong["delay"] = "Expected a number of 0 or more, and no more than a hundred years."
    try:
        if job_id:
            check_job_id(job_id)
    except InvalidOptions as error:
        wrong["job_id"] = str(error)
    if wrong or delay_s is None:
        return None, wrong
    return replace(options_of(job), priority=int(priority), delay_s=delay_s, job_id=job_id or None), {}


def _page(visit: Visit, chosen: Chosen, texts: Mapping[str, str], faults: Mapping[str, str]) -> Response:
    status = 422 if faults else 200
    job, editor = chosen.job, chosen.editor
    return visit.page("run.html", status, job=job, editor=editor, texts=texts, faults=faults, json_name=JSON_NAME)


routes = [Route("/run", choose, name="run"), Route("/run/add", run, name="run_job", methods=["POST"])]
