"""What fails, grouped by what went wrong: in one queue, or in all of them."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from barback.control.failures import NEWEST, FailureGroup, Failures, query_like
from barback.control.kept import ask_each
from barback.dashboard.pages import Visit
from barback.dashboard.selecting import Asked

NEWEST_AT_FIRST = 5_000
"""Of each queue, in about a second; of one queue `further=1` looks at `NEWEST`."""
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A group as its line shows it. `like`: jobs like these; `all_of_it`: exactly these."""

    queue: str
    group: FailureGroup
    like: Asked
    all_of_it: Asked


async def failures(request: Request) -> Response:
    visit = Visit(request)
    only = visit.query("queue")
    queues = await visit.control.queues()
    if only:
        await visit.control.check(only)
    counted = await ask_each(queues, lambda queue: visit.control.broker.inspector.count(queue, "failed"))
    counts = dict(zip(queues, counted, strict=True))
    newest = NEWEST if only and visit.query("further") == "1" else NEWEST_AT_FIRST
    shown = [queue for queue in queues if counts[queue] and only in ("", queue)]
    found = {queue: await visit.control.failures.group(queue, newest) for queue in shown}
    return visit.page(
        "failures.html",
        only=only or None,
        queue=only,
        counts=counts,
        lines=_lines(found)[:MOST_SHOWN],
        groups=sum(len(one.groups) for one in found.values()),
        looked=sum(one.looked for one in found.values()),
        total=sum(one.total for one in found.values()),
        further=bool(only) and newest < NEWEST,
    )


def _lines(found: dict[str, Failures]) -> list[Line]:
    """The largest first."""
    lines = [_line(queue, group) for queue, failures in found.items() for group in failures.groups]
    return sorted(lines, key=lambda line: (-line.group.count, -line.group.last_at))


def _line(queue: str, group: FailureGroup) -> Line:
    like = Asked(queue, "failed", query_like(group))
    return Line(queue, group, like, Asked(queue, "failed", fingerprint=group.fingerprint))


routes = [Route("/failures", failures, name="failures")]
