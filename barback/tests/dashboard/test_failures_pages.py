"""The failures page, without a browser: the groups, what leads to their jobs, and acting on just one of them."""

import json
import re
from collections.abc import Callable
from html import unescape

import httpx2
import pytest
from starlette.types import ASGIApp

from barback.bullmq import BullMQBroker
from barback.dashboard import Control, Live, create_app
from barback.dashboard.routes import failures

from . import hostile
from .test_bulk_pages import fail, fields, to_the_end, told

ClientOf = Callable[[ASGIApp], httpx2.AsyncClient]


@pytest.fixture
def client(client_of: ClientOf, broker: BullMQBroker, queue_name: str) -> httpx2.AsyncClient:
    control = Control(broker, [queue_name, f"{queue_name}-b"])
    return client_of(create_app(control, Live(broker, control.queues)))


def groups(page: str) -> list[tuple[str, int]]:
    """The types and their counts, as they are listed."""
    types = re.findall(r'<a data-open href="[^"]+">([^<]+)</a>', page)
    counts = re.findall(r'<span class="label">jobs</span> ([\d,]+)', page)
    return list(zip(types, [int(count.replace(",", "")) for count in counts], strict=True))


def links(page: str, attribute: str) -> list[str]:
    return [unescape(address) for address in re.findall(rf'{attribute} href="([^"]+)"', page)]


async def test_failures_of_one_kind_are_one_line_the_most_frequent_first(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "KeyError: 'a'", "Timeout: no answer in 3 s", "Timeout: no answer in 77 s")
    await fail(broker, f"{queue_name}-b", "KeyError: 'b'")
    page = (await client.get("/failures")).text
    assert groups(page)[0] == ("Timeout", 2)
    assert sorted(groups(page)[1:]) == [("KeyError", 1), ("KeyError", 1)]
    assert "no answer in &lt;n&gt; s" in page
    assert "3 groups of 4 failed jobs" in page
    assert "2 in the last 24 hours, 2 in the last one" in page


async def test_one_queue_is_shown_alone(client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str) -> None:
    await fail(broker, queue_name, "A: no")
    await fail(broker, f"{queue_name}-b", "B: no")
    assert groups((await client.get("/failures", params={"queue": queue_name})).text) == [("A", 1)]
    assert (await client.get("/failures?queue=another")).status_code == 404


async def test_of_many_the_newest_are_looked_at_and_more_on_request(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "NEWEST_AT_FIRST", 2)
    await fail(broker, queue_name, "A: no", "B: no", "C: no")
    page = (await client.get("/failures", params={"queue": queue_name})).text
    assert "the newest 2 of 3 failed jobs" in page
    [further] = [unescape(at) for at in re.findall(r'href="([^"]+further=1)"', page)]
    page = (await client.get(further)).text
    assert "3 groups of 3 failed jobs" in page
    assert "further=1" not in page.partition('id="living"')[2].partition(">")[2]


async def test_where_nothing_failed_it_says_so(client: httpx2.AsyncClient) -> None:
    assert "No job has failed." in (await client.get("/failures")).text


async def test_a_group_leads_to_its_jobs(client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str) -> None:
    await fail(broker, queue_name, "Timeout: no answer in 3 s", "KeyError: 'a'")
    page = (await client.get("/failures")).text
    [address] = [address for address in links(page, "data-open") if "Timeout" in address]
    assert (await client.get(address)).text.count('name="job"') == 1


async def test_a_group_is_retried_and_no_other(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(
        broker, queue_name, "Timeout: no answer in 3 s", "Timeout: no answer in 9 s", "Timeout: no answer at all"
    )
    [address] = [at for at in links((await client.get("/failures")).text, 'data-key="r"') if "at+all" not in at]
    page = (await client.get(address)).text
    assert re.search(r"<h1[^>]*>2 jobs</h1>", page)
    assert "no answer in &lt;n&gt; s" in page
    answer = await client.post("/bulk/start", data=fields(page) | {"action": "retry"})
    assert told(await to_the_end(client, answer))["done"] == "2"
    assert await broker.inspector.count(queue_name, "failed") == 1
    assert groups((await client.get("/failures")).text) == [("Timeout", 1)]


async def test_hostile_failures_are_but_texts(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await hostile.fill(broker, queue_name)
    page = (await client.get("/failures")).text
    assert len(groups(page)) > 1
    assert not re.search(r"<script>alert|<img src=x|<svg onload|<div hx-get=\"/steal", page)
    for address in [*links(page, "data-open"), *links(page, 'data-key="r"')]:
        assert (await client.get(address)).status_code == 200


async def test_a_lone_surrogate_in_a_stack_breaks_no_page_and_its_group_can_be_acted_on(
    client: httpx2.AsyncClient, broker: BullMQBroker, queue_name: str
) -> None:
    await fail(broker, queue_name, "A: no")
    [seen] = (await broker.inspector.scan(queue_name, "failed", 0, 1)).jobs
    stack = json.dumps(['Traceback:\n  File "/srv/\ud800.py", line 1, in \udfff\nA: no'])
    await broker._connection.run("HSET", f"bull:{queue_name}:{seen.record.id}", "stacktrace", stack)
    answer = await client.get("/failures", params={"queue": queue_name})
    assert answer.status_code == 200
    [address] = links(answer.text, 'data-key="r"')
    assert "<h1>1 job</h1>" in re.sub(r"<h1[^>]*>", "<h1>", (await client.get(address)).text)
