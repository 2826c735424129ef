"""Options mean the same on both sides: written by one, read by the other, in BullMQ's own encoding."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from barback.answers import Created, Swallowed
from barback.broker import Completed, Failed, Lease, NewFlow, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.options import Deduplication, JobOptions, Retention
from barback.retry import Custom, Exponential, Fixed

from .process import NodeError
from .side import NodeQueue
from .stored import Stored

LEASE = Lease("python", lock_s=30)
UNSAID: dict[str, Any] = {
    "attempts": 1,
    "delay": 0,
    "removeOnComplete": {"count": 1_000, "age": 86_400},
    "removeOnFail": {"count": 10_000, "age": 1_209_600},
    "keepLogs": 1_000,
    "stackTraceLimit": 10,
}
"""What Node reads of a job whose options nobody set in Python."""

SAME: dict[str, tuple[JobOptions, dict[str, Any]]] = {
    "priority": (JobOptions(priority=3), {"priority": 3}),
    "the last priority": (JobOptions(priority=2_097_151), {"priority": 2_097_151}),
    "delay": (JobOptions(delay_s=3600.5), {"delay": 3_600_500}),
    "delay and priority": (JobOptions(delay_s=3600, priority=7), {"delay": 3_600_000, "priority": 7}),
    "attempts": (JobOptions(attempts=5), {"attempts": 5}),
    "lifo": (JobOptions(lifo=True), {"lifo": True}),
    "job id": (JobOptions(job_id="café-7 🚲"), {"jobId": "café-7 🚲"}),
    "fixed backoff": (JobOptions(backoff=Fixed(1.5)), {"backoff": {"type": "fixed", "delay": 1500}}),
    "exponential backoff": (
        JobOptions(backoff=Exponential(0.25, inf)),
        {"backoff": {"type": "exponential", "delay": 250}},
    ),
    "jitter": (
        JobOptions(backoff=Exponential(2, inf, jitter=0.5)),
        {"backoff": {"type": "exponential", "delay": 2000, "jitter": 0.5}},
    ),
    "simple deduplication": (JobOptions(deduplicate=Deduplication.simple("ä")), {"deduplication": {"id": "ä"}}),
    "throttle": (
        JobOptions(deduplicate=Deduplication.throttle("x", 60)),
        {"deduplication": {"id": "x", "ttl": 60_000}},
    ),
    "debounce": (
        JobOptions(delay_s=60, deduplicate=Deduplication.debounce("x", 60)),
        {"delay": 60_000, "deduplication": {"id": "x", "ttl": 60_000, "extend": True, "replace": True}},
    ),
    "a throttle that each add renews": (
        JobOptions(deduplicate=Deduplication("x", ttl_s=60, extend=True)),
        {"deduplication": {"id": "x", "ttl": 60_000, "extend": True}},
    ),
    "a delayed job replaced once": (
        JobOptions(delay_s=60, deduplicate=Deduplication("x", ttl_s=60, replace=True)),
        {"delay": 60_000, "deduplication": {"id": "x", "ttl": 60_000, "replace": True}},
    ),
    "keep last if active": (
        JobOptions(deduplicate=Deduplication.keep_last("x")),
        {"deduplication": {"id": "x", "keepLastIfActive": True}},
    ),
    "keep no completed": (JobOptions(keep_completed=Retention(count=0)), {"removeOnComplete": True}),
    "keep every completed": (JobOptions(keep_completed=Retention()), {"removeOnComplete": False}),
    "keep completed by count": (JobOptions(keep_completed=Retention(count=7)), {"removeOnComplete": {"count": 7}}),
    "keep completed by age": (JobOptions(keep_completed=Retention(age_s=60)), {"removeOnComplete": {"age": 60}}),
    "keep failed by both": (
        JobOptions(keep_failed=Retention(count=7, age_s=60)),
        {"removeOnFail": {"count": 7, "age": 60}},
    ),
    "keep no failed": (JobOptions(keep_failed=Retention(count=0)), {"removeOnFail": True}),
    "logs": (JobOptions(keep_logs=3), {"keepLogs": 3}),
    "stack traces": (JobOptions(keep_stacktraces=2), {"stackTraceLimit": 2}),
    "no stack traces": (JobOptions(keep_stacktraces=0), {"stackTraceLimit": 0}),
    "fail the parent": (JobOptions(on_failure="fail-parent"), {"failParentOnFailure": True}),
    "continue the parent": (JobOptions(on_failure="continue-parent"), {"continueParentOnFailure": True}),
    "ignore its failure": (JobOptions(on_failure="ignore"), {"ignoreDependencyOnFailure": True}),
    "remove the dependency": (JobOptions(on_failure="remove"), {"removeDependencyOnFailure": True}),
}
both = pytest.mark.parametrize(("ours", "opts"), list(SAME.values()), ids=list(SAME))


async def read_at_once(broker: BullMQBroker, queue: str, job_id: str) -> JobOptions:
    """A job's options as `get` and, if it can be fetched, `exchange` read them."""
    record = await broker.get(queue, job_id)
    assert record is not None
    for job in (await broker.exchange(queue, [], 1, LEASE)).jobs:
        assert job.options == record.options
    return record.options


