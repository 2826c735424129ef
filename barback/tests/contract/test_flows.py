"""Parents that wait for their children."""

import pytest

from barback.answers import Created, Swallowed
from barback.broker import AddedFlow, Completed, Failed, NewFlow, Outcome, Retry, Settled
from barback.errors import BrokerError
from barback.options import Deduplication, JobOptions, OnFailure, Retention

from .under_test import FAILED, KEEP_ALL, QueueUnderTest


def family(queue: QueueUnderTest, *children: JobOptions, parent: JobOptions | None = None) -> NewFlow:
    nodes = [NewFlow(queue.new(options, name=f"child {n}")) for n, options in enumerate(children)]
    return NewFlow(queue.new(parent, name="parent"), nodes)


def id_of(added: AddedFlow) -> str:
    assert isinstance(added.answer, Created), added.answer
    return added.answer.job_id


async def add(queue: QueueUnderTest, flow: NewFlow) -> tuple[str, list[str]]:
    """The id of the parent and those of its children."""
    added = await queue.broker.add_flow(flow)
    return id_of(added), [id_of(child) for child in added.children]


async def settle_child(queue: QueueUnderTest, job_id: str, outcome: Outcome) -> None:
    job = await queue.fetch_one()
    assert job.id == job_id
    assert await queue.settle(job, outcome) is Settled.WRITTEN


async def test_a_parent_runs_once_all_its_children_have_completed(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(), JobOptions()))
    assert await queue.counts() == {"waiting": 2, "waiting-children": 1}
    assert await queue.ids("waiting-children") == [parent]
    assert await queue.ids("waiting") == children
    await settle_child(queue, children[0], Completed('"a"'))
    assert await queue.state(parent) == "waiting-children"
    await settle_child(queue, children[1], Completed('"b"'))
    job = await queue.fetch_one()
    assert (job.id, job.name, job.deferred_failure) == (parent, "parent", None)
    results = {f"{queue.name}:{children[0]}": '"a"', f"{queue.name}:{children[1]}": '"b"'}
    assert await queue.broker.children_results(queue.name, parent) == results
    assert await queue.settle(job, Completed()) is Settled.WRITTEN


async def test_a_child_knows_its_parent(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions()))
    assert (await queue.get(child)).parent == f"{queue.name}:{parent}"
    assert (await queue.get(parent)).parent is None


async def test_a_job_without_children_has_no_results(queue: QueueUnderTest) -> None:
    assert await queue.broker.children_results(queue.name, await queue.create()) == {}
    assert await queue.broker.children_results(queue.name, "gone") == {}


async def test_a_flow_of_one_is_a_job_like_others(queue: QueueUnderTest) -> None:
    added = await queue.broker.add_flow(NewFlow(queue.new(JobOptions(priority=3))))
    assert (added.children, await queue.state(id_of(added))) == ([], "prioritized")


async def test_children_may_be_of_other_queues_and_have_children(queue: QueueUnderTest) -> None:
    other = QueueUnderTest(queue.broker, f"{queue.name}-other")
    grandchild = NewFlow(other.new(name="grandchild"))
    flow = NewFlow(queue.new(name="root"), [NewFlow(queue.new(name="child"), [grandchild]), NewFlow(other.new())])
    added = await queue.broker.add_flow(flow)
    assert await queue.counts() == {"waiting-children": 2}
    assert await other.counts() == {"waiting": 2}
    assert await other.run_order() == [id_of(added.children[0].children[0]), id_of(added.children[1])]
    assert await queue.run_order() == [id_of(added.children[0]), id_of(added)]
    results = await queue.broker.children_results(queue.name, id_of(added))
    assert set(results) == {f"{queue.name}:{id_of(added.children[0])}", f"{other.name}:{id_of(added.children[1])}"}


