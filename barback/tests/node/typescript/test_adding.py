"""P28, P29: what the generated client puts into Redis, over both BullMQs, and what it refuses to."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from barback.answers import Swallowed
from barback.broker import Completed, Settlement
from barback.bullmq import BullMQBroker
from barback.options import RESERVED_JOB_IDS
from barback.payload_schema import schema_hash
from barback.producer import Producer, new_job

from ..pair import eventually
from ..process import NodeError
from .conftest import Client
from .samples import ID, LEASE, NESTED, SCALARS, fetch, fetch_any
from .torture import Keyed, Nested, Recount, Scalars, Told, keyed, nested, recount, scalars, told

TOLD: dict[str, Any] = {"job": "told", "payload": {"email": "a"}}


async def added(broker: BullMQBroker) -> int:
    """How many jobs the queue has, in whichever state."""
    return sum((await broker.counts("torture")).values())


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
    ids = [await client.enqueue("scalars", SCALARS), await client.enqueue("scalars", SCALARS, attempts=9, jobId="mine")]
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


async def test_of_a_flow_each_job_can_be_followed(client: Client, broker: BullMQBroker) -> None:
    """P28."""
    children = [{"job": "nested", "payload": NESTED, "options": {"jobId": job_id}} for job_id in ("first", "second")]
    root = {"job": "scalars", "payload": SCALARS, "options": {"jobId": "root"}, "children": children}
    assert await client.call("flowIds", root=root) == ["root", "first", "second"]
    result = asyncio.create_task(client.call("flowResult", root={**TOLD, "options": {"unique": None}}))
    running = [await eventually(lambda: fetch_any(broker)) for _ in range(3)]
    await broker.exchange("torture", [Settlement(one, Completed("[]")) for one in running], 0, LEASE)
    assert await result == []


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "one": ("enqueue", {"job": "keyed", "payload": {"year": "2026"}}),
    "many": ("enqueueMany", {"job": "keyed", "payloads": [{"year": 1}] * 1_000 + [{"year": "2026"}]}),
    "child": (
        "flow",
        {"root": {"job": "scalars", "payload": SCALARS, "children": [{"job": "nested", "payload": {}}]}},
    ),
    "parent": (
        "flow",
        {"root": {"job": "scalars", "payload": {}, "children": [{"job": "nested", "payload": NESTED}]}},
    ),
}


@pytest.mark.parametrize(("call", "arguments"), WRONG.values(), ids=WRONG.keys())
async def test_a_payload_that_does_not_fit_is_refused_before_anything_is_sent(
    call: str, arguments: Any, client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    with pytest.raises(NodeError, match=r"^InvalidPayload: Payload of '\w+' does not fit: "):
        await client.call(call, **arguments)
    assert await added(broker) == 0


# ── ids ─────────────────────────────────────────────────────────────────────────────────────────────────

UNUSABLE = [*sorted(RESERVED_JOB_IDS), "", "a\t", "x" * 513, "a:b"]


async def test_ids_that_would_break_the_queue_are_refused_as_in_python(client: Client, broker: BullMQBroker) -> None:
    """P28. Of numbers new jobs alone: BullMQ's own ids are such."""
    for job_id in [*UNUSABLE, "7", "-7"]:
        with pytest.raises(NodeError, match=r"^TypeError: Job id '.*' cannot be used: it "):
            await client.enqueue("scalars", SCALARS, jobId=job_id)
    for job_id in UNUSABLE:
        with pytest.raises(NodeError, match=r"^TypeError: Job id '.*' cannot be used: it "):
            await client.call("result", job="scalars", id=job_id)
    with pytest.raises(NodeError, match="Job id '7' cannot be used: it is no text"):
        await client.enqueue("scalars", SCALARS, jobId=7)
    assert await added(broker) == 0
    longest = "💥" * 512
    assert await client.enqueue("scalars", SCALARS, jobId=longest) == longest


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_option_that_is_given_as_undefined_is_the_declared_one(client: Client, broker: BullMQBroker) -> None:
    undefined = {"$undefined": True}
    names = ("attempts", "removeOnComplete", "removeOnFail", "deduplication", "unique")
    job_id = await client.enqueue("recount", {"city": "bonn"}, **dict.fromkeys(names, undefined))
    record = await broker.get("torture", job_id)
    assert record is not None
    declared = new_job(recount, Recount(city="bonn"), {}).options
    assert record.options == replace(declared, schema_hash=schema_hash(Recount))


