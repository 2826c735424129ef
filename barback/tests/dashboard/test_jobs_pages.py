"""The list of jobs, without a browser: what it finds, how it says how far it looked, what it hides."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from html import unescape
from urllib.parse import unquote

import httpx2
import pytest
from starlette.types import ASGIApp

from barback.broker import Completed, Failed, Lease, NewJob, Settlement, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.control.audit import recorded
from barback.control.search import Budget
from barback.cron import Timing
from barback.dashboard import Control, Live, create_app
from barback.dashboard.routes import jobs
from barback.errors import BrokerUnavailable
from barback.options import JobOptions
from barback.telemetry.published import KIND, PublishedApp, PublishedJob

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]
Publish = Callable[[], Awaitable[None]]
LEASE = Lease("w", 60.0)


@pytest.fixture
def client(client_of: ClientOf, broker: BullMQBroker, queue_name: str) -> httpx2.AsyncClient:
    control = Control(broker, [queue_name])
    return client_of(create_app(control, Live(broker, control.queues)))


async def ask(client: httpx2.AsyncClient, queue: str, state: str = "waiting", **query: str | int) -> str:
    """The page, as text."""
    answer = await client.get("/jobs", params={"queue": queue, "state": state, **query})
    assert answer.status_code == 200
    return answer.text


def ids(page: str) -> list[str]:
    return [unquote(one) for one in re.findall(r'name="job" value="[^"/]*/([^"]+)"', page)]


def link(page: str, rel: str) -> str:
    """The address of the first link of that kind."""
    return unescape(re.findall(rf'rel="{rel}" href="([^"]+)"', page)[0])


async def add(broker: BullMQBroker, queue: str, count: int, **options: object) -> None:
    made = [JobOptions(job_id=f"j-{n}", **options) for n in range(count)]  # pyright: ignore[reportArgumentType]
    await broker.add([NewJob(queue, "send", json.dumps({"n": n}), one) for n, one in enumerate(made)])


# ── page by page ────────────────────────────────────────────────────────────────────────────────────────


async def test_pages_of_a_list_follow_each_other(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 160)
    first = await ask(client, queue_name)
    assert "50 of 160" in first
    second = (await client.get(link(first, "next"))).text
    assert ids(second) == [f"j-{n}" for n in range(50, 100)]
    last = await ask(client, queue_name, page=4)
    assert ids(last) == [f"j-{n}" for n in range(150, 160)]
    assert 'rel="next"' not in last
    assert "page=3" in link(last, "prev")


async def test_each_row_that_waits_says_why(client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str) -> None:
    await add(broker, queue_name, 2)
    said = f"No live worker works queue &#39;{queue_name}&#39;: start one."
    assert (await ask(client, queue_name)).count(said) == 2
    assert (await ask(client, queue_name, q="payload.n:1")).count(said) == 1
    await broker.exchange(queue_name, [], 2, LEASE)
    assert said not in await ask(client, queue_name, "active")


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "999999999"])
async def test_any_page_number_is_answered(client: httpx2.AsyncClient, queue_name: str, number: str) -> None:
    await ask(client, queue_name, page=number)


# ── searching ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_search_shows_what_matches_and_that_it_looked_to_the_end(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 120)
    page = await ask(client, queue_name, q="payload.n:>=117")
    assert ids(page) == ["j-117", "j-118", "j-119"]
    assert "Looked through 120 of 120 waiting jobs" in page
    assert ">go on<" not in page


async def test_each_state_is_searched_by_the_same_query(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    page = await ask(client, queue_name, q="error:timeout -name:mail")
    tabs = [unescape(address) for address in re.findall(r'href="([^"]+)"', page) if "state=failed" in address]
    assert all("q=error%3Atimeout+-name%3Amail" in address for address in tabs)


async def test_a_search_whose_budget_ended_says_how_far_it_looked_and_goes_on_from_there(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BUDGET", Budget(found=50, jobs=60, seconds=60))
    await add(broker, queue_name, 100)
    page = await ask(client, queue_name, q="payload.n:99")
    assert ids(page) == []
    assert "Looked through 60 of 100 waiting jobs" in page
    assert "No match so far" in page
    following = (await client.get(link(page, "next"))).text
    assert ids(following) == ["j-99"]
    assert "100 of 100 waiting jobs" in following
    assert "from the beginning" in following


@pytest.mark.parametrize(("text", "position", "what"), [("attempt:two", 9, "Expected a number"), ("nme:a", 1, "name")])
async def test_a_wrong_query_says_where_and_what_to_do_and_shows_no_jobs(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, text: str, position: int, what: str
) -> None:
    await add(broker, queue_name, 1)
    page = await ask(client, queue_name, q=text)
    assert f"Character {position}:" in page
    assert what in page
    assert f'value="{text}"' in page
    assert ids(page) == []


async def test_an_id_is_found_whatever_its_state(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 1, delay_s=60.0)
    for text in ("j-0", "id:j-0"):
        page = await ask(client, queue_name, "waiting", q=text)
        assert "The job with this id" in page
        assert "delayed." in page
    assert "The job with this id" not in await ask(client, queue_name, "waiting", q="-id:j-0")


@pytest.mark.parametrize(("within_s", "trigger"), [(60.0, "changed from:#live"), (0.0, "never")])
async def test_only_a_search_that_was_quick_is_done_anew_with_each_event(
    client: httpx2.AsyncClient, queue_name: str, monkeypatch: pytest.MonkeyPatch, within_s: float, trigger: str
) -> None:
    monkeypatch.setattr(jobs, "LIVE_WITHIN_S", within_s)
    assert f'hx-trigger="{trigger}"' in await ask(client, queue_name, q="a")


# ── acting on some of them ──────────────────────────────────────────────────────────────────────────────


def form_of(page: str) -> tuple[str, list[str]]:
    """Where the list's form leads, and what its boxes would send."""
    [address] = re.findall(r'action="(/jobs/act[^"]*)"', page)
    return unescape(address), [unescape(one) for one in re.findall(r'name="job" value="([^"]+)"', page)]


