"""What is in payloads, results and reasons survives the way between JavaScript and Python, both ways."""

import json
from datetime import UTC, datetime
from math import copysign
from typing import Any

import pytest

from barback.answers import Created
from barback.app import App, no_services
from barback.broker import Completed, Failed, FetchedJob, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.job import Context, job
from barback.payload import Payload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

from .process import NodeError
from .python import PythonQueue
from .side import NodeQueue
from .stored import Stored
from .wire import dumps

LEASE = Lease("python", lock_s=30)

TEXTS = {
    "umlauts": "Gärten in Düsseldorf, großes Café",
    "combining": "Cafe\u0301 und o\u0308",
    "emoji": "☕️🚲👩‍👩‍👧‍👦🇩🇪",
    "astral": "𝒞𝒶𝒻é \U0010ffff",
    "line separators": "a\u2028b\u2029c\u0085d",
    "right to left": "مقهى בית קפה",
    "crlf, tab, nul": "a\r\nb\tc\x00d\x7f\x1b",
    "quotes and backslashes": "\"'\\/` \\u0041 \\n ${x} %s",
    "spaces": "  \u00a0\ufeff ",
    "empty": "",
}
NUMBERS = {
    "2^53 - 1": 2**53 - 1,
    "-(2^53 - 1)": -(2**53 - 1),
    "1e308": 1e308,
    "5e-324": 5e-324,
    "0.1": 0.1,
    "0.1 + 0.2": 0.1 + 0.2,
    "zero": 0,
}
SHAPES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "empty object": {},
    "empty list": [],
    "nested": {"a": [{"b": [[], {}, None, {"c": {"d": [1, "zwei", False]}}]}]},
    "keys": {"": 1, " ": 2, "ä": 3, "__proto__x": 4, "a.b": 5, "10": 6},
    "a date": "2026-03-29T01:30:00.000Z",
}
VALUES = {**TEXTS, **NUMBERS, **SHAPES}
every_value = pytest.mark.parametrize("value", list(VALUES.values()), ids=list(VALUES))


async def fetch(broker: BullMQBroker, queue: str) -> FetchedJob:
    [fetched] = (await broker.exchange(queue, [], 1, LEASE)).jobs
    return fetched


@every_value
async def test_python_is_given_what_node_enqueued_and_node_reads_what_python_returned(
    value: Any, theirs: NodeQueue, broker: BullMQBroker
) -> None:
    job_id = await theirs.add_raw("any", value)
    fetched = await fetch(broker, theirs.name)
    assert json.loads(fetched.data) == value
    await broker.exchange(theirs.name, [Settlement(fetched, Completed(dumps(value)))], 0, LEASE)
    assert (await theirs.get(job_id)).returnvalue == value
    assert await theirs.wait_until_finished(job_id) == value


@every_value
async def test_node_is_given_what_python_enqueued_and_python_reads_what_node_returned(
    value: Any, theirs: NodeQueue, ours: PythonQueue, broker: BullMQBroker
) -> None:
    await theirs.work()
    job_id = await ours.enqueue("any", value)
    assert await theirs.wait_until_finished(job_id) == value
    record = await broker.get(ours.name, job_id)
    assert record is not None
    assert json.loads(record.result or "") == value == json.loads(record.data)


@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
async def test_names_ids_and_reasons_hold_any_text(text: str, theirs: NodeQueue, broker: BullMQBroker) -> None:
    job_id = await theirs.add(f"name {text}", {})
    fetched = await fetch(broker, theirs.name)
    assert fetched.name == f"name {text}"
    await broker.exchange(theirs.name, [Settlement(fetched, Failed(f"reason {text}", f"stack {text}"))], 0, LEASE)
    await theirs.saw("failed", job_id, failedReason=f"reason {text}")
    job = await theirs.get(job_id)
    assert job.name == f"name {text}"
    assert job.failedReason == f"reason {text}"
    assert job.stacktrace == [f"stack {text}"]


