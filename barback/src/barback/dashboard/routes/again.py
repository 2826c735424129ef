"""Edit a job's payload and run it again, as a new job."""

import asyncio
import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.answers import Created
from barback.broker import JobRecord
from barback.control.actions import run_again
from barback.control.editing import is_deeper
from barback.control.published import find_job
from barback.control.secrets import secrets_of
from barback.control.workers import published_apps
from barback.dashboard.editor import JSON_NAME, LARGEST, Editor, editor_of
from barback.dashboard.form_values import DEEPEST_JSON
from barback.dashboard.pages import Visit
from barback.errors import InvalidPayload


async def edit(request: Request) -> Response:
    visit = Visit(request)
    queue, job_id = visit.query("queue"), visit.query("id")
    if not visit.may_act:
        raise HTTPException(403)
    record = await _record(visit, queue, job_id)
    if record is None:
        return visit.page("no_job.html", 404, only=queue, queue=queue, job_id=job_id)
    editor = await _editor(visit, record, as_json=visit.query("as") == "json")
    return _page(visit, record, editor, editor.texts() if editor else {}, {})


async def run(request: Request) -> Response:
    visit = Visit(request)
    form = await visit.fields()
    queue, job_id = form.get("queue", ""), form.get("id", "")
    record = await _record(visit, queue, job_id)
    if record is None:
        return visit.page("no_job.html", 404, only=queue, queue=queue, job_id=job_id)
    editor = await _editor(visit, record, as_json=form.get("as") == "json")
    data: str | None = None
    if editor is not None:
        read = editor.read(form)
        if read.faults:
            return _page(visit, record, editor, form, read.faults)
        # As it was it stays to the letter.
        data = None if json.dumps(read.value) == json.dumps(editor.before) else json.dumps(read.value)
    try:
        answer = await run_again(visit.control.broker, record, data)
    except InvalidPayload as error:
        return _page(visit, record, editor, form, {"": str(error)})
    await visit.record("run again", queue, job_id)
    if isinstance(answer, Created):
        return visit.see("job", "again", queue=queue, id=answer.job_id)
    return visit.see("job", "swallowed", queue=queue, id=answer.by)


async def _record(visit: Visit, queue: str, job_id: str) -> JobRecord | None:
    await visit.control.check(queue)
    return await visit.control.broker.get(queue, job_id)


async def _editor(visit: Visit, record: JobRecord, *, as_json: bool) -> Editor | None:
    """None: it is too large or too deep to be edited here, or no JSON, and can only be run again as it is."""
    if len(record.data.encode("utf-8", "backslashreplace")) > LARGEST:
        return None
    try:
        before = json.loads(record.data)
    except (ValueError, RecursionError):
        return None
    if is_deeper(before, DEEPEST_JSON):
        return None
    board = visit.control.broker.board
    apps, secrets = await asyncio.gather(published_apps(board), secrets_of(board, record.queue))
    declared = find_job(apps, record.queue, record.name)
    editor = editor_of(declared.schema if declared else None, secrets.of(record.name), before, as_json=as_json)
    return None if editor.too_large else editor


def _page(
    visit: Visit, record: JobRecord, editor: Editor | None, texts: Mapping[str, str], faults: Mapping[str, str]
) -> Response:
    return visit.page(
        "again.html",
        422 if faults else 200,
        only=record.queue,
        job=record,
        editor=editor,
        texts=texts,
        faults=faults,
        json_name=JSON_NAME,
    )


routes = [
    Route("/job/again", edit, name="again"),
    Route("/job/again/run", run, name="run_again", methods=["POST"]),
]
