"""P28, P29: the generated client over both BullMQs, and Python on the other side of Redis."""

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from barback import App, Context, Payload, Worker, WorkerOptions, job, no_services
from barback.answers import Answer, Created, Swallowed
from barback.broker import Completed, FetchedJob, JobRecord, Lease, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.control.overview import Overviews
from barback.payload import parse_payload
from barback.payload_schema import schema_hash
from barback.producer import Producer, new_job

from ..pair import eventually
from ..process import NodeError
from .conftest import Client, Version
from .torture import Keyed, Long, Nested, Rough, Scalars, SendReceipt, Told, keyed, nested, scalars, send_receipt, told

LEASE = Lease("python", lock_s=60.0)
ID = "9b2c1e0e-0000-4000-8000-00000000000a"
THREAD = {"text": "a", "replies": [{"text": "b"}]}
NESTED: dict[str, Any] = {
    "payment": {"kind": "cash", "given": "1.50"},
    "thread": THREAD,
    "threads": {"items": []},
    "numbers": {"items": [1]},
    "maybe": None,
    "either": None,
    "pair": [1, "a"],
    "byName": {},
    "byColour": {},
    "on": {"date": "2026-01-31"},
}


async def fetch(broker: BullMQBroker, queue: str = "torture") -> FetchedJob:
    [fetched] = (await broker.exchange(queue, [], 1, LEASE)).jobs
    return fetched


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"payment": {"kind": "card", "lastDigits": "12"}}, "payment.lastDigits: Invalid string: must match pattern"),
        ({"payment": {"kind": "split", "parts": [{"kind": "cash", "given": "x"}]}}, "payment.parts[0].given: "),
        (
            {"payment": {"kind": "cheque"}},
            "payment.kind: Invalid discriminator value. Expected 'cash' | 'card' | 'split'",
        ),
        ({"thread": {"text": "a", "replies": [{"text": ""}]}}, "thread.replies[0].text: expected 1 or more characters"),
        ({"thread": {"text": "💥" * 21}}, "thread.text: expected 20 or fewer characters"),
        ({"numbers": {"items": [2**53]}}, "numbers.items[0]: JavaScript rounds whole numbers beyond 2^53 - 1"),
        ({"numbers": {"items": [1.5]}}, "numbers.items[0]: expected a whole number"),
        ({"maybe": {"text": 1}}, "maybe.text: Invalid input: expected string, received number"),
        ({"either": True}, "either: Invalid input: expected number, received boolean, or: Invalid input: expected str"),
        ({"pair": [1]}, "pair: Too small"),
        ({"byName": {"a b": {}}}, "byName.a b.text: Invalid input: expected string"),
        ({"byColour": {"blue": 1}}, 'byColour: Unrecognized key: "blue"'),
        ({"on": {"date": "2026-02-30"}}, "on.date: Invalid ISO date"),
        ({"on": {"date": "2026-02-03", "at": 1}}, "on: Unrecognized key: "),
        ({"nobodyKnows": 1}, 'Unrecognized key: "nobodyKnows"'),
        ({"by_name": {}}, 'Unrecognized key: "by_name"'),
    ],
    ids=str,
)
async def test_a_payload_that_does_not_fit_is_refused_with_the_path_of_its_field(
    change: dict[str, Any], line: str, client: Client
) -> None:
    """P28."""
    with pytest.raises(NodeError) as refused:
        await client.call("check", job="nested", payload={**NESTED, **change})
    assert str(refused.value).startswith(f"InvalidPayload: Payload of 'nested' does not fit: {line}")


async def test_what_is_missing_is_named_and_of_many_which_one(client: Client) -> None:
    """P28."""
    without = {name: value for name, value in NESTED.items() if name != "byName"}
    with pytest.raises(NodeError, match=r"does not fit: \[1\]\.byName: Invalid input: expected record"):
        await client.call("enqueueMany", job="nested", payloads=[NESTED, without])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"byId": {"7": "x"}}, "byId.7: Invalid input: expected number, received string"),
        ({"bySlug": {"a": "x"}}, "bySlug.a: Invalid input: expected number, received string"),
        ({"bySlug": {"A": 1}}, "bySlug.A: Invalid key in record"),
    ],
    ids=str,
)
async def test_an_entry_is_checked_by_its_name_and_its_value(change: dict[str, Any], line: str, client: Client) -> None:
    """P28."""
    fitting = {"mapping": THREAD, "discriminator": "", "properties": NESTED["payment"], "byId": {}, "bySlug": {}}
    with pytest.raises(NodeError) as refused:
        await client.call("check", job="named", payload={**fitting, **change})
    assert str(refused.value).startswith(f"InvalidPayload: Payload of 'named' does not fit: {line}")


