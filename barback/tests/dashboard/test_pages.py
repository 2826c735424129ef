"""What it answers, without a browser: where it may stand, where links lead, what it says when it fails."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from html import unescape
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp

from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.dashboard import Control, Live, create_app, serving
from barback.dashboard.mounting import At
from barback.dashboard.pages import Dashboard, Visit
from barback.errors import BrokerError, BrokerUnavailable
from barback.inspector import Glance, Operator, Server, Swallows
from barback.memory import MemoryBroker
from barback.options import JobOptions

from .conftest import Site

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]


class Memory(MemoryBroker):
    """Nothing ever happens in it, and its jobs can be looked through as far as the first page does."""

    @property
    def inspector(self) -> Operator:
        return cast("Operator", self)

    async def glance(self, queues: Sequence[str]) -> list[Glance]:
        return [Glance(queue, await self.is_paused(queue), await self.counts(queue)) for queue in queues]

    async def server(self) -> Server:
        return Server("Valkey", "9.1.2", 1, 0, "noeviction", True, None, None, 1, 0.0)

    async def swallows(self, queue: str, job_id: str) -> Swallows:
        return Swallows()

    async def last_events(self, queues: object) -> dict[str, str]:
        return {}


def app_over(broker: Memory | BullMQBroker, *queues: str, public_path: str | None = None) -> ASGIApp:
    control = Control(broker, queues)
    return create_app(control, Live(broker, control.queues), public_path=public_path)


async def links_of(client: httpx2.AsyncClient, path: str) -> list[str]:
    """Every address in a page."""
    answer = await client.get(path)
    assert answer.status_code == 200
    found = re.findall(r' (?:href|src|action|hx-get|hx-sse:connect)="([^"#]+)"', answer.text)
    assert found
    return [unescape(link) for link in found]


# ── where it stands ─────────────────────────────────────────────────────────────────────────────────────


Place = Callable[[ASGIApp], ASGIApp]
PLACES: list[tuple[Place, str]] = [
    (lambda app: app, ""),
    (lambda app: Starlette(routes=[Mount("/ops/queues", app)]), "/ops/queues"),
    (lambda app: At("/dashboard/queues", app), "/dashboard/queues"),
    (lambda app: At("/", app), ""),
    (lambda app: Starlette(routes=[Mount("/ops", At("/queues/", app))]), "/ops/queues"),
]


@pytest.mark.parametrize(("place", "at"), PLACES, ids=["alone", "mounted", "at-a-path", "at-root", "within"])
async def test_wherever_it_stands_every_link_leads_to_something(
    client_of: ClientOf, broker: BullMQBroker, queue_name: str, place: Place, at: str
) -> None:
    await broker.add([NewJob(queue_name, "send", "{}", JobOptions(job_id="a"))])
    client = client_of(place(app_over(broker, queue_name, "cafes")))
    where = f"queue={queue_name}"
    pages = ("/", f"/jobs?{where}", f"/jobs?{where}&q=a", f"/bulk/choose?{where}", "/failures", f"/job?{where}&id=a")
    for page in (at + page for page in (*pages, "/schedules", "/workers", "/audit", "/run")):
        for link in set(await links_of(client, page)):
            assert link.startswith(f"{at}/") or link.partition("?")[0] == (at or "/"), link
            if "/events" not in link and not re.search(r"/((act|start|pause|resume)\?|jobs$)", link):
                # Starlette's own `Mount` redirects from its path to the one with a slash.
                answer = await client.get(link, follow_redirects=True)
                assert answer.status_code == 200, link


async def test_behind_a_proxy_that_takes_the_path_away_links_have_it(client_of: ClientOf) -> None:
    client = client_of(app_over(Memory(), "mail", public_path="/ops/queues/"))
    assert all(link.startswith("/ops/queues") for link in await links_of(client, "/"))


async def test_at_a_path_it_answers_with_and_without_a_slash_and_never_redirects_between_them(
    client_of: ClientOf,
) -> None:
    """Next.js redirects `/dashboard/queues/` to `/dashboard/queues`."""
    client = client_of(At("/dashboard/queues", app_over(Memory(), "mail")))
    for path in ("/dashboard/queues", "/dashboard/queues/"):
        assert (await client.get(path)).status_code == 200
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard/queues")
    assert (await client.get("/dashboard/queuesque")).status_code == 404


async def test_files_are_kept_by_browsers_and_have_another_address_when_they_change(client_of: ClientOf) -> None:
    client = client_of(app_over(Memory(), "mail"))
    [style] = [link for link in await links_of(client, "/") if "dashboard.css" in link]
    assert "immutable" in (await client.get(style)).headers["cache-control"]
    assert (await client.get(style.partition("?")[0])).headers["cache-control"] == "no-store"
    assert (await client.get("/")).headers["cache-control"] == "no-store"


async def test_htmx_is_given_the_part_that_lives_and_nobody_else(client_of: ClientOf) -> None:
    client = client_of(app_over(Memory(), "mail"))
    part = await client.get("/", headers={"HX-Request": "true"})
    assert "<html" not in part.text
    assert "mail" in part.text
    assert part.headers["vary"].startswith("HX-Request")
    assert "<html" in (await client.get("/")).text


# ── what it does ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_queue_is_paused_and_resumed(client_of: ClientOf) -> None:
    broker = Memory()
    client = client_of(app_over(broker, "mail"))
    answer = await client.post("/queues/pause", data={"queue": "mail"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?did=pause")
    assert await broker.is_paused("mail")
    assert "The queue is paused" in (await client.get(answer.headers["location"])).text
    await client.post("/queues/resume", data={"queue": "mail"})
    assert not await broker.is_paused("mail")


async def test_what_is_selected_is_acted_on_and_what_was_not_possible_is_told(
    client_of: ClientOf, broker: BullMQBroker, queue_name: str
) -> None:
    await broker.add([NewJob(queue_name, "send", "{}", JobOptions(job_id=name, delay_s=60)) for name in ("a", "b")])
    client = client_of(app_over(broker, queue_name))
    data = {"action": "promote", "job": ["/a", "/b", "/gone"]}
    answer = await client.post(f"/jobs/act?queue={queue_name}&state=delayed", data=data)
    assert answer.headers["location"] == f"/jobs?queue={queue_name}&state=delayed&did=promote&count=2&moved=1"
    said = (await client.get(answer.headers["location"])).text
    assert "2 jobs promoted." in said
    assert "1 was left alone" in said
    assert (await broker.counts(queue_name))["waiting"] == 2


POSTED = ["/queues/pause", "/queues/resume", "/jobs/act", "/job/act", "/job/again/run", "/run/add"]


@pytest.mark.parametrize(
    "path",
    [*POSTED, "/bulk/start", "/bulk/stop"],
)
async def test_nothing_is_done_by_a_link(client_of: ClientOf, path: str) -> None:
    assert (await client_of(app_over(Memory(), "mail")).get(path)).status_code == 405


async def test_a_form_that_is_too_large_does_nothing_and_says_so(client_of: ClientOf) -> None:
    broker = Memory()
    client = client_of(app_over(broker, "mail"))

    async def without_length() -> AsyncIterator[bytes]:
        yield b"queue=mail&x=" + b"y" * 1024 * 1024

    for content in (b"queue=mail&x=" + b"y" * 1024 * 1024, without_length()):
        answer = await client.post("/queues/pause", content=content)
        assert answer.status_code == 413
        assert "larger than 1,024 KB" in answer.text
    assert not await broker.is_paused("mail")


async def test_no_text_of_a_link_is_shown_as_what_was_done(client_of: ClientOf) -> None:
    client = client_of(app_over(Memory(), "mail"))
    text = (await client.get("/?did=call+555&count=free+money&refused=now")).text
    assert "555" not in text
    assert "free money" not in text


# ── when it fails ───────────────────────────────────────────────────────────────────────────────────────


class Broken(Memory):
    """Every question to it fails so."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def is_paused(self, queue: str) -> bool:
        raise self._error


