"""A job's page and what can be done on it, without a browser."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from starlette.types import ASGIApp

from barback.answers import Created, Swallowed
from barback.broker import Completed, Failed, FetchedJob, Lease, NewFlow, NewJob, Outcome, Retry, Settlement
from barback.bullmq import BullMQBroker
from barback.control.audit import recorded
from barback.dashboard import Control, Live, create_app
from barback.options import Deduplication, JobOptions
from barback.telemetry.beat import KIND, RunningJob, WorkerBeat
from barback.telemetry.published import KIND as APP

from . import hostile
from .declared import FULL, publish_on, published

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]
LEASE = Lease("w", 60.0)


class Bar:
    """One queue and its dashboard."""

    def __init__(self, broker: BullMQBroker, queue: str, client: httpx2.AsyncClient) -> None:
        self.broker, self.queue, self.client = broker, queue, client

    async def add(self, name: str = "serve", data: Any = None, **options: Any) -> str:
        text = data if isinstance(data, str) else json.dumps(FULL if data is None else data)
        [answer] = await self.broker.add([NewJob(self.queue, name, text, JobOptions(**options))])
        assert isinstance(answer, Created)
        return answer.job_id

    async def work(self, *outcomes: Outcome) -> None:
        """The next jobs end so."""
        for outcome in outcomes:
            await self.settle(await self.fetch(), outcome)

    async def fetch(self) -> FetchedJob:
        [job] = (await self.broker.exchange(self.queue, [], 1, LEASE)).jobs
        return job

    async def settle(self, job: FetchedJob, outcome: Outcome) -> None:
        await self.broker.exchange(self.queue, [Settlement(job, outcome)], 0, LEASE)

    async def page(self, job_id: str, path: str = "/job", **query: str) -> str:
        answer = await self.client.get(path, params={"queue": self.queue, "id": job_id, **query})
        assert answer.status_code == 200
        return unescape(answer.text)

    async def form(self, job_id: str, **query: str) -> dict[str, str]:
        """What the page to edit and run again sends if nobody touches it."""
        answer = await self.client.get("/job/again", params={"queue": self.queue, "id": job_id, **query})
        return fields_of(answer.text)

    async def act(self, job_id: str, action: str, state: str, **form: str) -> str:
        """Where it leads, and what is said there."""
        form = {"job": f"{form.pop('finished', '')}/{job_id}", "action": action} | form
        answer = await self.client.post("/job/act", params={"queue": self.queue, "state": state}, data=form)
        assert answer.status_code == 303
        return said((await self.client.get(answer.headers["location"])).text)

    async def state(self, job_id: str) -> str:
        return await self.broker.state(self.queue, job_id)


def said(text: str) -> str:
    found = re.search(r'<p class="said[^>]*>(.*?)</p>', text, re.DOTALL)
    return " ".join(unescape(found[1]).split()) if found else ""


def fields_of(text: str) -> dict[str, str]:
    """What a browser would send of a form that nobody touches."""
    form = text[text.index('<form class="form"') :]
    sent: dict[str, str] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or " checked" in tag:
            sent[unescape(attributes["name"])] = unescape(attributes.get("value", ""))
    for name, inner in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        sent[unescape(name)] = unescape(inner).replace("\n", "\r\n")
    for name, inner in re.findall(r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inner)
        chosen = [value for value, selected in options if selected] or [options[0][0]]
        sent[unescape(name)] = unescape(chosen[0])
    return sent


@pytest.fixture
def bar(client_of: ClientOf, broker: BullMQBroker, queue_name: str) -> Bar:
    control = Control(broker, [queue_name])
    return Bar(broker, queue_name, client_of(create_app(control, Live(broker, control.queues))))


@pytest.fixture
async def declared_bar(bar: Bar) -> Bar:
    """Whose jobs an app has declared."""
    await publish_on(bar.broker.board, published(bar.queue))
    return bar


# ── what it shows ───────────────────────────────────────────────────────────────────────────────────────


async def test_it_says_first_why_the_job_waits(bar: Bar) -> None:
    job_id = await bar.add()
    assert f"No live worker works queue '{bar.queue}': start one." in await bar.page(job_id)
    await bar.broker.pause(bar.queue)
    assert f"Queue '{bar.queue}' is paused: resume it." in await bar.page(job_id)


async def test_the_timeline_tells_each_attempt_with_its_own_error(bar: Bar) -> None:
    job_id = await bar.add(attempts=3)
    await bar.work(
        Retry(0.0, "no milk", "Traceback:\nMilkError: no milk"), Retry(0.0, "no cups", "Traceback:\nCupError")
    )
    await bar.work(Failed("no beans", "Traceback:\nBeanError: no beans"))
    text = await bar.page(job_id)
    story = text[text.index('<ol class="timeline">') :]
    story = story[: story.index("</ol>")]
    places = [story.index(part) for part in ("Added", "Attempt 1 failed", "MilkError", "Attempt 2 failed", "CupError")]
    assert places == sorted(places)
    assert "Failed for good after 3 of 3 attempts" in story
    assert "BeanError: no beans" in text
    assert text.count("<details") == 3


async def test_a_job_that_is_delayed_for_ever_is_shown(bar: Bar) -> None:
    """Whoever writes to Redis may have put it there."""
    job_id = await bar.add(delay_s=60)
    await bar.broker._connection.run("ZADD", f"bull:{bar.queue}:delayed", "inf", job_id)
    assert "Waits" in await bar.page(job_id)
    listed = await bar.client.get("/jobs", params={"queue": bar.queue, "state": "delayed"})
    assert listed.status_code == 200
    assert job_id in listed.text


async def test_who_works_it_now_is_told(bar: Bar) -> None:
    job_id = await bar.add()
    await bar.fetch()
    beat = WorkerBeat(
        name="w-1", host="bar-host", pid=77, version="0", release="1", app="cafe", started_at=1, at=1,
        queues={bar.queue: 1}, running=(RunningJob(bar.queue, job_id, "serve", 1.0),),
    )  # fmt: skip
    await bar.broker.board.put_document(KIND, beat.name, beat.encode(), 60)
    assert re.search(r"Runs on <bdi>bar-host</bdi>, process 77", await bar.page(job_id))


async def test_declared_secrets_are_shown_nowhere(declared_bar: Bar) -> None:
    job_id = await declared_bar.add()
    for text in (
        await declared_bar.page(job_id),
        await declared_bar.page(job_id, "/job/text", what="payload"),
        await declared_bar.page(job_id, "/job/again"),
        await declared_bar.page(job_id, "/job/again", **{"as": "json"}),
    ):
        assert "espresso" in text
        assert "canary" not in text


async def test_of_a_payload_whose_declaration_cannot_be_read_nothing_is_shown(declared_bar: Bar) -> None:
    """B2: what it was may come from a release of another time."""
    job_id = await declared_bar.add()
    board = declared_bar.broker.board
    [app] = [name for name, text in (await board.documents(APP)).items() if f'"{declared_bar.queue}"' in text]
    text = (await board.documents(APP))[app].replace('"attempts": 3', '"attempts": "many"')
    await board.put_document(APP, app, text, 60)
    try:
        for shown in (
            await declared_bar.page(job_id),
            await declared_bar.page(job_id, "/job/text", what="payload"),
            await declared_bar.page(job_id, "/job/again"),
            (await declared_bar.client.get("/jobs", params={"queue": declared_bar.queue})).text,
        ):
            assert "espresso" not in shown
            assert "canary" not in shown
    finally:
        await board.remove_document(APP, app)


async def test_a_large_payload_is_cut_and_all_of_it_is_one_link_away(bar: Bar) -> None:
    job_id = await bar.add(data={"rows": ["x" * 50] * 3000})
    text = await bar.page(job_id)
    assert len(text) < 60_000
    [link] = re.findall(r'href="([^"]+)">Show all', text)
    whole = await bar.client.get(link)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.text.count("x" * 50) == 3000


async def test_a_payload_over_a_megabyte_is_shown_up_to_there(bar: Bar) -> None:
    job_id = await bar.add(data={"rows": "é" * 1_100_000})
    assert "Show the beginning" in await bar.page(job_id)
    whole = await bar.page(job_id, "/job/text", what="payload")
    assert 1_000_000 < len(whole) < 1_100_000


async def test_of_a_long_log_the_end_is_read_and_shown(bar: Bar, monkeypatch: pytest.MonkeyPatch) -> None:
    async def all_of_it(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("barback.bullmq.looking.read_logs", all_of_it)
    monkeypatch.setattr("barback.dashboard.routes.job.SHOWN_LINES", 2)
    job_id = await bar.add()
    for n in range(5):
        await bar.broker.add_log(bar.queue, job_id, f"said {n}", 100)
    text = await bar.page(job_id)
    assert re.findall(r"said \d", text) == ["said 3", "said 4"]
    assert "The last 2 lines." in text
    assert 'Log <span class="n">5</span>' in text
    assert 'start="4"' in text


async def test_an_id_that_is_no_text_says_why_its_job_cannot_be_opened(bar: Bar) -> None:
    await bar.broker._connection.run("RPUSH", f"bull:{bar.queue}:wait", b"\xff\xfe")
    await bar.broker._connection.run("HSET", b"bull:" + bar.queue.encode() + b":\xff\xfe", "name", "odd", "data", "{}")
    listed = (await bar.client.get("/jobs", params={"queue": bar.queue})).text
    [address] = [unescape(one) for one in re.findall(r'data-open href="([^"]+)"', listed)]
    answer = await bar.client.get(address)
    assert answer.status_code == 404
    assert "if its id is no UTF-8" in answer.text


async def test_the_flow_is_linked_both_ways(bar: Bar) -> None:
    child = NewFlow(NewJob(bar.queue, "grind", "{}", JobOptions(job_id="child")))
    await bar.broker.add_flow(NewFlow(NewJob(bar.queue, "brew", "{}", JobOptions(job_id="parent")), [child]))
    parent = await bar.page("parent")
    assert f"/job?queue={bar.queue}&id=child" in parent
    assert "1 pending" in parent
    assert f"/job?queue={bar.queue}&id=parent" in await bar.page("child")


async def test_what_a_job_swallowed_is_told_there_and_at_what_was_swallowed(bar: Bar) -> None:
    first = await bar.add(job_id="first", deduplicate=Deduplication.simple("one-a-day"))
    for options in (
        JobOptions(job_id="second", deduplicate=Deduplication.simple("one-a-day")),
        JobOptions(job_id="first"),
    ):
        [answer] = await bar.broker.add([NewJob(bar.queue, "serve", "{}", options)])
        assert isinstance(answer, Swallowed)
    told = await bar.page(first)
    assert "1 add: second" in told
    assert "1 time, ignored: its id was taken" in told
    gone = await bar.client.get("/job", params={"queue": bar.queue, "id": "second"})
    assert f"/job?queue={bar.queue}&id=first" in unescape(gone.text)
    never = await bar.client.get("/job", params={"queue": bar.queue, "id": "never"})
    assert (gone.status_code, never.status_code) == (404, 404)
    assert "swallowed" not in never.text


async def test_which_job_stands_for_a_key_is_told(bar: Bar) -> None:
    job_id = await bar.add(job_id="first", deduplicate=Deduplication.simple("one-a-day"))
    assert re.search(r"one-a-day</dd>.*?<dd>this job</dd>", await bar.page(job_id), re.DOTALL)
    await bar.work(Completed())
    assert re.search(r"one-a-day</dd>.*?<dd>no job</dd>", await bar.page(job_id), re.DOTALL)
    await bar.add(job_id="second", deduplicate=Deduplication.simple("one-a-day"))
    assert f"/job?queue={bar.queue}&id=second" in await bar.page(job_id)


# ── what can be done ────────────────────────────────────────────────────────────────────────────────────


async def test_each_action_is_done_told_and_written_down(bar: Bar) -> None:
    a, b, c = [await bar.add(delay_s=60.0) for _ in range(3)]
    assert await bar.act(a, "promote", "delayed") == "1 job promoted."
    assert await bar.act(a, "priority", "waiting", priority="7") == "The priority is changed."
    assert await bar.act(b, "delay", "delayed", delay="2", unit="h") == "The delay is changed."
    assert await bar.act(c, "remove", "delayed") == "1 job removed."
    assert await bar.state(a) == "prioritized"
    due_at = await bar.broker.inspector.due_at(bar.queue, b)
    assert due_at
    assert 7_000 < due_at - bar.broker.now() < 7_201
    assert await bar.state(c) == "unknown"
    did = [
        (one.action.did, one.action.subject)
        for one in await recorded(bar.broker.board, 50)
        if one.action.queue == bar.queue
    ]
    assert did[::2] == [("remove", c), ("delay", b), ("priority", a), ("promote", a)]
    assert did[1::2] == [(f"begin {what}", job_id) for what, job_id in did[::2]]


async def test_a_finished_job_is_retried_only_if_it_is_still_the_one_that_was_seen(bar: Bar) -> None:
    job_id = await bar.add()
    await bar.work(Failed("no milk"))
    form = await bar.page(job_id)
    [finished] = set(re.findall(r'name="job" value="([^"]+)/', form))
    assert await bar.act(job_id, "retry", "failed", finished="1.5") == (
        "1 was left alone: no longer as it was when seen here."
    )
    assert await bar.state(job_id) == "failed"
    assert await bar.act(job_id, "retry", "failed", finished=finished) == "1 job retried."
    assert await bar.state(job_id) == "waiting"


@pytest.mark.parametrize("number", ["", "-1", "x", "1e400", "nan", "9" * 30])
async def test_a_number_that_is_none_changes_nothing(bar: Bar, number: str) -> None:
    job_id = await bar.add(delay_s=60.0)
    before = await bar.broker.inspector.due_at(bar.queue, job_id)
    assert (await bar.act(job_id, "delay", "delayed", delay=number)).startswith("Nothing was changed")
    assert (await bar.act(job_id, "priority", "waiting", priority=number)).startswith("Nothing was changed")
    assert await bar.broker.inspector.due_at(bar.queue, job_id) == before


async def test_why_it_was_not_done_is_told(bar: Bar) -> None:
    job_id = await bar.add()
    assert await bar.act(job_id, "promote", "delayed") == "1 was left alone: no longer as it was when seen here."
    assert await bar.act(job_id, "priority", "waiting", priority="9999999") == (
        "Nothing was changed: a priority is a whole number from 0 to 2,097,151."
    )
    await bar.broker._connection.run("SET", f"bull:{bar.queue}:{job_id}:lock", "somebody")
    assert await bar.act(job_id, "remove", "waiting") == "1 was not: it, or a child of it, is being worked."


async def test_who_cancels_says_why(bar: Bar) -> None:
    job_id = await bar.add()
    job = await bar.fetch()
    assert await bar.act(job_id, "cancel", "active", reason="the guest has left") == "The job is asked to stop."
    assert bar.broker.extend_locks(bar.queue, [job], 60.0).cancelled == [(job, "the guest has left")]


@pytest.mark.parametrize(
    "form", [{"action": "explode"}, {"action": "promote"}, {"job": "x/1"}, {"job": ()}, {"job": "/%ff"}]
)
async def test_a_form_that_is_none_of_ours_is_refused(bar: Bar, form: dict[str, str]) -> None:
    for path in ("/job/act", "/jobs/act"):
        address = f"{path}?queue={bar.queue}&state=failed"
        answer = await bar.client.post(address, data={"job": "/1", "action": "retry"} | form)
        assert answer.status_code == 400


async def test_a_job_that_is_removed_leads_back_to_the_list(bar: Bar) -> None:
    job_id = await bar.add(job_id="a")
    form = {"job": f"/{job_id}", "action": "remove"}
    answer = await bar.client.post(f"/job/act?queue={bar.queue}&state=waiting", data=form)
    assert answer.headers["location"] == f"/jobs?queue={bar.queue}&did=remove&count=1"
    gone = await bar.client.get(f"/job?queue={bar.queue}&id=a")
    assert gone.status_code == 404
    assert f"No job a in queue {bar.queue}." in gone.text


# ── edit and run again ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["", "json"])
async def test_what_nobody_touches_runs_again_to_the_letter(declared_bar: Bar, way: str) -> None:
    bar = declared_bar
    text = '{"drink" :"tea","cups":1,"address":{"street":"a\\u0000b","doorNumber":1},"token":"canary","price":1e1}'
    job_id = await bar.add(data=text, attempts=4)
    sent = await bar.form(job_id, **({"as": way} if way else {}))
    answer = await bar.client.post("/job/again/run", data=sent)
    assert answer.status_code == 303
    assert "It runs again as a new job" in (await bar.client.get(answer.headers["location"])).text
    new_id = httpx2.URL(answer.headers["location"]).params["id"]
    record = await bar.broker.get(bar.queue, new_id)
    assert record
    assert new_id != job_id
    assert (record.data, record.options.attempts) == (text, 4)


async def test_a_field_that_is_wrong_is_told_and_nothing_is_added(declared_bar: Bar) -> None:
    bar = declared_bar
    job_id = await bar.add()
    sent = await bar.form(job_id) | {
        "/cups": "100",
        "/drink": "<b>tea</b>",
        "/token": "newone",
    }
    answer = await bar.client.post("/job/again/run", data=sent)
    assert answer.status_code == 422
    assert "Expected at most 99." in answer.text
    assert "&lt;b&gt;tea&lt;/b&gt;" in answer.text
    assert "newone" not in answer.text
    assert (await bar.broker.counts(bar.queue))["waiting"] == 1
    # The page that came back is the form again, with all that was typed but secrets.
    answer = await bar.client.post("/job/again/run", data=fields_of(answer.text) | {"/cups": "3", "/token": "newone"})
    record = await bar.broker.get(bar.queue, httpx2.URL(answer.headers["location"]).params["id"])
    assert record
    assert json.loads(record.data) == FULL | {"cups": 3, "drink": "<b>tea</b>", "token": "newone"}


async def test_without_a_schema_it_is_edited_as_json(bar: Bar) -> None:
    job_id = await bar.add("unknown", {"a": [1]})
    sent = await bar.form(job_id)
    wrong = await bar.client.post("/job/again/run", data=sent | {"json": "{"})
    assert wrong.status_code == 422
    assert "This is no JSON" in wrong.text
    answer = await bar.client.post("/job/again/run", data=sent | {"json": '{"a": 2}'})
    record = await bar.broker.get(bar.queue, httpx2.URL(answer.headers["location"]).params["id"])
    assert record
    assert record.data == '{"a": 2}'


DEEP = "[" * 90 + ",".join(["1"] * 3_000) + "]" * 90
"""Nearly 1 MB once it is indented and encoded, and 6 KB now."""


@pytest.mark.parametrize("data", ["{no json", json.dumps("x" * 70_000), "[" * 900 + "]" * 900, DEEP])
async def test_what_cannot_be_edited_runs_again_as_it_is(bar: Bar, data: str) -> None:
    job_id = await bar.add(data=data)
    answer = await bar.client.post("/job/again/run", data=await bar.form(job_id))
    record = await bar.broker.get(bar.queue, httpx2.URL(answer.headers["location"]).params["id"])
    assert record
    assert record.data == data


async def test_what_is_edited_is_kept_though_it_is_sent_much_longer_than_it_is_stored(bar: Bar) -> None:
    """Indented, its lines ended as browsers do, and each of that written as `%0D`."""
    rows = [1] * 21_000
    job_id = await bar.add("unknown", {"rows": rows})
    sent = await bar.form(job_id)
    sent["json"] = sent["json"].replace("rows", "lines").replace("\n", "\r\n")
    assert len(urlencode(sent)) > 256 * 1024
    answer = await bar.client.post("/job/again/run", data=sent)
    record = await bar.broker.get(bar.queue, httpx2.URL(answer.headers["location"]).params["id"])
    assert record
    assert json.loads(record.data) == {"lines": rows}


async def test_what_was_typed_too_deep_comes_back(bar: Bar) -> None:
    job_id = await bar.add("unknown", {"a": 1})
    typed = "[" * 900 + "]" * 900
    answer = await bar.client.post("/job/again/run", data=await bar.form(job_id) | {"json": typed})
    assert answer.status_code == 422
    assert "nested deeper than 100 levels" in answer.text
    assert typed in answer.text


async def test_one_that_is_swallowed_leads_to_the_job_that_stands_for_it(bar: Bar) -> None:
    job_id = await bar.add(deduplicate=Deduplication.simple("one"))
    answer = await bar.client.post("/job/again/run", data=await bar.form(job_id))
    assert answer.headers["location"] == f"/job?queue={bar.queue}&id={job_id}&did=swallowed"
    assert "No new job was made" in (await bar.client.get(answer.headers["location"])).text


# ── run a job ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_declared_job_is_run_with_its_options(declared_bar: Bar) -> None:
    bar = declared_bar
    [link] = [unescape(one) for one in re.findall(r'href="([^"]*name=serve)"', (await bar.client.get("/run")).text)]
    empty = fields_of((await bar.client.get(link)).text)
    sent = empty | {"/drink": "tea", "/cups": "1", "/address/street": "a", "/address/doorNumber": "1"}
    sent |= {"delay": "5", "unit": "min", "priority": "3", "job_id": "by-hand"}
    answer = await bar.client.post("/run/add", data=sent)
    assert answer.headers["location"] == f"/job?queue={bar.queue}&id=by-hand&did=run"
    record = await bar.broker.get(bar.queue, "by-hand")
    assert record
    assert json.loads(record.data) == {"drink": "tea", "cups": 1, "address": {"street": "a", "doorNumber": 1}}
    assert (record.options.delay_s, record.options.priority, record.options.attempts) == (300.0, 3, 3)
    again = await bar.client.post("/run/add", data=sent)
    assert again.headers["location"] == f"/job?queue={bar.queue}&id=by-hand&did=swallowed"


async def test_what_is_wrong_is_told_all_at_once(declared_bar: Bar) -> None:
    bar = declared_bar
    sent = {"queue": bar.queue, "name": "serve", "/cups": "x", "delay": "soon", "priority": "high", "job_id": "1:2"}
    answer = await bar.client.post("/run/add", data=sent)
    assert answer.status_code == 422
    for told in ("Expected a whole number.", "Expected a number of 0", "Expected a whole number from 0", "contains '"):
        assert told.replace("'", "&#39;") in answer.text
    assert sum((await bar.broker.counts(bar.queue)).values()) == 0


@pytest.mark.parametrize("name", ["nobody", "' or 1=1"])
async def test_a_job_that_nobody_declares_cannot_be_run(declared_bar: Bar, name: str) -> None:
    where = {"queue": declared_bar.queue, "name": name}
    assert (await declared_bar.client.get("/run", params=where)).status_code == 404
    assert (await declared_bar.client.post("/run/add", data=where)).status_code == 404


# ── hostile texts ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS.keys())
async def test_a_hostile_text_in_any_field_is_but_a_text(declared_bar: Bar, text: str) -> None:
    bar = declared_bar
    text = text.replace("\x00", "")
    order = FULL | {
        "drink": text,
        "note": f"{text}\n{text}",
        "extras": [text],
        "size": text,
        "address": {"street": text},
    }
    job_id = await bar.add(data=order | {text: text})
    for way in ({}, {"as": "json"}):
        answer = await bar.client.get("/job/again", params={"queue": bar.queue, "id": job_id, **way})
        for raw in ("<script>alert", "<svg onload", "<div hx-get", "</textarea></title>", "\u202e", "\x1b"):
            assert raw not in answer.text
        sent = fields_of(answer.text) | {"/size": '"small"', "/address/doorNumber": "1"}
        again = await bar.client.post("/job/again/run", data=sent)
        assert again.status_code == 422
        for raw in ("<script>alert", "<svg onload", "<div hx-get", "</textarea></title>"):
            assert raw not in again.text