async def act(client: httpx2.AsyncClient, page: str, action: str, *boxes: int) -> httpx2.Response:
    """What a browser sends that has these boxes ticked; without any: all of them."""
    address, jobs = form_of(page)
    sent = [jobs[box] for box in boxes] or jobs
    return await client.post(address, data={"job": sent, "action": action})


async def said(client: httpx2.AsyncClient, answer: httpx2.Response) -> str:
    assert answer.status_code == 303
    text = (await client.get(answer.headers["location"])).text
    return " ".join(unescape(re.findall(r'<p class="said[^>]*>(.*?)</p>', text, re.DOTALL)[0]).split())


async def test_what_is_selected_is_acted_on_as_it_was_seen_and_nothing_else(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    """B3."""
    await add(broker, queue_name, 3)
    await complete(broker, queue_name, 3)
    page = await ask(client, queue_name, "completed")
    seen = ids(page)
    for job_id in seen[:2]:  # The second one waits again, the first has even completed again.
        await broker.retry(queue_name, job_id)
        if job_id == seen[0]:
            await complete(broker, queue_name, 1)
    answer = await act(client, page, "remove")
    assert await said(client, answer) == "1 job removed. 2 were left alone: no longer as they were when seen here."
    assert [await broker.state(queue_name, job_id) for job_id in seen] == ["completed", "waiting", "unknown"]


async def complete(broker: BullMQBroker, queue: str, count: int) -> None:
    for job in (await broker.exchange(queue, [], count, LEASE)).jobs:
        await broker.exchange(queue, [Settlement(job, Completed())], 0, LEASE)


async def test_why_something_was_not_done_is_told(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    hourly = StoredSchedule("hourly", "tick", Timing(every_s=3600.0), "{}", broker.now() + 60)
    await broker.put_schedule(queue_name, hourly)
    page = await ask(client, queue_name, "delayed")
    answer = await act(client, page, "remove")
    assert await said(client, answer) == "1 was not: a schedule owns it."
    await add(broker, queue_name, 1)
    page = await ask(client, queue_name, "waiting")
    await broker._connection.run("DEL", f"bull:{queue_name}:j-0")
    await broker._connection.run("SET", f"bull:{queue_name}:j-0", "no hash")
    answer = await act(client, page, "remove")
    await broker._connection.run("DEL", f"bull:{queue_name}:j-0")
    assert await said(client, answer) == "1 was not: Redis refused it, as the log of the dashboard tells."


@pytest.mark.parametrize("job_id", ["a b/c?d&e", "x\u202eexe.gpj", "\x1b[31m", "a\r\nb\rc", "é\x85", "%41+"])
async def test_a_job_with_any_id_is_listed_opened_and_acted_on(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, job_id: str
) -> None:
    """B2 changes what is shown, and never what is sent."""
    await add_as(broker, queue_name, job_id)
    page = await ask(client, queue_name, "delayed")
    assert job_id.replace("&", "&amp;") not in page or job_id.isprintable()
    assert (await act(client, page, "promote")).headers["location"].endswith("did=promote&count=1")
    assert await broker.state(queue_name, job_id) == "waiting"
    page = (await client.get("/job", params={"queue": queue_name, "id": job_id})).text
    [address] = [unescape(one) for one in re.findall(r'action="(/job/act[^"]+)"', page)][:1]
    [job] = re.findall(r'name="job" value="([^"]+)"', page)[:1]
    answer = await client.post(address, data={"job": unescape(job), "action": "remove"})
    assert "did=remove&count=1" in answer.headers["location"]
    assert await broker.state(queue_name, job_id) == "unknown"


async def add_as(broker: BullMQBroker, queue: str, job_id: str) -> None:
    """As another program may have, which does not look at ids: a delayed job."""
    run, key = broker._connection.run, f"bull:{queue}"
    await run("HSET", f"{key}:{job_id}", "name", "n", "data", "{}", "opts", "{}", "timestamp", "1", "delay", "60000")
    await run("ZADD", f"{key}:delayed", str(4e15), job_id)


async def test_a_search_by_any_text_is_the_same_when_it_is_sent_again(
    client: httpx2.AsyncClient, queue_name: str
) -> None:
    page = await ask(client, queue_name, q="a\u202eb")
    assert 'name="q" type="search" value="a\u202eb"' in page


async def test_an_action_leads_back_to_where_it_was_begun(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 120, delay_s=60.0)
    cursor = unescape(await ask(client, queue_name, "delayed", q="name:send"))
    [later] = re.findall(r'href="[^"]*[?&]from=([^"&]+)[^"]*">Go on', cursor)
    group = {"type": "T", "place": "p", "shape": "s\u202e"}
    for query in ({"page": "2"}, {"q": "payload.n:1", **group}, {"q": "name:send", "from": unquote(later)}):
        page = await ask(client, queue_name, "delayed", **query)
        answer = await act(client, page, "promote", 0)
        back = dict(httpx2.URL(answer.headers["location"]).params)
        assert query.items() <= back.items()
        assert back["did"] == "promote"


async def test_each_action_is_written_down_before_and_after_it(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(broker, queue_name, 12, delay_s=60.0)
    page = await ask(client, queue_name, "delayed")
    await act(client, page, "promote")

    async def away(*_: object) -> object:
        raise BrokerUnavailable("away")

    monkeypatch.setattr("barback.bullmq.acting.act", away)
    page = await ask(client, queue_name)
    assert (await act(client, page, "remove", 0)).status_code == 503
    told = [one.action for one in await recorded(broker.board, 50) if one.action.queue == queue_name][::-1]
    assert [(one.did, one.count) for one in told] == [
        ("begin promote", 0), ("promote", 12), ("begin remove", 0), ("remove", 0)
    ]  # fmt: skip
    first = ids(await ask(client, queue_name))[:10]
    assert told[0].subject == f"{', '.join(first)} and 2 more"
    shown = (await client.get("/audit")).text
    assert re.search(r'<a href="/job\?queue=\w+&amp;id=j-9"><bdi>j-9</bdi></a> and 2 more</span>', shown)
    assert 'href="/bulk/all"' in shown


async def test_where_nothing_matches_other_states_are_offered(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 1)
    page = await ask(client, queue_name, "completed", q="name:send")
    [offered] = re.findall(r"Look among those that are (.*?)</p>", page)
    assert re.findall(r'href="([^"]+)"', unescape(offered)) == [f"/jobs?queue={queue_name}&state=waiting&q=name%3Asend"]


# ── what is shown of a job ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def publish(broker: BullMQBroker, queue_name: str) -> AsyncIterator[Publish]:
    """What tells which fields of `send` are secret."""
    app = PublishedApp(
        queue_name, "1", 1.0, (PublishedJob("send", queue_name, None, (("token",), ("to", "*", "pin"))),)
    )
    yield lambda: broker.board.put_document(KIND, app.name, app.encode(), 60.0)
    await broker.board.remove_document(KIND, app.name)


async def test_declared_secrets_are_masked_also_under_a_name_that_nobody_declares(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, publish: Publish
) -> None:
    await publish()
    data = json.dumps({"token": "s3cret", "to": [{"pin": "s3cret", "city": "Leipzig"}]})
    await broker.add([NewJob(queue_name, name, data) for name in ("send", "sennd")])
    page = await ask(client, queue_name)
    assert page.count("Leipzig") == 2
    assert page.count("•••") == 4
    assert "s3cret" not in page


@pytest.mark.parametrize("path", ["/job", "/job/text", "/job/again"])
async def test_a_job_of_a_name_that_nobody_declares_shows_no_secret_of_its_queue(
    path: str, client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, publish: Publish
) -> None:
    await publish()
    data = json.dumps({"token": "s3cret", "city": "Leipzig"})
    await broker.add([NewJob(queue_name, "sennd", data, JobOptions(job_id="a"))])
    answer = await client.get(path, params={"queue": queue_name, "id": "a", "what": "payload"})
    assert answer.status_code == 200
    assert "Leipzig" in answer.text
    assert "s3cret" not in answer.text


async def test_a_large_payload_is_not_fetched_for_a_list_and_shows_no_secret(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, publish: Publish
) -> None:
    await broker.add([NewJob(queue_name, "big", json.dumps({"a": "x" * 8_000_000}))])
    await broker.add([NewJob(queue_name, "send", json.dumps({"token": "s3cret" + "x" * 100_000}))])
    page = await ask(client, queue_name)
    assert len(page) < 40_000
    assert "(8,000,009 bytes in all)" in page
    await publish()
    page = await ask(client, queue_name)
    assert "s3cret" not in page


async def test_a_reason_stands_beside_its_job(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await add(broker, queue_name, 1)
    [job] = (await broker.exchange(queue_name, [], 1, LEASE)).jobs
    await broker.exchange(queue_name, [Settlement(job, Failed("ValueError: <b>no</b>"))], 0, LEASE)
    page = await ask(client, queue_name, "failed", q="error:ValueError")
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in page
