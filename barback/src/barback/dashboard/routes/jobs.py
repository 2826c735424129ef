"""The jobs of one queue in one state, searched or page by page."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.broker import JobRecord
from barback.control.masking import ROW, show
from barback.control.query import Query
from barback.control.search import Budget, Cursor, Page, search
from barback.control.secrets import Secrets, secrets_of
from barback.control.waiting import whys_of_page
from barback.control.why import Why
from barback.dashboard.control import QueueStatus
from barback.dashboard.pages import Visit
from barback.dashboard.selecting import Asked, read
from barback.inspector import Seen

PAGE_SIZE = 50
WAITING_STATES = ("waiting", "prioritized", "delayed", "waiting-children")
BUDGET = Budget(found=PAGE_SIZE)
LIVE_WITHIN_S = 0.25
"""A search that takes longer is not done again by itself whenever something happens."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job as its line shows it. `why`: what it waits for, if it does."""

    record: JobRecord
    payload: str
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """Through which jobs a search has looked, counted from 1, and for how long. `following` None: to the end."""

    first: int
    last: int
    total: int
    took_s: float
    following: Cursor | None

    @property
    def quick(self) -> bool:
        return self.took_s < LIVE_WITHIN_S


async def jobs(request: Request) -> Response:
    visit = Visit(request)
    asked = read(visit.request.query_params.get)
    queue = await visit.control.status(asked.queue)
    number = max(visit.number("page", 1), 1)
    if asked.wrong:
        return _page(visit, queue, asked)
    if not asked.text:
        start = (number - 1) * PAGE_SIZE
        page = await _search(visit, asked, Cursor(start))
        return _page(visit, queue, asked, await _rows(visit, asked, page.jobs, start), number=number)
    cursor, began = Cursor.parse(visit.query("from")), time.monotonic()
    page = await _search(visit, asked, cursor)
    looked = _looked(cursor, page, time.monotonic() - began)
    rows = await _rows(visit, asked, page.jobs)
    return _page(visit, queue, asked, rows, looked=looked, exact=await _exact(visit, asked))


def _page(
    visit: Visit,
    queue: QueueStatus,
    asked: Asked,
    rows: Sequence[Row] = (),
    *,
    looked: Looked | None = None,
    exact: JobRecord | None = None,
    number: int = 1,
) -> Response:
    return visit.page(
        "jobs.html",
        only=queue.name,
        queue=queue,
        asked=asked,
        rows=rows,
        looked=looked,
        exact=exact,
        number=number,
        cursor=visit.query("from") if looked else "",
        size=PAGE_SIZE,
        bulks=visit.control.bulk.running(queue.name),
    )


async def _search(visit: Visit, asked: Asked, cursor: Cursor) -> Page:
    broker = visit.control.broker
    return await search(broker.inspector, (await asked.matching(broker.board)).listing, cursor, BUDGET)


def _looked(cursor: Cursor, page: Page, took_s: float) -> Looked:
    first = min(cursor.position, page.total)
    last = page.next_cursor.position if page.next_cursor else page.total
    return Looked(first + 1, max(last, first), page.total, took_s, page.next_cursor)


async def _rows(visit: Visit, asked: Asked, seen: Sequence[Seen], start: int | None = None) -> list[Row]:
    """`start`: how many jobs come before them; None: nobody knows."""
    if not seen:
        return []
    broker = visit.control.broker
    secrets = await secrets_of(broker.board, asked.queue)
    whys = await _whys(visit, asked, [one.record for one in seen], start)
    return [Row(one.record, _payload(one, secrets), whys.get(one.record.id)) for one in seen]


async def _whys(visit: Visit, asked: Asked, records: Sequence[JobRecord], start: int | None) -> Mapping[str, Why]:
    if asked.state not in WAITING_STATES:
        return {}
    return await whys_of_page(visit.control.broker, asked.queue, records, start)


def _payload(seen: Seen, secrets: Secrets) -> str:
    return show(seen.record.data, secrets.of(seen.record.name), ROW, size=seen.data_size).text


async def _exact(visit: Visit, asked: Asked) -> JobRecord | None:
    """The job whose id is what was looked for, whatever its state."""
    query = asked.query
    terms = query.terms if isinstance(query, Query) else ()
    if len(terms) != 1 or terms[0].field not in ("any", "id") or terms[0].negated:
        return None
    [record] = await visit.control.broker.inspector.records(asked.queue, [terms[0].value])
    return record


routes = [Route("/jobs", jobs, name="jobs")]