@pytest.mark.parametrize(
    ("job", "payload"),
    [
        ("named", {"slow": "a" * 50 + "!"}),
        ("nested", {**NESTED, "payment": {"kind": "cash", "given": "1" * 50_000 + "x"}}),
        ("nested", {**NESTED, "payment": {"kind": "card", "lastDigits": "1" * 1_000_000 + "x"}}),
    ],
    ids=["groups within groups", "a decimal", "a long text"],
)
async def test_no_text_keeps_a_check_busy(job: str, payload: dict[str, Any], client: Client) -> None:
    """P28. A pattern that JavaScript would try in a thousand ways is left to the worker."""
    started = time.monotonic()
    with contextlib.suppress(NodeError):
        await client.call("check", job=job, payload=payload)
    assert time.monotonic() - started < 1


async def test_what_python_takes_is_not_refused_nor_changed_because_javascript_counts_otherwise(client: Client) -> None:
    """P28."""
    payload = {
        "form": {"a": 1, "b": 2},
        "padded": "  abc  ",
        "flagged": "ABC",
        "raw": "éé",
        "few": [1, 2, 2],
        "naive": "2026-01-01T10:00:00",
        "aware": "2026-01-01T10:00:00Z",
    }
    assert await client.call("check", job="rough", payload=payload) == payload
    assert parse_payload(Rough, json.dumps(payload), "rough").form == Long(a=1, b=2)


async def test_a_text_that_fits_in_characters_fits_though_it_has_more_units(client: Client) -> None:
    payload = {**NESTED, "thread": {"text": "💥" * 20}}
    assert await client.call("check", job="nested", payload=payload) == payload


# ── enqueueing ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_job_of_the_client_lies_in_redis_with_the_options_that_python_gives_it(
    client: Client, broker: BullMQBroker
) -> None:
    """P28. The key that makes it unique, too, in any case of its letters."""
    payload = Keyed(city_id=UUID(ID))
    job_id = await client.enqueue("keyed", {"cityId": ID.upper()})
    record = await broker.get("torture", job_id)
    assert record is not None
    assert record.options == replace(new_job(keyed, payload, {}).options, schema_hash=schema_hash(Keyed))
    assert record.deduplication_id == f'keyed:["{ID}",2026,true]'


