"""The first page, workers, schedules and the audit log, over a real Valkey and without a browser."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from starlette.types import ASGIApp

from barback import no_services
from barback.app import App
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.control.audit import Action, record, recorded
from barback.control.schedules import list_schedules
from barback.dashboard import Control, Live, create_app
from barback.dashboard.signing_in import DashboardSettings, SignIn
from barback.job import Context, job
from barback.payload import NoPayload
from barback.schedule import Schedule
from barback.schedules.reconciler import Reconciler
from barback.settings import load_settings
from barback.telemetry.beat import KIND as WORKER
from barback.telemetry.beat import RunningJob, WorkerBeat
from barback.telemetry.published import publish

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]


@pytest.fixture
def client(client_of: ClientOf, broker: BullMQBroker, queue_name: str) -> httpx2.AsyncClient:
    control = Control(broker, [queue_name])
    return client_of(create_app(control, Live(broker, control.queues)))


async def put_schedule(broker: BullMQBroker, queue: str, schedule_id: str = "hourly") -> None:
    """As an app does that declares it."""

    @job("count", queue=queue)
    async def count(payload: NoPayload, ctx: Context[None]) -> None: ...

    schedules = (Schedule(schedule_id, count, "0 * * * *"),)
    await Reconciler(broker, "shop", "1", [queue], schedules).apply()
    app = publish(App([count], no_services, schedules, name=f"shop-{queue}"), "1", broker.now())
    await broker.board.put_document("app", f"shop-{queue}", app.encode(), 60.0)


def beat(queue: str, now: float, **other: object) -> WorkerBeat:
    """Of a worker that was written by hand."""
    running = (RunningJob(queue, "j-1", "send-mail", now - 90),)
    told = WorkerBeat(
        name=f"w-{queue}", host=f"bar-{queue}", pid=7, version="1.2.3", release="r9", app="shop",
        started_at=now - 7200, at=now, queues={queue: 16}, running=running, jobs_running=1, memory_mb=148.4,
        loop_lag_s=0.012, draining=True,
    )  # fmt: skip
    return replace(told, **other)


# ── schedules ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_schedule_is_told_in_plain_english_and_acted_on(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await put_schedule(broker, queue_name)
    shown = (await client.get("/schedules")).text
    assert "At the start of every hour (UTC)" in shown
    assert len(re.findall(r"<li><time ", shown)) == 5
    for action, said, badge in (
        ("run", "Its job is enqueued.", "run by hand"),
        ("pause", "The schedule is paused", "paused"),
        ("resume", "The schedule is resumed", "not put yet"),
    ):
        form = {"queue": queue_name, "id": "hourly", "action": action}
        answer = await client.post("/schedules/act", data=form)
        assert answer.headers["location"] == f"/schedules?did={action}-schedule&count=1"
        shown = (await client.get(answer.headers["location"])).text
        assert said in shown
        assert badge in shown
    assert (await broker.counts(queue_name))["waiting"] == 1
    mine = [one.action for one in await recorded(broker.board, 50) if one.action.queue == queue_name]
    assert [(one.did, one.subject, one.count) for one in mine] == [
        (f"{action}-schedule", "hourly", 1) for action in ("resume", "pause", "run")
    ]


async def test_what_cannot_be_done_to_a_schedule_is_told_and_written_down(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    for action, said in (("pause", "only its maker can stop it"), ("run", "Nothing was enqueued")):
        answer = await client.post("/schedules/act", data={"queue": queue_name, "id": "gone", "action": action})
        assert said in (await client.get(answer.headers["location"])).text
    [newest] = await recorded(broker.board, 1)
    assert (newest.action.count, newest.action.refused) == (0, 1)


async def test_nothing_is_done_in_a_queue_that_is_not_shown_or_by_another_word(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await put_schedule(broker, queue_name)
    for queue, action, status in (("elsewhere", "pause", 404), (queue_name, "drop", 400)):
        form = {"queue": queue, "id": "hourly", "action": action}
        assert (await client.post("/schedules/act", data=form)).status_code == status
    [view] = await list_schedules(broker, [queue_name])
    assert not view.is_paused
    assert (await client.get("/schedules/act")).status_code == 405


# ── workers ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_is_shown_with_what_it_runs(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    told = beat(queue_name, broker.now())
    await broker.board.put_document(WORKER, told.name, told.encode(), 30.0)
    shown = (await client.get("/workers")).text
    for text in (f"bar-{queue_name}", "1.2.3", "r9", "16</span>", "148 MB", "12 ms", "draining", "Valkey"):
        assert text in shown
    assert f'href="/job?queue={queue_name}&amp;id=j-1"' in shown


async def test_where_a_worker_lives_its_queue_needs_no_other(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    told = beat(queue_name, broker.now())
    await broker.board.put_document(WORKER, told.name, told.encode(), 30.0)
    await broker.add([NewJob(queue_name, "any", "{}")])
    assert f"No live worker works queue &#39;{queue_name}&#39;" not in (await client.get("/")).text


# ── the first page ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("span", ["1h", "24h", "7d"])
async def test_each_span_is_drawn_and_told_in_figures(client: httpx2.AsyncClient, queue_name: str, span: str) -> None:
    shown = (await client.get(f"/?span={span}&queue={queue_name}")).text
    assert shown.count("data-at=") == {"1h": 60, "24h": 24, "7d": 168}[span]
    assert "<polyline" in shown


@pytest.mark.parametrize("query", ["span=1e9d", "span=8d", "queue=elsewhere"])
async def test_what_cannot_be_drawn_is_not_found(client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"/?{query}")).status_code == 404


# ── the audit log ───────────────────────────────────────────────────────────────────────────────────────


async def test_the_log_tells_who_did_what_newest_first_page_by_page(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    for n in range(60):
        await record(broker.board, Action("mara", "remove", queue_name, f"name:x{n}.", n, 2))
    first = (await client.get("/audit")).text
    assert "mara" in first
    assert "2 refused" in first
    assert first.index("name:x59.") < first.index("name:x58.")
    assert "name:x9." not in first
    [older] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await client.get(older)).text
    assert "name:x9." in second
    assert "name:x10." not in second
    for before in ("x", "1-", "9" * 40, "+"):
        assert (await client.get("/audit", params={"before": before})).status_code == 404


async def test_when_nobody_may_act_every_page_says_so_and_the_log_can_be_read(
    client_of: ClientOf, broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHBOARD_READ_ONLY", "1")
    monkeypatch.setenv("DASHBOARD_TRUSTED_PROXY", "127.0.0.1")
    monkeypatch.setenv("DASHBOARD_PROXY_USER_HEADER", "X-User")
    await put_schedule(broker, queue_name)
    control = Control(broker, [queue_name])
    app = create_app(control, Live(broker, control.queues), SignIn(load_settings(DashboardSettings)))
    client = client_of(app)
    client.headers |= {"X-User": "vera", "Sec-Fetch-Site": "none"}
    for path in ("/", "/schedules", "/workers", "/audit"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "Read only" in answer.text
        # Who is signed in elsewhere cannot sign out here.
        assert "vera" in answer.text
        assert "Sign out" not in answer.text
        assert not re.search(r"/(schedules/act|queues/pause)\?", answer.text)
    form = {"queue": queue_name, "id": "hourly", "action": "pause"}
    assert (await client.post("/schedules/act", data=form)).status_code == 403


async def test_hostile_names_are_shown_and_do_nothing(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    text = "<script>alert(1)</script>\u202e\x1b"
    told = beat(queue_name, broker.now(), host=text, app=text, release=text, queues={text: 1, queue_name: 1})
    await broker.board.put_document(WORKER, told.name, told.encode(), 30.0)
    await record(broker.board, Action(text, text, text, text))
    await put_schedule(broker, queue_name, "<script>alert(1)</script>")
    run = {"job_id": text, "outcome": text, "started_at": 1e300, "ended_at": -1e300, "reason": text}
    await broker.set_notes(queue_name, {"run:<script>alert(1)</script>": json.dumps(run)})
    for path in ("/", "/workers", "/schedules", "/audit"):
        shown = await client.get(path)
        assert shown.status_code == 200, path
        assert "<script>alert" not in shown.text
        assert not re.search("[\u202e\x1b]", shown.text)
    assert "&lt;script&gt;" in (await client.get("/schedules")).text