@both
async def test_node_reads_the_options_that_python_wrote(
    ours: JobOptions, opts: dict[str, Any], theirs: NodeQueue, broker: BullMQBroker
) -> None:
    [answer] = await broker.add([NewJob(theirs.name, "any", "{}", ours)])
    assert isinstance(answer, Created)
    job = await theirs.get(answer.job_id)
    assert job.opts == UNSAID | opts
    assert job.priority == ours.priority
    assert job.delay == round(ours.delay_s * 1000)
    assert job.deduplicationId == (ours.deduplicate.id if ours.deduplicate else None)


@both
async def test_python_reads_the_options_that_node_wrote(
    ours: JobOptions, opts: dict[str, Any], theirs: NodeQueue, broker: BullMQBroker
) -> None:
    job_id = await theirs.add("any", {}, **opts)
    assert await read_at_once(broker, theirs.name, job_id) == replace(ours, job_id=None)
    record = await broker.get(theirs.name, job_id)
    assert record is not None
    assert record.deduplication_id == (ours.deduplicate.id if ours.deduplicate else None)


@both
async def test_both_write_an_option_in_the_same_words(
    ours: JobOptions, opts: dict[str, Any], theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    # The second with a queue of its own, or it would be swallowed by the first.
    elsewhere = f"{theirs.name}-python"
    [answer] = await broker.add([NewJob(elsewhere, "any", "{}", ours)])
    assert isinstance(answer, Created)
    # Node writes attempts 0 where nobody said how many, and reads it as 1.
    written = await stored.opts(await theirs.add("any", {}, **{"attempts": 1} | opts))
    written_by_python = await Stored(stored.client, elsewhere).opts(answer.job_id)
    assert written == {name: written_by_python[name] for name in written}


@pytest.mark.parametrize(
    ("opts", "ours"),
    [
        ({"removeOnComplete": 5}, JobOptions(keep_completed=Retention(count=5))),
        ({"removeOnFail": 0}, JobOptions(keep_failed=Retention(count=0))),
        ({"removeOnFail": -1}, JobOptions(keep_failed=Retention())),
        (
            {"removeOnComplete": {"age": 60, "limit": 10}},
            JobOptions(keep_completed=Retention(age_s=60, remove_at_most=10)),
        ),
        ({"backoff": 1500}, JobOptions(backoff=Fixed(1.5))),
        ({"attempts": 0}, JobOptions()),
        ({"sizeLimit": 1000}, JobOptions()),
        ({"timestamp": 1_600_000_000_000}, JobOptions()),
    ],
    ids=str,
)
async def test_python_reads_the_shorter_forms_that_only_node_writes(
    opts: dict[str, Any], ours: JobOptions, theirs: NodeQueue, broker: BullMQBroker
) -> None:
    assert await read_at_once(broker, theirs.name, await theirs.add("any", {}, **opts)) == ours


async def test_python_reads_when_node_says_a_job_was_added(theirs: NodeQueue, broker: BullMQBroker) -> None:
    job_id = await theirs.add("any", {}, timestamp=1_600_000_000_123)
    record = await broker.get(theirs.name, job_id)
    assert record is not None
    assert record.added_at == 1_600_000_000.123
    assert (await theirs.get(job_id)).timestamp == 1_600_000_000_123


async def test_a_longest_wait_is_python_s_own_and_does_not_trouble_node(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    options = JobOptions(attempts=2, backoff=Exponential(0.001, longest_s=3600))
    [answer] = await broker.add([NewJob(theirs.name, "flaky", '{"failures": 1}', options)])
    assert isinstance(answer, Created)
    await theirs.start_worker()
    assert await theirs.wait_until_finished(answer.job_id) == "done"


async def test_a_custom_backoff_reaches_node_by_its_name(theirs: NodeQueue, broker: BullMQBroker) -> None:
    options = JobOptions(attempts=2, backoff=Custom(lambda attempt, error: 1.0))
    [answer] = await broker.add([NewJob(theirs.name, "any", "{}", options)])
    assert isinstance(answer, Created)
    assert (await theirs.get(answer.job_id)).opts["backoff"] == {"type": "custom"}


async def test_node_refuses_a_payload_over_its_size_limit_and_none_is_stored(theirs: NodeQueue, stored: Stored) -> None:
    with pytest.raises(NodeError, match="exceeds the limit 50 bytes"):
        await theirs.add("any", {"text": "x" * 100}, sizeLimit=50)
    assert await stored.hashes() == set()


# ── deduplication across the two ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["simple", "throttle", "keep_last"])
async def test_an_add_of_python_is_swallowed_by_a_job_of_node(
    kind: str, theirs: NodeQueue, broker: BullMQBroker
) -> None:
    ours = {
        "simple": Deduplication.simple("x"),
        "throttle": Deduplication.throttle("x", 60),
        "keep_last": Deduplication.keep_last("x"),
    }[kind]
    opts = {
        "simple": {"id": "x"},
        "throttle": {"id": "x", "ttl": 60_000},
        "keep_last": {"id": "x", "keepLastIfActive": True},
    }[kind]
    first = await theirs.add("any", {}, deduplication=opts)
    [answer] = await broker.add([NewJob(theirs.name, "any", "{}", JobOptions(deduplicate=ours))])
    assert answer == Swallowed(first, "waiting")
    assert await theirs.add("any", {}, deduplication=opts) == first


async def test_a_newer_add_of_the_other_side_replaces_a_debounced_job(
    theirs: NodeQueue, broker: BullMQBroker, stored: Stored
) -> None:
    opts = {"delay": 60_000, "deduplication": {"id": "x", "ttl": 60_000, "extend": True, "replace": True}}
    ours = JobOptions(delay_s=60, deduplicate=Deduplication.debounce("x", 60))
    first = await theirs.add("any", {"from": "node"}, **opts)
    [second] = await broker.add([NewJob(theirs.name, "any", '{"from":"python"}', ours)])
    assert isinstance(second, Created)
    assert await stored.places() == {second.job_id: ["delayed"]}
    third = await theirs.add("any", {"from": "node"}, **opts)
    assert await stored.places() == {third: ["delayed"]}
    assert first != third


async def test_the_last_add_of_node_while_python_works_runs_after_it(theirs: NodeQueue, broker: BullMQBroker) -> None:
    opts = {"deduplication": {"id": "x", "keepLastIfActive": True}}
    await broker.add([NewJob(theirs.name, "any", "1", JobOptions(deduplicate=Deduplication.keep_last("x")))])
    [running] = (await broker.exchange(theirs.name, [], 1, LEASE)).jobs
    await theirs.add_raw("any", 2, opts)
    await theirs.add_raw("any", 3, opts)
    settled = await broker.exchange(theirs.name, [Settlement(running, Completed())], 5, LEASE)
    assert [job.data for job in settled.jobs] == ["3"]


async def test_the_last_add_of_python_while_node_works_runs_after_it(theirs: NodeQueue, broker: BullMQBroker) -> None:
    ours = JobOptions(deduplicate=Deduplication.keep_last("x"))
    await theirs.add_raw("any", 1, {"deduplication": {"id": "x", "keepLastIfActive": True}})
    running = await theirs.take()
    assert running
    [first, last] = await broker.add([NewJob(theirs.name, "any", text, ours) for text in ("2", "3")])
    assert first == last == Swallowed(running, "active")
    await theirs.finish(running)
    following = await theirs.take()
    assert following
    assert (await theirs.get(following)).data == 3


# ── flows ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_node_works_a_flow_of_python_children_first(theirs: NodeQueue, broker: BullMQBroker) -> None:
    children = [NewFlow(NewJob(theirs.name, "any", str(number))) for number in (1, 2)]
    added = await broker.add_flow(NewFlow(NewJob(theirs.name, "children", "{}"), children))
    assert isinstance(added.answer, Created)
    assert await broker.state(theirs.name, added.answer.job_id) == "waiting-children"
    await theirs.start_worker()
    results = await theirs.wait_until_finished(added.answer.job_id)
    assert sorted(results.values()) == [1, 2]
    assert {key.rpartition(":")[2] for key in results} == {
        child.answer.job_id for child in added.children if isinstance(child.answer, Created)
    }


async def test_python_works_a_flow_of_node_children_first(theirs: NodeQueue, broker: BullMQBroker) -> None:
    added = await theirs.add_flow(
        {
            "name": "parent",
            "queueName": theirs.name,
            "children": [{"name": "child", "queueName": theirs.name, "data": number} for number in (1, 2)],
        }
    )
    children = (await broker.exchange(theirs.name, [], 5, LEASE)).jobs
    assert {job.id for job in children} == {child["id"] for child in added["children"]}
    settlements = [Settlement(job, Completed(job.data)) for job in children]
    [parent] = (await broker.exchange(theirs.name, settlements, 5, LEASE)).jobs
    assert parent.id == added["id"]
    results = await broker.children_results(theirs.name, parent.id)
    assert results == {f"{theirs.name}:{job.id}": job.data for job in children}


@pytest.mark.parametrize(
    ("option", "state"),
    [
        ("failParentOnFailure", "failed"),
        ("continueParentOnFailure", "waiting"),
        ("ignoreDependencyOnFailure", "waiting"),
        ("removeDependencyOnFailure", "waiting"),
        (None, "waiting-children"),
    ],
    ids=str,
)
async def test_what_a_failed_child_does_to_its_parent_is_the_same_on_both_sides(
    option: str | None, state: str, theirs: NodeQueue, broker: BullMQBroker
) -> None:
    child = {"name": "child", "queueName": theirs.name, "opts": {option: True} if option else {}}
    flow = {"name": "parent", "queueName": theirs.name, "children": [child]}
    by_python, by_node = await theirs.add_flow(flow), await theirs.add_flow(flow)
    [ours] = (await broker.exchange(theirs.name, [], 1, LEASE)).jobs
    assert ours.id == by_python["children"][0]["id"]
    node_s = await theirs.take()
    assert node_s is not None
    assert node_s == by_node["children"][0]["id"]
    await broker.exchange(theirs.name, [Settlement(ours, Failed("on purpose"))], 0, LEASE)
    await theirs.finish(node_s, error="on purpose")
    if state == "failed":
        # By the worker that fetches it.
        parents = (await broker.exchange(theirs.name, [], 5, LEASE)).jobs
        settlements = [Settlement(parent, Failed(str(parent.deferred_failure))) for parent in parents]
        assert len(settlements) == 2
        await broker.exchange(theirs.name, settlements, 0, LEASE)
    for flow_ids in (by_python, by_node):
        assert (await theirs.get(flow_ids["id"])).state == state
