"""P28, P29: the generated client over both BullMQs, and Python on the other side of Redis."""

import contextlib
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from barback import App, Context, Payload, Worker, WorkerOptions, job, no_services
from barback.answers import Answer, Created
from barback.broker import Completed, JobRecord, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.control.overview import Overviews
from barback.payload import parse_payload
from barback.payload_schema import schema_hash
from barback.producer import Producer, new_job

from ..pair import eventually
from ..process import NodeError
from .conftest import Client, Version
from .samples import ID, LEASE, NESTED, SCALARS, THREAD, fetch
from .torture import Keyed, Long, Rough, SendReceipt, Told, send_receipt

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
        ({"few": {"a": 1, "b": 2, "c": 3}}, "few: expected 0 to 2 entries"),
        ({"on": {"date": "2026-02-30"}}, "on.date: Invalid ISO date"),
        ({"on": {"date": "2026-02-03", "at": 1}}, "on: Unrecognized key: "),
        ({"anything": [{"__proto__": 1}]}, "anything[0].__proto__: an entry of this name would be lost on the way"),
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


async def test_a_date_becomes_the_text_of_its_moment_and_one_that_is_none_is_refused(client: Client) -> None:
    """P28."""
    moment = "2026-01-31T10:00:00.500Z"
    assert await client.call("check", job="scalars", payload={**SCALARS, "moment": {"$date": moment}}) == {
        **SCALARS,
        "moment": moment,
    }
    with pytest.raises(NodeError, match="moment: "):
        await client.call("check", job="scalars", payload={**SCALARS, "moment": {"$date": "never"}})


# ── external ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_python_enqueues_is_worked_in_typescript_and_a_wrong_payload_fails_once(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    enqueue = Producer(broker)
    await client.call("work", jobs={"sendReceipt": "sendReceipt"}, prefix=client.prefix)
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
    assert records[1].failed_reason.startswith(
        "Payload of 'send-receipt' does not fit: orderId: Invalid GUID. Who enqueued "
    )
    assert records[1].failed_reason.endswith(f"this worker {schema_hash(SendReceipt)}.")
    assert records[2].failed_reason == "No job named 'send-letter' is handled here. Known: send-receipt, send-bill."
    assert [record.attempts_made for record in records] == [1, 1, 1, 1, 1]


async def test_a_handler_is_given_the_token_of_its_lock_and_the_signal_that_cancels_it(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    await client.call("work", jobs={"sendReceipt": "untilCancelled"}, prefix=client.prefix)
    answer = await Producer(broker)(send_receipt, SendReceipt(order_id=UUID(ID)))
    assert isinstance(answer, Created)

    async def waits() -> bool:
        record = await broker.get("in-typescript", answer.job_id)
        return record is not None and record.progress == '"waits"'

    await eventually(waits)
    await client.call("cancel", id=answer.job_id, reason="too late")
    assert (await ended(broker, answer)).result == '{"mailId":"too late, true"}'


async def test_a_worker_has_one_queue(client: Client) -> None:
    for queues, said in (([], "none"), (["a", "b"], "a, b")):
        with pytest.raises(NodeError, match=rf"^TypeError: A worker has one queue; these handlers have {said}\.$"):
            await client.call("workQueues", queues=queues, prefix=client.prefix)


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
        "recount",
        "rough",
        "scalars",
        "send-receipt",
        "told",
        "words",
    ]
    assert await client.call("version") == {6: "6.7.0", 5: "5.81.5"}[version]