async def test_a_job_whose_rule_is_declared_in_python_has_it_and_what_one_call_says_of_it(
    client: Client, broker: BullMQBroker
) -> None:
    """P4, P28. Debounced: it has the delay in which it can be replaced."""
    declared = replace(new_job(recount, Recount(city="bonn"), {}).options, schema_hash=schema_hash(Recount))
    said: dict[str, dict[str, Any]] = {"none": {"unique": None}, "another": {"unique": "other"}, "as it is": {}}
    ids = {name: await client.enqueue("recount", {"city": "bonn"}, **options) for name, options in said.items()}
    assert len(set(ids.values())) == 3
    records = {name: await broker.get("torture", job_id) for name, job_id in ids.items()}
    options = {name: record.options for name, record in records.items() if record is not None}
    assert declared.deduplicate is not None
    assert options == {
        "none": replace(declared, deduplicate=None, delay_s=0.0),
        "another": replace(declared, deduplicate=replace(declared.deduplicate, id="other")),
        "as it is": declared,
    }
    assert declared.delay_s == 60.0


async def test_a_rule_that_one_call_gives_is_laid_over_the_key_of_the_job(client: Client, broker: BullMQBroker) -> None:
    for job, payload in (("keyed", {}), ("told", {"email": "a"})):
        job_id = await client.enqueue(job, payload, unique="mine", deduplication={"id": f"{job} once", "ttl": 60_000})
        record = await broker.get("torture", job_id)
        assert record is not None
        assert (record.deduplication_id, record.options.deduplicate and record.options.deduplicate.ttl_s) == (
            f"{job} once",
            60.0,
        )


async def test_a_key_that_python_alone_can_tell_has_to_be_said_in_plain_javascript_too(
    client: Client, broker: BullMQBroker
) -> None:
    """P4, P28."""
    with pytest.raises(NodeError, match=r"^TypeError: What makes 'told' unique is code of Python's: say it"):
        await client.enqueue("told", {"email": "a"})
    with pytest.raises(NodeError, match="TypeError: What makes 'told' unique"):
        await client.call("enqueueMany", job="told", payloads=[{"email": "a"}] * 2, each=[{"unique": "a"}, {}])
    with pytest.raises(NodeError, match="TypeError: What makes 'told' unique"):
        await client.call("flow", root=TOLD)
    assert await added(broker) == 0


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_many_are_sent_in_chunks_as_python_sends_them(client: Client) -> None:
    """P28. A thousand, or 4 MiB of payloads."""
    large = {"city": "x" * 3 * 1024 * 1024}
    for payloads, sizes in (
        ([{"city": "bonn"}] * 2_001, [1_000, 1_000, 1]),
        ([large] * 3, [2, 1]),
        ([], []),
    ):
        assert await client.call("chunks", job="recount", payloads=payloads) == sizes


async def test_of_many_those_before_a_chunk_that_bullmq_refuses_are_enqueued(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    each: list[dict[str, Any]] = [{"unique": None}] * 1_001 + [{"unique": None, "priority": 2**21}]
    payloads = [{"email": str(number)} for number in range(len(each))]
    with pytest.raises(NodeError, match="Priority should be between 0 and 2097151"):
        await client.call("enqueueMany", job="told", payloads=payloads, each=each)
    assert await added(broker) == 1_000