async def test_a_child_that_is_retried_does_not_release_its_parent(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions(attempts=2)))
    await settle_child(queue, child, Retry(0, "again"))
    assert await queue.state(parent) == "waiting-children"
    await settle_child(queue, child, Completed())
    assert await queue.state(parent) == "waiting"


async def test_a_released_parent_is_the_next_to_run(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions()))
    behind = await queue.create()
    await settle_child(queue, child, Completed())
    assert await queue.ids("waiting") == [parent, behind]


async def test_a_released_parent_waits_by_its_priority(queue: QueueUnderTest) -> None:
    """P17."""
    before = await queue.create(JobOptions(priority=4))
    parent, [child] = await add(queue, family(queue, JobOptions(), parent=JobOptions(priority=4)))
    await settle_child(queue, child, Completed())
    assert await queue.ids("prioritized") == [before, parent]


async def test_a_released_parent_is_delayed_by_its_delay(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions(), parent=JobOptions(delay_s=0.05)))
    await settle_child(queue, child, Completed())
    assert await queue.state(parent) == "delayed"
    [job] = await queue.eventually(queue.fetch)
    assert job.id == parent


@pytest.mark.parametrize("retention", [KEEP_ALL, Retention(count=0)])
async def test_a_child_that_fails_leaves_its_parent_waiting_if_nothing_was_said(
    queue: QueueUnderTest, retention: Retention
) -> None:
    parent, [child, _] = await add(queue, family(queue, JobOptions(keep_failed=retention), JobOptions()))
    await settle_child(queue, child, FAILED)
    assert await queue.state(parent) == "waiting-children"


async def test_a_parent_waits_no_more_for_a_failed_child_that_is_not_kept(queue: QueueUnderTest) -> None:
    """BullMQ's rule: a child that is removed is not waited for."""
    parent, [child] = await add(queue, family(queue, JobOptions(keep_failed=Retention(count=0))))
    await settle_child(queue, child, FAILED)
    assert (await queue.state(child), await queue.state(parent)) == ("unknown", "waiting")


@pytest.mark.parametrize("rule", ["ignore", "remove"])
async def test_a_failure_that_does_not_matter_counts_as_an_end(queue: QueueUnderTest, rule: OnFailure) -> None:
    parent, children = await add(queue, family(queue, JobOptions(on_failure=rule), JobOptions()))
    await settle_child(queue, children[0], FAILED)
    assert await queue.state(parent) == "waiting-children"
    await settle_child(queue, children[1], Completed('"b"'))
    assert await queue.broker.children_results(queue.name, parent) == {f"{queue.name}:{children[1]}": '"b"'}
    job = await queue.fetch_one()
    assert (job.id, job.deferred_failure) == (parent, None)
    assert await queue.settle(job, Completed()) is Settled.WRITTEN


async def test_a_parent_that_continues_runs_at_the_first_failure(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(on_failure="continue-parent"), JobOptions()))
    await settle_child(queue, children[0], FAILED)
    assert await queue.ids("waiting") == [parent, children[1]]
    assert (await queue.fetch_one()).deferred_failure is None


async def test_a_parent_cannot_complete_before_its_children_have_ended(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(on_failure="continue-parent"), JobOptions()))
    await settle_child(queue, children[0], FAILED)
    job = await queue.fetch_one()
    assert await queue.settle(job, Completed()) is Settled.CHILDREN
    assert await queue.state(parent) == "active"
    assert await queue.settle(job, Failed("a child is pending")) is Settled.WRITTEN


async def test_a_parent_that_shall_fail_with_its_child_carries_the_failure(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(on_failure="fail-parent"), JobOptions()))
    await settle_child(queue, children[0], FAILED)
    assert await queue.ids("waiting") == [parent, children[1]]
    job = await queue.fetch_one()
    assert job.deferred_failure is not None
    assert f"{queue.name}:{children[0]}" in job.deferred_failure
    assert await queue.settle(job, Completed()) is Settled.CHILDREN
    assert await queue.settle(job, Failed(job.deferred_failure)) is Settled.WRITTEN
    assert (await queue.get(parent)).failed_reason == job.deferred_failure


