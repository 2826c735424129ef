"""One job: everything that is kept of it, why it waits, and what can be done to it."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from barback.broker import JobRecord
from barback.control import masking, waiting
from barback.control.secrets import secrets_of
from barback.control.timeline import tell, waited_s
from barback.control.why import why
from barback.control.workers import live_workers
from barback.dashboard.pages import Visit
from barback.options import options_json
from barback.telemetry.beat import WorkerBeat

MOST_READ = 1024 * 1024
SHOWN_LINES = 500
"""Of a longer log the end is shown."""
WHOLE = masking.Room(read=MOST_READ, text=MOST_READ, items=MOST_READ, depth=100, head=MOST_READ)
"""As much of a payload as is ever shown."""


async def job(request: Request) -> Response:
    visit = Visit(request)
    queue, job_id = visit.query("queue"), visit.query("id")
    record = await visit.control.job(queue, job_id)
    if record is None:
        by = (await visit.control.broker.inspector.swallows(queue, job_id)).by
        return visit.page("no_job.html", 404, only=queue, queue=queue, job_id=job_id, swallowed_by=by)
    broker = visit.control.broker
    # All at once, in two parts: types are known of no more than six.
    (log, facts), (family, swallows, stands_for, secrets, beats) = await asyncio.gather(
        asyncio.gather(broker.inspector.log_end(queue, job_id, SHOWN_LINES), waiting.gather(broker, record)),
        asyncio.gather(
            broker.inspector.family(queue, job_id),
            broker.inspector.swallows(queue, job_id),
            _stands_for(visit, record),
            secrets_of(broker.board, queue),
            live_workers(broker.board),
        ),
    )
    return visit.page(
        "job.html",
        only=queue,
        job=record,
        log=log,
        options=options_json(record.options),
        why=why(facts),
        due_at=facts.due_at,
        story=tell(record, facts.due_at),
        waited_s=waited_s(record),
        worker=_worker_of(record, beats),
        family=family,
        swallows=swallows,
        stands_for=stands_for,
        payload=masking.show(record.data, secrets.of(record.name)),
        result=None if record.result is None else masking.show(record.result),
        most_read=MOST_READ,
    )


async def text(request: Request) -> Response:
    """All of a payload or result that may be shown, as plain text."""
    visit = Visit(request)
    queue, what = visit.query("queue"), visit.query("what")
    found = await visit.control.job(queue, visit.query("id"))
    if found is None or what not in ("payload", "result"):
        raise HTTPException(404)
    secrets = (await secrets_of(visit.control.broker.board, queue)).of(found.name)
    is_payload = what == "payload"
    shown = masking.show(found.data if is_payload else found.result or "", secrets if is_payload else (), WHOLE)
    safe = shown.text.encode("utf-8", "backslashreplace")
    return PlainTextResponse(safe, headers={"Cache-Control": "no-store"})


async def _stands_for(visit: Visit, record: JobRecord) -> str | None:
    """Which job swallows those that are added with this one's key now."""
    key = record.deduplication_id
    return await visit.control.broker.inspector.stands_for(record.queue, key) if key else None


def _worker_of(record: JobRecord, beats: list[WorkerBeat]) -> WorkerBeat | None:
    """Who works it now. A worker tells of the hundred that run longest."""
    if record.state != "active":
        return None
    running = (beat for beat in beats for one in beat.running if (one.queue, one.id) == (record.queue, record.id))
    return next(running, None)


routes = [Route("/job", job, name="job"), Route("/job/text", text, name="text_of_job")]