@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
async def test_python_reads_a_reason_of_node_of_any_text(text: str, theirs: NodeQueue, broker: BullMQBroker) -> None:
    job_id = await theirs.add("any", {})
    assert await theirs.take() == job_id
    await theirs.finish(job_id, error=f"reason {text}")
    record = await broker.get(theirs.name, job_id)
    assert record is not None
    assert record.failed_reason == f"reason {text}"
    assert f"reason {text}" in record.stacktraces[0]


async def test_a_lone_surrogate_of_node_reaches_python_as_it_was_written(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    await theirs.add("any", {"name": "half \ud83d of a bike"})
    fetched = await fetch(broker, theirs.name)
    assert json.loads(fetched.data) == {"name": "half \ud83d of a bike"}
    # And back, as text and not as bytes that nobody can read.
    await broker.exchange(theirs.name, [Settlement(fetched, Completed(fetched.data))], 0, LEASE)
    assert (await theirs.get(fetched.id)).returnvalue == {"name": "half \ud83d of a bike"}


async def test_a_worker_fails_a_payload_with_a_lone_surrogate_once(theirs: NodeQueue, ours: PythonQueue) -> None:
    await ours.work()
    job_id = await theirs.add("any", {"name": "half \ud83d of a bike"}, attempts=3)
    with pytest.raises(NodeError, match="Payload of 'any' does not fit: Invalid JSON"):
        await theirs.wait_until_finished(job_id)
    assert (await theirs.get(job_id)).attemptsMade == 1


async def test_a_lone_surrogate_in_an_error_of_python_settles_the_job(theirs: NodeQueue, broker: BullMQBroker) -> None:
    job_id = await theirs.add("any", {})
    fetched = await fetch(broker, theirs.name)
    await broker.exchange(theirs.name, [Settlement(fetched, Failed("half \ud83d", "half \ud83d"))], 0, LEASE)
    job = await theirs.get(job_id)
    assert (job.state, job.failedReason) == ("failed", "half \\ud83d")
    assert job.stacktrace == ["half \ud83d"]


async def test_a_minus_zero_of_python_is_one_in_node(theirs: NodeQueue, ours: PythonQueue) -> None:
    await theirs.work()
    job_id = await ours.enqueue("inspect", [-0.0, 1e21, 2**53 - 1])
    assert await theirs.wait_until_finished(job_id) == "[ -0, 1e+21, 9007199254740991 ]"


async def test_a_number_over_2_to_53_is_whole_in_python_and_rounded_in_node(
    theirs: NodeQueue, ours: PythonQueue, broker: BullMQBroker
) -> None:
    job_id = await ours.enqueue("any", {"big": 2**53 + 1})
    assert (await theirs.get(job_id)).data == {"big": 2**53}
    assert json.loads((await fetch(broker, ours.name)).data) == {"big": 2**53 + 1}


@pytest.mark.parametrize("unit", ["x", "ä", "🚲", "\u2028", '"'], ids=["ascii", "umlaut", "astral", "u2028", "quote"])
async def test_a_megabyte_goes_both_ways(unit: str, theirs: NodeQueue, ours: PythonQueue) -> None:
    data = {"text": unit * (2**20 // len(unit.encode()))}
    await ours.work()
    forth = await theirs.enqueue("any", data)
    assert await theirs.wait_until_finished(forth) == data
    await ours.stop_workers()
    await theirs.work()
    back = await ours.enqueue("any", data)
    assert await theirs.wait_until_finished(back) == data


@pytest.mark.parametrize("unit", ["x", "ä"])
async def test_five_megabytes_of_node_are_worked(unit: str, theirs: NodeQueue, ours: PythonQueue) -> None:
    data = {"text": unit * (5 * 2**20 // len(unit.encode()))}
    await ours.work()
    job_id = await theirs.enqueue("any", data)
    assert await theirs.wait_until_finished(job_id) == data


async def test_500_levels_of_node_fail_once_and_say_so(theirs: NodeQueue, ours: PythonQueue) -> None:
    """P11."""
    data: Any = {}
    for _ in range(500):
        data = {"a": data}
    await ours.work()
    job_id = await theirs.add("any", data, attempts=3)
    with pytest.raises(NodeError, match="Payload of 'any' does not fit: Invalid JSON: nested deeper than the 201 l"):
        await theirs.wait_until_finished(job_id)
    assert (await theirs.get(job_id)).attemptsMade == 1


# ── typed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Visit(Payload, frozen=True):
    cafe_id: str
    visited_at: datetime
    stars: float
    note: str | None = None


class Seen(Payload, frozen=True):
    first_seen_at: datetime
    minus: bool


async def visit(payload: Visit, ctx: Context[None]) -> Seen:
    assert payload.visited_at.tzinfo is not None
    return Seen(first_seen_at=payload.visited_at.astimezone(UTC), minus=copysign(1, payload.stars) < 0)


async def test_a_date_of_javascript_is_a_datetime_in_python_and_one_again_on_return(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    declared = job("visit", queue=theirs.name)(visit)
    worker = Worker(App([declared], no_services), broker, WorkerOptions(schedules=False))
    # What JSON.stringify(new Date(…)) writes.
    job_id = await theirs.add("visit", {"cafeId": "7", "visitedAt": "2026-03-29T01:30:00.250Z", "stars": -0.5})
    await worker.run(until_drained=True)
    returned = (await theirs.get(job_id)).returnvalue
    assert returned == {"firstSeenAt": "2026-03-29T01:30:00.250000Z", "minus": True}
    assert datetime.fromisoformat(returned["firstSeenAt"]) == datetime(2026, 3, 29, 1, 30, 0, 250_000, UTC)


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"cafe_Id": "7"}, ["cafeId", "visitedAt", "stars", "cafe_Id"]),
        ({"cafeId": 7, "visitedAt": "2026-03-29T01:30:00Z", "stars": 1}, ["cafeId"]),
        ({"cafeId": "7", "visitedAt": "yesterday", "stars": 1}, ["visitedAt"]),
        (None, []),
        ([], []),
        ("text", []),
    ],
    ids=str,
)
async def test_a_payload_of_node_that_does_not_fit_fails_once_and_names_its_fields(
    data: Any, fields: list[str], theirs: NodeQueue, broker: BullMQBroker
) -> None:
    declared = job("visit", queue=theirs.name)(visit)
    worker = Worker(App([declared], no_services), broker, WorkerOptions(schedules=False))
    job_id = await theirs.add_raw("visit", data, {"attempts": 3})
    await worker.run(until_drained=True)
    failed = await theirs.get(job_id)
    assert (failed.state, failed.attemptsMade) == ("failed", 1)
    assert failed.failedReason is not None
    assert failed.failedReason.startswith("Payload of 'visit' does not fit:")
    assert all(f"{field}: " in failed.failedReason for field in fields)


async def test_a_job_of_node_by_a_name_that_nobody_declared_fails_once_and_says_which_was_meant(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    declared = job("visit", queue=theirs.name)(visit)
    worker = Worker(App([declared], no_services), broker, WorkerOptions(schedules=False))
    job_id = await theirs.add("vist", {}, attempts=3)
    await worker.run(until_drained=True)
    failed = await theirs.get(job_id)
    assert (failed.state, failed.attemptsMade) == ("failed", 1)
    assert failed.failedReason is not None
    assert "Did you mean 'visit'?" in failed.failedReason


async def test_what_python_writes_lies_in_redis_as_node_would_write_it(
    theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    """The names and types of all fields of a job's hash, so that nothing is there that Node does not know."""
    node_s = await theirs.add_raw("any", {"ä": [None, 1.5]}, {"priority": 3, "attempts": 2})
    [answer] = await broker.add([NewJob(theirs.name, "any", dumps({"ä": [None, 1.5]}))])
    assert isinstance(answer, Created)
    by_node, by_python = await stored.fields(node_s), await stored.fields(answer.job_id)
    assert by_python.keys() == by_node.keys()
    assert by_python["data"] == by_node["data"]