async def test_failures_climb_from_child_to_parent_to_grandparent(queue: QueueUnderTest) -> None:
    fatal = JobOptions(on_failure="fail-parent")
    middle = NewFlow(queue.new(fatal), [NewFlow(queue.new(fatal))])
    added = await queue.broker.add_flow(NewFlow(queue.new(), [middle]))
    await queue.work_one(FAILED)
    parent = await queue.work_one(FAILED)
    grandparent = await queue.fetch_one()
    assert (parent.id, grandparent.id) == (id_of(added.children[0]), id_of(added))
    assert grandparent.deferred_failure is not None
    assert parent.id in grandparent.deferred_failure


async def test_a_delayed_parent_fails_with_its_child_at_once(queue: QueueUnderTest) -> None:
    options = [JobOptions(on_failure="continue-parent"), JobOptions(on_failure="fail-parent")]
    parent, children = await add(queue, family(queue, *options, parent=JobOptions(delay_s=60)))
    await settle_child(queue, children[0], FAILED)
    assert await queue.state(parent) == "delayed"
    await settle_child(queue, children[1], FAILED)
    job = await queue.fetch_one()
    assert (job.id, job.deferred_failure is None) == (parent, False)


async def test_results_of_children_that_are_not_kept_can_be_read(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions(keep_completed=Retention(count=0))))
    await settle_child(queue, child, Completed('"a"'))
    assert await queue.state(child) == "unknown"
    assert await queue.broker.children_results(queue.name, parent) == {f"{queue.name}:{child}": '"a"'}


async def test_removing_the_last_child_waited_for_releases_the_parent(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(), JobOptions(), parent=JobOptions(priority=9)))
    await queue.broker.remove(queue.name, children[0])
    assert await queue.state(parent) == "waiting-children"
    await queue.broker.remove(queue.name, children[1])
    assert await queue.ids("waiting") == [parent]


async def test_removing_a_parent_removes_its_children_ended_and_pending(queue: QueueUnderTest) -> None:
    rules: list[OnFailure | None] = [None, "ignore", "fail-parent", None]
    parent, children = await add(queue, family(queue, *(JobOptions(on_failure=rule) for rule in rules)))
    await settle_child(queue, children[0], Completed())
    await settle_child(queue, children[1], FAILED)
    await settle_child(queue, children[2], FAILED)
    assert await queue.broker.remove(queue.name, parent)
    assert await queue.counts() == {}
    assert [await queue.broker.get(queue.name, job_id) for job_id in [parent, *children]] == [None] * 5


async def test_a_parent_is_not_removed_while_a_child_runs(queue: QueueUnderTest) -> None:
    parent, _ = await add(queue, family(queue, JobOptions()))
    await queue.fetch_one()
    with pytest.raises(BrokerError, match="is being worked"):
        await queue.broker.remove(queue.name, parent)
    assert await queue.counts() == {"active": 1, "waiting-children": 1}


async def test_a_retried_child_is_waited_for_again(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(on_failure="ignore"), JobOptions()))
    await settle_child(queue, children[0], FAILED)
    await queue.broker.retry(queue.name, children[0])
    await settle_child(queue, children[1], Completed())
    assert await queue.state(parent) == "waiting-children"
    await settle_child(queue, children[0], Completed())
    assert await queue.state(parent) == "waiting"


async def test_a_retried_child_that_had_completed_is_waited_for_again(queue: QueueUnderTest) -> None:
    parent, children = await add(queue, family(queue, JobOptions(), JobOptions()))
    await settle_child(queue, children[0], Completed('"old"'))
    await queue.broker.retry(queue.name, children[0])
    assert await queue.broker.children_results(queue.name, parent) == {}
    assert sorted(await queue.run_order()) == sorted([*children, parent])