async def test_without_redis_it_says_so_and_waits_for_it(client_of: ClientOf) -> None:
    client = client_of(app_over(Broken(BrokerUnavailable("Redis at s3cret cannot be reached")), "mail"))
    answer = await client.get("/?x=1&did=retry&count=3")
    assert answer.status_code == 503
    assert "Redis is away" in answer.text
    assert 'data-comes-back="/?x=1"' in answer.text
    assert "3 jobs retried" not in answer.text
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("error", [BrokerError("s3cret"), RuntimeError("s3cret")])
async def test_a_fault_is_told_without_its_details(client_of: ClientOf, error: Exception) -> None:
    answer = await client_of(app_over(Broken(error), "mail")).get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "s3cret" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/jobs", "/jobs?queue=nobody", "/jobs?queue=mail&state=odd", "/job?queue=mail&id=", "/static/no"],
)
async def test_what_is_not_there_is_a_page_too(client_of: ClientOf, path: str) -> None:
    answer = await client_of(app_over(Memory(), "mail")).get(path)
    assert answer.status_code == 404
    assert "<h1" in answer.text


async def test_a_queue_with_a_misspelt_name_says_which_was_meant(client_of: ClientOf) -> None:
    answer = await client_of(app_over(Memory(), "cafe-processing")).get("/jobs?queue=cafe-procesing")
    assert "Did you mean &#39;cafe-processing&#39;?" in answer.text


# ── over Redis ──────────────────────────────────────────────────────────────────────────────────────────


async def test_each_state_lists_what_is_in_it(client_of: ClientOf, broker: BullMQBroker, queue_name: str) -> None:
    await broker.add([NewJob(queue_name, "now", "{}"), NewJob(queue_name, "later", "{}", JobOptions(delay_s=60))])
    await broker.add([NewJob(queue_name, "first", "{}", JobOptions(priority=1))])
    client = client_of(app_over(broker, queue_name))
    for state, name in (("waiting", "now"), ("delayed", "later"), ("prioritized", "first")):
        assert f"<bdi>{name}</bdi>" in (await client.get(f"/jobs?queue={queue_name}&state={state}")).text


def test_a_link_to_what_no_address_can_hold_leads_nowhere_and_breaks_no_page() -> None:
    control = Control(Memory())
    dashboard = Dashboard(control, Live(Memory(), control.queues), {"jobs": "/jobs"}, ())
    app = SimpleNamespace(state=SimpleNamespace(dashboard=dashboard))
    visit = Visit(Request({"type": "http", "app": app, "path": "/", "headers": []}))
    assert visit.url("jobs", queue="a\ud800") == "/jobs?queue=a%5Cud800"


async def test_whoever_comes_when_there_are_too_many_connections_is_told_to_come_later(
    valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers shall not take all sockets that the process may open."""
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 3)
    site = Site(valkey_url, (queue_name,))
    site.start()
    try:
        address = httpx2.URL(site.url)
        held = [socket.create_connection((address.host, address.port or 0)) for _ in range(3)]
        async with httpx2.AsyncClient() as client:
            assert (await client.get(site.url)).status_code == 503
        for one in held:
            one.close()
        deadline = time.monotonic() + 8
        async with httpx2.AsyncClient() as client:
            while (await client.get(site.url)).status_code != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
    finally:
        site.stop()