async def test_declared_options_are_taken_and_those_of_one_call_laid_over_them(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    scalar = {
        "flag": True, "whole": 1, "real": 1.5, "text": "", "id": ID, "day": "2026-01-01", "clock": "10:00",
        "moment": "2026-01-01T10:00:00Z", "span": "PT1S", "price": 1, "level": 1, "size": None,
    }  # fmt: skip
    ids = [await client.enqueue("scalars", scalar), await client.enqueue("scalars", scalar, attempts=9, jobId="mine")]
    records = [await broker.get("torture", job_id) for job_id in ids]
    assert ids[1] == "mine"
    declared = replace(scalars.options, schema_hash=schema_hash(Scalars))
    options = [record.options for record in records if record is not None]
    assert options == [declared, replace(declared, attempts=9)]


async def test_two_jobs_of_one_key_are_one_from_whichever_language(client: Client, broker: BullMQBroker) -> None:
    """P4, P28."""
    first = await client.enqueue("keyed", {"cityId": ID, "year": 2026})
    answer = await Producer(broker)(keyed, Keyed(city_id=UUID(ID)))
    assert (await client.enqueue("keyed", {"cityId": ID, "isOpen": True}), answer) == (
        first,
        Swallowed(first, "waiting"),
    )
    assert await client.enqueue("keyed", {"cityId": ID, "isOpen": False}) != first
    assert await client.enqueue("keyed", {}) != await client.enqueue("keyed", {}, unique=None)


async def test_a_key_that_python_alone_can_tell_is_the_one_that_the_caller_says(
    client: Client, broker: BullMQBroker
) -> None:
    """P4, P28."""
    first = await client.enqueue("told", {"email": "Ada@b.c"}, unique="ada@b.c")
    assert await Producer(broker)(told, Told(email="ADA@b.c")) == Swallowed(first, "waiting")


async def test_a_unique_job_cannot_have_an_id_too(client: Client) -> None:
    with pytest.raises(NodeError, match=r"TypeError: 'keyed' is unique .* cannot have a jobId too"):
        await client.enqueue("keyed", {}, jobId="mine")


async def test_many_are_enqueued_in_order_each_with_its_schema(client: Client, broker: BullMQBroker) -> None:
    """P28, P29."""
    ids = await client.call("enqueueMany", job="nested", payloads=[NESTED] * 3, options={"priority": 2})
    records = [await broker.get("torture", job_id) for job_id in ids]
    expected = replace(nested.options, priority=2, schema_hash=schema_hash(Nested))
    assert [record.options for record in records if record is not None] == [expected] * 3


async def test_a_flow_waits_for_its_children_and_each_has_its_schema(client: Client, broker: BullMQBroker) -> None:
    """P28, P29."""
    child = {"job": "nested", "payload": NESTED}
    root = await client.call(
        "flow", root={"job": "told", "payload": {"email": "a"}, "options": {"unique": None}, "children": [child]}
    )
    record, fetched = await broker.get("torture", root), await fetch(broker)
    assert record is not None
    assert (record.state, record.options.schema_hash) == ("waiting-children", schema_hash(Told))
    assert (fetched.is_child, fetched.options.schema_hash) == (True, schema_hash(Nested))


# ── results, progress ───────────────────────────────────────────────────────────────────────────────────


async def test_a_result_and_the_progress_until_it_come_back(client: Client, broker: BullMQBroker) -> None:
    """P28."""
    seen = asyncio.Event()

    @job("keyed", queue="torture")
    async def work(payload: Keyed, ctx: Context[None]) -> None:
        step = 0
        while not seen.is_set():
            step += 1
            await ctx.progress({"step": step})
            await asyncio.sleep(0.02)

    job_id = await client.enqueue("keyed", {})
    worker = Worker(App([work], no_services), broker, WorkerOptions(schedules=False))
    working = asyncio.create_task(worker.run(until_drained=True))
    # By looks alone, five seconds apart, it would take longer.
    told = await client.call("progress", job="keyed", id=job_id, most=4, timeout_s=9.0)
    assert [one["step"] for one in told] == sorted({one["step"] for one in told})
    result = asyncio.create_task(client.call("result", job="keyed", id=job_id, timeoutMs=10_000))
    seen.set()
    assert await result is None
    [last] = await client.call("progress", job="keyed", id=job_id)
    assert last["step"] >= told[-1]["step"]
    await working


async def test_a_job_that_fails_is_told_with_its_reason_and_what_is_gone_is_told_too(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""

    @job("keyed", queue="torture")
    async def work(payload: Keyed, ctx: Context[None]) -> None:
        raise ValueError("the till is empty")

    job_id = await client.enqueue("keyed", {})
    await Worker(App([work], no_services), broker, WorkerOptions(schedules=False)).run(until_drained=True)
    with pytest.raises(NodeError, match="the till is empty"):
        await client.call("result", job="keyed", id=job_id, timeoutMs=5_000)
    assert await client.call("progress", job="keyed", id=job_id) == []
    with pytest.raises(NodeError, match="There is no job gone in torture: nothing is kept of it"):
        await client.call("result", job="keyed", id="gone", timeoutMs=5_000)


# ── external ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_python_enqueues_is_worked_in_typescript_and_a_wrong_payload_fails_once(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    enqueue = Producer(broker)
    await client.call("work", jobs=["sendReceipt"], prefix=client.prefix)
    right = await enqueue(send_receipt, SendReceipt(order_id=UUID(ID)))
    [wrong] = await broker.add([NewJob("in-typescript", "send-receipt", '{"orderId":"1"}', send_receipt.options)])
    [unknown] = await broker.add([NewJob("in-typescript", "send-letter", "{}", send_receipt.options)])
    [former] = await broker.add([replace(new_job(send_receipt, SendReceipt(order_id=UUID(ID)), {}), name="send-bill")])
    # Enqueued by a Python that knew no other field yet.
    [older] = await broker.add([NewJob("in-typescript", "send-receipt", f'{{"orderId":"{ID}"}}', send_receipt.options)])
    records = [await ended(broker, answer) for answer in (right, wrong, unknown, former, older)]
    sent = f'{{"mailId":"mail-{ID} de"}}'
    assert [record.result for record in records] == [sent, None, None, sent, sent]
    assert records[0].progress == '{"lines":0}'
    assert records[1].failed_reason is not None
    assert records[1].failed_reason.startswith("Payload of 'send-receipt' does not fit: orderId: Invalid GUID")
    assert records[2].failed_reason == "No job named 'send-letter' is handled here. Known: send-receipt, send-bill."
    assert [record.attempts_made for record in records] == [1, 1, 1, 1, 1]


async def ended(broker: BullMQBroker, answer: Answer) -> JobRecord:
    assert isinstance(answer, Created)

    # Its state may be a moment newer than its fields.
    async def look() -> JobRecord | None:
        record = await broker.get("in-typescript", answer.job_id)
        return record if record is not None and record.finished_at is not None else None

    return await eventually(look)


# ── versions ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_job_of_an_older_client_is_worked_if_it_fits_and_fails_once_with_both_versions_if_not(
    client: Client, broker: BullMQBroker
) -> None:
    """P29."""

    class Newer(Payload, frozen=True):
        city_id: UUID | None = None
        year: int = 2026
        language: str = "de"

    worked: list[Newer] = []

    @job("keyed-by-city", queue="torture", attempts=3, former_names=("keyed",))
    async def work(payload: Newer, ctx: Context[None]) -> None:
        worked.append(payload)

    fits = await client.enqueue("keyed", {"cityId": ID})
    fits_not = await client.enqueue("keyed", {"isOpen": False}, attempts=3)
    worker = Worker(App([work], no_services), broker, WorkerOptions(schedules=False))
    await worker.run(until_drained=True)
    assert worked == [Newer(city_id=UUID(ID))]
    states = [await broker.state("torture", job_id) for job_id in (fits, fits_not)]
    assert states == ["completed", "failed"]
    record = await broker.get("torture", fits_not)
    assert record is not None
    assert record.attempts_made == 1
    assert record.failed_reason == (
        "Payload of 'keyed-by-city' does not fit: isOpen: Extra inputs are not permitted. "
        f"Its client has schema {schema_hash(Keyed)} of this payload, this worker {schema_hash(Newer)}: run "
        "`barback typescript` with the code that is deployed, and deploy who enqueues it"
    )


async def test_workers_count_the_jobs_of_clients_that_know_another_schema(client: Client, broker: BullMQBroker) -> None:
    """P29."""

    class Newer(Payload, frozen=True):
        city_id: UUID | None = None
        year: int | None = None
        is_open: bool = True

    @job("keyed", queue="torture")
    async def newer(payload: Newer, ctx: Context[None]) -> None: ...

    @job("told", queue="torture")
    async def same(payload: Told, ctx: Context[None]) -> None: ...

    for year in range(3):
        await client.enqueue("keyed", {"year": year})
    await client.enqueue("told", {"email": "a"}, unique=None)
    await Worker(App([newer, same], no_services), broker, WorkerOptions(schedules=False)).run(until_drained=True)
    overview = await Overviews(broker, lambda: answered(["torture"])).look("1h")
    assert overview.histories.whole.whole.other_schemas == {(schema_hash(Keyed), "keyed"): 3}
    [notice] = [notice for notice in overview.notices if notice.cause == "other-schema"]
    assert notice.sentence == (
        f"3 jobs 'keyed' of the last hour came from a TypeScript client that knows schema {schema_hash(Keyed)}; "
        f"workers know schema {schema_hash(Newer)}. Run `barback typescript`, and deploy who enqueues them."
    )


async def answered(queues: list[str]) -> list[str]:
    return queues


async def test_the_stamp_is_kept_by_node_when_it_reads_the_job_and_when_a_job_waits_for_a_unique_one(
    client: Client, broker: BullMQBroker
) -> None:
    """P29. It is an option of BullMQ's that no BullMQ knows."""
    stamp = {"barback:schema": schema_hash(Keyed)}
    first = await client.enqueue("keyed", {})
    running = await fetch(broker)
    await client.enqueue("keyed", {})
    await broker.exchange("torture", [Settlement(running, Completed())], 0, LEASE)
    kept = await fetch(broker)
    assert running.id == first != kept.id
    for job_id in (first, kept.id):
        assert (await client.call("opts", job="keyed", id=job_id)).items() >= stamp.items()
    assert [one.options.schema_hash for one in (running, kept)] == [schema_hash(Keyed)] * 2


async def test_names_are_told(client: Client, version: Version) -> None:
    assert await client.call("names") == [
        "keyed",
        "named",
        "nested",
        "rough",
        "scalars",
        "send-receipt",
        "told",
        "words",
    ]
    assert await client.call("version") == {6: "6.7.0", 5: "5.81.5"}[version]