async def test_a_child_that_has_completed_before_counts_at_once(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(job_id="done"))
    await queue.work_one(Completed('"old"'))
    added = await queue.broker.add_flow(family(queue, JobOptions(job_id="done")))
    assert added.children[0].answer == Swallowed("done", "completed")
    assert await queue.state(id_of(added)) == "waiting"
    assert await queue.broker.children_results(queue.name, id_of(added)) == {f"{queue.name}:done": '"old"'}


async def test_a_job_that_waits_already_can_become_a_child(queue: QueueUnderTest) -> None:
    await queue.create(JobOptions(job_id="mine"))
    added = await queue.broker.add_flow(family(queue, JobOptions(job_id="mine")))
    assert added.children[0].answer == Swallowed("mine", "waiting")
    assert (await queue.get("mine")).parent == f"{queue.name}:{id_of(added)}"
    assert await queue.run_order() == ["mine", id_of(added)]


async def test_a_child_of_another_parent_is_refused_and_with_it_the_whole_flow(queue: QueueUnderTest) -> None:
    await add(queue, family(queue, JobOptions(job_id="mine")))
    before = await queue.counts()
    with pytest.raises(BrokerError, match="another parent"):
        await queue.broker.add_flow(family(queue, JobOptions(), JobOptions(job_id="mine"), JobOptions()))
    assert await queue.counts() == before


async def test_a_parent_that_would_be_swallowed_is_refused_with_its_children(queue: QueueUnderTest) -> None:
    one = JobOptions(deduplicate=Deduplication.simple("berlin"))
    await queue.create(one)
    with pytest.raises(BrokerError, match="was not added"):
        await queue.broker.add_flow(family(queue, JobOptions(), parent=one))
    middle = NewFlow(queue.new(one), [NewFlow(queue.new())])
    with pytest.raises(BrokerError, match="was not added"):
        await queue.broker.add_flow(NewFlow(queue.new(), [NewFlow(queue.new()), middle]))
    assert await queue.counts() == {"waiting": 1}


async def test_a_swallowed_child_is_not_waited_for_if_another_is(queue: QueueUnderTest) -> None:
    one = JobOptions(deduplicate=Deduplication.simple("berlin"))
    first = await queue.create(one)
    added = await queue.broker.add_flow(family(queue, one, JobOptions()))
    assert added.children[0].answer == Swallowed(first, "waiting")
    await queue.work_one()
    await queue.work_one()
    assert await queue.state(id_of(added)) == "waiting"


async def test_a_kept_add_of_a_child_is_waited_for_once_it_is_made(queue: QueueUnderTest) -> None:
    """P4."""
    rule = JobOptions(deduplicate=Deduplication.keep_last("berlin"))
    await queue.create(rule)
    running = await queue.fetch_one()
    added = await queue.broker.add_flow(family(queue, rule, JobOptions(delay_s=60)))
    assert added.children[0].answer == Swallowed(running.id, "active")
    await queue.settle(running, Completed())
    kept = await queue.work_one(Completed('"kept"'))
    results = await queue.broker.children_results(queue.name, id_of(added))
    assert results == {f"{queue.name}:{kept.id}": '"kept"'}
    await queue.broker.promote(queue.name, id_of(added.children[1]))
    await queue.work_one()
    assert await queue.state(id_of(added)) == "waiting"


async def test_a_flow_is_added_to_a_paused_queue_too(queue: QueueUnderTest) -> None:
    await queue.broker.pause(queue.name)
    parent, [child] = await add(queue, family(queue, JobOptions()))
    await queue.broker.resume(queue.name)
    assert await queue.run_order() == [child, parent]


async def test_removing_a_parent_removes_the_failed_children_it_continued_without(queue: QueueUnderTest) -> None:
    parent, [child] = await add(queue, family(queue, JobOptions(on_failure="continue-parent")))
    await settle_child(queue, child, FAILED)
    assert await queue.broker.remove(queue.name, parent)
    assert await queue.counts() == {}
