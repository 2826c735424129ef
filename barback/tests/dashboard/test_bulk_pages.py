"""Acting on all that match, without a browser: the number first, who may, how far it is, what came of it."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from html import unescape

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from barback.broker import Failed, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.control import audit
from barback.control.actions import Preview, Progress
from barback.dashboard import Control, Live, create_app
from barback.dashboard.action_forms import KINDS
from barback.dashboard.signing_in import Role, User
from barback.inspector import ACTS_ON
from barback.options import JobOptions

from . import hostile

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]
LEASE = Lease("w", 60.0)


class As:
    """The dashboard as somebody sees it."""

    def __init__(self, app: ASGIApp, role: Role) -> None:
        self._app, self._user = app, User(role.word, role)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "user": self._user}, receive, send)


@pytest.fixture
def app(broker: BullMQBroker, queue_name: str) -> ASGIApp:
    control = Control(broker, [queue_name])
    return create_app(control, Live(broker, control.queues))


@pytest.fixture
def client(client_of: ClientOf, app: ASGIApp) -> httpx2.AsyncClient:
    return client_of(app)


async def fail(broker: BullMQBroker, queue: str, *reasons: str) -> None:
    """One job for each reason, with the number of it in its payload."""
    await broker.add([NewJob(queue, "send", f'{{"n":{n}}}') for n in range(len(reasons))])
    jobs = (await broker.exchange(queue, [], len(reasons), LEASE)).jobs
    settled = [Settlement(job, Failed(reason)) for job, reason in zip(jobs, reasons, strict=True)]
    await broker.exchange(queue, settled, 0, LEASE)


async def to_the_end(client: httpx2.AsyncClient, answer: httpx2.Response) -> str:
    """The page of what was begun, once it has ended."""
    assert answer.status_code == 303
    address = answer.headers["location"]
    assert address.startswith("/bulk?id=")
    deadline = time.monotonic() + 10
    while "every 1s" in (page := (await client.get(address)).text):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    return unescape(page)


def told(page: str) -> Mapping[str, str]:
    """Its numbers."""
    return dict(re.findall(r"<dt>([a-z ]+)</dt><dd>([^<]+)</dd>", page))


def fields(page: str) -> dict[str, str]:
    """Which jobs its form is about."""
    [address] = re.findall(r'action="(/bulk/start[^"]+)"', page)
    return dict(httpx2.URL(unescape(address)).params)


# ── how many ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_number_comes_first_and_the_form_means_the_same_jobs(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "A: no", "A: no", "B: no")
    page = (await client.get("/bulk/choose", params={"queue": queue_name, "state": "failed", "q": "error:A"})).text
    assert re.search(r"<h1[^>]*>2 jobs</h1>", page)
    assert fields(page) == {"queue": queue_name, "state": "failed", "q": "error:A"}
    answer = await client.post("/bulk/start", data=fields(page) | {"action": "retry"})
    assert told(await to_the_end(client, answer)) == {"done": "2", "skipped": "0", "not possible": "0", "in all": "2"}
    assert await broker.inspector.count(queue_name, "failed") == 1


async def test_a_number_that_is_not_known_is_not_said_to_be_none(
    client: httpx2.AsyncClient, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_yet(*_: object) -> Preview:
        return Preview(0, exact=False)

    monkeypatch.setattr("barback.dashboard.routes.bulk.preview", nothing_yet)
    page = (await client.get("/bulk/choose", params={"queue": queue_name, "state": "failed", "q": "error:A"})).text
    assert "Nobody knows yet how many jobs" in page
    assert "Counting ended before it found one" in page
    assert "Remove all that match for good?" in page
    assert "0 jobs" not in page


@pytest.mark.parametrize("state", ["waiting", "delayed", "active", "completed", "failed", "prioritized"])
async def test_what_can_be_done_depends_on_the_state(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, state: str
) -> None:
    options = {"delayed": JobOptions(delay_s=60), "prioritized": JobOptions(priority=1)}.get(state, JobOptions())
    await broker.add([NewJob(queue_name, "a", "{}", options)])
    if state in ("active", "completed", "failed"):
        await broker.exchange(queue_name, [], 1, LEASE)
    page = (await client.get("/bulk/choose", params={"queue": queue_name, "state": state})).text
    offered = re.findall(r'name="action" value="(\w+)"', page)
    possible = {name for name, kind in KINDS.items() if state in ACTS_ON[kind]}
    assert set(offered) == (possible if state not in ("completed", "failed") else set())
    for action in set(KINDS) - possible:
        form = {"queue": queue_name, "state": state, "action": action}
        assert (await client.post("/bulk/start", data=form)).status_code == 400


@pytest.mark.parametrize(
    ("state", "form"),
    [
        ("waiting", {"action": "odd"}),
        ("waiting", {}),
        ("failed", {"action": "retry", "q": "attempt:two"}),
    ],
)
async def test_what_cannot_be_read_does_nothing(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, state: str, form: dict[str, str]
) -> None:
    await fail(broker, queue_name, "A: no")
    assert (await client.post("/bulk/start", data={"queue": queue_name, "state": state} | form)).status_code == 400
    assert await broker.inspector.count(queue_name, "failed") == 1


async def test_a_queue_that_is_not_shown_cannot_be_acted_on(client: httpx2.AsyncClient) -> None:
    form = {"queue": "another", "state": "failed", "action": "retry"}
    assert (await client.post("/bulk/start", data=form)).status_code == 404
    assert (await client.get("/bulk/choose?queue=another")).status_code == 404


# ── other actions ───────────────────────────────────────────────────────────────────────────────────────


async def test_priority_and_delay_are_changed(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await broker.add([NewJob(queue_name, "a", "{}"), NewJob(queue_name, "b", "{}", JobOptions(delay_s=9_000))])
    form = {"queue": queue_name, "state": "waiting", "action": "priority", "priority": "7"}
    assert told(await to_the_end(client, await client.post("/bulk/start", data=form)))["done"] == "1"
    assert await broker.inspector.count(queue_name, "prioritized") == 1
    form = {"queue": queue_name, "state": "delayed", "action": "delay", "delay": "1.5", "unit": "h"}
    await to_the_end(client, await client.post("/bulk/start", data=form))
    [job] = await broker.list_jobs(queue_name, "delayed", 0, 1)
    due_at = await broker.inspector.due_at(queue_name, job.id)
    assert due_at is not None
    assert due_at - time.time() == pytest.approx(5_400, abs=30)


@pytest.mark.parametrize(
    ("state", "form"),
    [("waiting", {"action": "priority", "priority": text}) for text in ("", "-1", "x", "2097153", "9" * 40)]
    + [("delayed", {"action": "delay", "delay": text}) for text in ("", "-1", "10m", "soon", "9" * 40, "nan")],
)
async def test_a_number_that_is_none_is_asked_for_again(
    client: httpx2.AsyncClient, queue_name: str, state: str, form: dict[str, str]
) -> None:
    answer = await client.post("/bulk/start", data={"queue": queue_name, "state": state} | form)
    assert answer.status_code == 303
    assert "Expected a " in (await client.get(answer.headers["location"])).text


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "status"), [(Role.OPERATOR, 403), (Role.ADMIN, 303)])
async def test_to_remove_all_that_match_needs_an_admin(
    client_of: ClientOf, app: ASGIApp, broker: BullMQBroker, queue_name: str, role: Role, status: int
) -> None:
    await fail(broker, queue_name, "A: no")
    client = client_of(As(app, role))
    form = {"queue": queue_name, "state": "failed", "action": "remove"}
    answer = await client.post("/bulk/start", data=form)
    assert answer.status_code == status
    if status == 303:
        await to_the_end(client, answer)
    assert await broker.inspector.count(queue_name, "failed") == (1 if status == 403 else 0)


async def test_who_may_only_look_sees_no_buttons(
    client_of: ClientOf, app: ASGIApp, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "A: no")
    client = client_of(As(app, Role.VIEWER))
    page = (await client.get("/bulk/choose", params={"queue": queue_name, "state": "failed"})).text
    assert "1 job<" in page
    assert 'name="action"' not in page
    listed = (await client.get("/jobs", params={"queue": queue_name, "state": "failed"})).text
    for act in ("All 1…", 'type="checkbox"', "data-selection", "act on all that match"):
        assert act not in listed
        assert act in (await client_of(app).get("/jobs", params={"queue": queue_name, "state": "failed"})).text


async def test_who_did_it_is_in_the_audit_log(
    client_of: ClientOf, app: ASGIApp, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "A: no")
    client = client_of(As(app, Role.OPERATOR))
    form = {"queue": queue_name, "state": "failed", "q": "error:A", "action": "retry"}
    page = await to_the_end(client, await client.post("/bulk/start", data=form))
    assert "by <bdi>operator</bdi>" in page
    recorded = [one.action for one in await audit.recorded(broker.board, 50) if one.action.queue == queue_name]
    assert recorded[0] == audit.Action("operator", "retry", queue_name, "all failed error:A", 1, 0)


# ── afterwards ──────────────────────────────────────────────────────────────────────────────────────────


async def test_while_it_runs_its_queue_says_so_and_it_can_be_stopped(
    client: httpx2.AsyncClient, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = asyncio.Event()

    async def held(*_: object) -> AsyncGenerator[Progress]:
        yield Progress(looked=1_000, total=10, done=3)
        await free.wait()
        yield Progress(looked=1_000, total=10, done=6)
        yield Progress(looked=1_000, total=10, done=10)

    monkeypatch.setattr("barback.control.bulk.apply", held)
    place = {"queue": queue_name, "state": "failed"}
    begun = await client.post("/bulk/start", data=place | {"action": "retry"})
    await asyncio.sleep(0)
    page = (await client.get(begun.headers["location"])).text
    assert 'max="10" value="3"' in page
    assert "3 of 10." in page
    assert "A bulk action is running here (retry)" in (await client.get("/jobs", params=place)).text
    await client.post("/bulk/stop", data={"id": begun.headers["location"].partition("=")[2]})
    assert "Stopping" in (await client.get(begun.headers["location"])).text
    free.set()
    page = await to_the_end(client, begun)
    assert "It ended after 6 of 10. What is done stays done." in page
    assert "A bulk action" not in (await client.get("/jobs", params=place)).text


async def test_one_more_than_may_run_is_told_to_wait(
    client: httpx2.AsyncClient, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barback.control.bulk.MOST_RUNNING", 0)
    form = {"queue": queue_name, "state": "failed", "action": "retry"}
    answer = await client.post("/bulk/start", data=form)
    assert "wait for one of them to end" in (await client.get(answer.headers["location"])).text


async def test_all_who_look_see_what_was_begun(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "A: no")
    form = {"queue": queue_name, "state": "failed", "action": "retry"}
    await to_the_end(client, await client.post("/bulk/start", data=form))
    listed = (await client.get("/bulk/all")).text
    assert "all failed" in listed
    assert "finished" in listed


async def test_what_is_not_known_any_more_says_so(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/bulk?id=gone")
    assert answer.status_code == 404
    assert "not known any more" in answer.text
    assert (await client.post("/bulk/stop", data={"id": "gone"})).status_code == 303


async def test_hostile_texts_are_but_texts(client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str) -> None:
    await hostile.fill(broker, queue_name)
    for text in hostile.TEXTS.values():
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        place = {"queue": queue_name, "state": "failed", "q": quoted, "type": text, "place": text, "shape": text}
        for path in ("/jobs", "/bulk/choose"):
            answer = await client.get(path, params=place)
            assert answer.status_code == 200
            assert not re.search(r"<script>alert|<img src=x|<svg onload|<div hx-get=\"/steal", answer.text)
        await to_the_end(client, await client.post("/bulk/start", data=place | {"action": "retry"}))
