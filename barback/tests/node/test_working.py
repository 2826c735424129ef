"""A job enqueued on one side is worked on the other, and both read the same of it (P18). Each test runs four ways."""

from typing import Any

import pytest

from barback.broker import Lease
from barback.options import JobOptions, Retention
from barback.retry import Fixed

from .pair import Pair, eventually, stays
from .process import NodeError
from .stored import Stored
from .wire import dumps


async def test_a_job_is_worked_and_its_result_read_on_both_sides(pair: Pair) -> None:
    data: dict[str, Any] = {"cafeId": "7", "nested": {"list": [1, None, {}, []]}}
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("any", data)
    assert await pair.node.wait_until_finished(job_id) == data
    node_s, ours = await pair.both(job_id)
    assert (node_s.state, node_s.data, node_s.returnvalue) == ("completed", data, data)
    assert (ours.state, ours.data, ours.result) == ("completed", dumps(data), dumps(data))
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (1, 1) == (ours.attempts_made, ours.starts)
    assert ours.started_at
    assert ours.finished_at
    assert (node_s.processedOn, node_s.finishedOn) == (
        round(ours.started_at * 1000),
        round(ours.finished_at * 1000),
    )


async def test_queue_events_see_a_job_from_its_adding_to_its_end(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("progress", {"steps": [50]})
    await pair.node.saw("completed", job_id)
    await pair.node.saw("drained")
    assert await pair.node.seen(job_id) == [
        {"event": "added", "jobId": job_id, "name": "progress"},
        {"event": "waiting", "jobId": job_id},
        {"event": "active", "jobId": job_id, "prev": "waiting"},
        {"event": "progress", "jobId": job_id, "data": 50},
        {"event": "completed", "jobId": job_id, "returnvalue": 1, "prev": "active"},
    ]


async def test_a_failure_is_read_on_both_sides_with_its_stack(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("fail", {"reason": "kein Café\n\u2028 🚲"})
    reason = "RuntimeError: kein Café\n\u2028 🚲" if pair.python_works else "kein Café\n\u2028 🚲"
    await pair.node.saw("failed", job_id, failedReason=reason, prev="active")
    node_s, ours = await pair.both(job_id)
    assert (node_s.state, node_s.failedReason) == ("failed", reason) == (ours.state, ours.failed_reason)
    [stack] = node_s.stacktrace or []
    assert list(ours.stacktraces) == [stack]
    assert "kein Café" in stack
    assert ("python.py" if pair.python_works else "failsOnPurpose") in stack
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (1, 1) == (ours.attempts_made, ours.starts)
    with pytest.raises(NodeError, match="kein Café"):
        await pair.node.wait_until_finished(job_id)


async def test_attempts_are_counted_alike_and_exhausted_alike(pair: Pair) -> None:
    await pair.worker.work()
    options = JobOptions(attempts=3, backoff=Fixed(0.01))
    job_id = await pair.enqueuer.enqueue("fail", {"reason": "never"}, options)
    await pair.node.saw("retries-exhausted", job_id, attemptsMade="3")
    node_s, ours = await pair.both(job_id)
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (3, 3) == (ours.attempts_made, ours.starts)
    assert len(node_s.stacktrace or []) == 3 == len(ours.stacktraces)
    happened = [event["event"] for event in await pair.node.seen(job_id)]
    assert happened.count("active") == 3
    assert happened.count("delayed") == 2
    assert happened.count("failed") == 1


async def test_a_retry_without_backoff_waits_again_at_once(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("flaky", {"failures": 2}, JobOptions(attempts=3))
    await pair.node.saw("completed", job_id, returnvalue="done")
    node_s, ours = await pair.both(job_id)
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (3, 3) == (ours.attempts_made, ours.starts)
    events = await pair.node.seen(job_id)
    assert [e.get("prev") for e in events if e["event"] == "waiting"] == [None, "active", "active"]


async def test_an_unrecoverable_failure_is_not_tried_again(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("unrecoverable", {"reason": "for good"}, JobOptions(attempts=5))
    await pair.node.saw("failed", job_id, failedReason="for good")
    node_s, ours = await pair.both(job_id)
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (1, 1) == (ours.attempts_made, ours.starts)
    assert "retries-exhausted" not in [event["event"] for event in await pair.node.seen(job_id)]


async def test_only_the_newest_stack_traces_are_kept(pair: Pair) -> None:
    await pair.worker.work()
    options = JobOptions(attempts=4, keep_stacktraces=2)
    job_id = await pair.enqueuer.enqueue("flaky", {"failures": 9}, options)
    await pair.finished(job_id)
    node_s, ours = await pair.both(job_id)
    assert list(node_s.stacktrace or []) == list(ours.stacktraces)
    assert [("failure 3" in s, "failure 4" in s) for s in ours.stacktraces] == [(True, False), (False, True)]


async def test_a_delayed_job_runs_when_it_is_due(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("any", {}, JobOptions(delay_s=0.25))
    await pair.node.saw("completed", job_id)
    job = await pair.node.get(job_id)
    assert job.processedOn is not None
    assert 250 <= job.processedOn - job.timestamp < 1000
    events = await pair.node.seen(job_id)
    assert [event["event"] for event in events] == ["added", "delayed", "waiting", "active", "completed"]
    assert int(events[1]["delay"]) == job.timestamp + 250
    assert events[2]["prev"] == "delayed"


async def test_jobs_run_in_the_order_of_their_priority(pair: Pair) -> None:
    wanted: dict[int, list[str]] = {}
    for priority in (2, 0, 1, 2, 0, 1, 2_097_151):
        job_id = await pair.enqueuer.enqueue("any", {}, JobOptions(priority=priority))
        wanted.setdefault(priority, []).append(job_id)
    order = [job_id for priority in sorted(wanted) for job_id in wanted[priority]]
    await pair.worker.work()
    await pair.node.saw("completed", order[-1])
    assert await pair.started() == order


async def test_last_in_first_out_turns_the_order_round(pair: Pair) -> None:
    first, second, third = [
        await pair.enqueuer.enqueue("any", {}, JobOptions(lifo=lifo)) for lifo in (False, True, True)
    ]
    await pair.worker.work()
    await pair.node.saw("completed", first)
    assert await pair.started() == [third, second, first]


@pytest.mark.parametrize("lifo", [True, False], ids=["lifo", "fifo"])
async def test_a_retried_job_waits_in_front_of_the_others_only_if_it_is_last_in_first_out(
    lifo: bool, pair: Pair
) -> None:
    options = JobOptions(attempts=2, lifo=lifo)
    waiting = [await pair.enqueuer.enqueue("any", {})] if lifo else []
    flaky = await pair.enqueuer.enqueue("flaky", {"failures": 1}, options)
    waiting += [] if lifo else [await pair.enqueuer.enqueue("any", {})]
    await pair.worker.work()
    await pair.node.saw("completed", flaky)
    await pair.node.saw("completed", waiting[0])
    assert await pair.started() == ([flaky, flaky, *waiting] if lifo else [flaky, *waiting, flaky])


async def test_a_custom_job_id_is_kept(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("told", {}, JobOptions(job_id="café-🚲 7"))
    assert job_id == "café-🚲 7"
    assert await pair.node.wait_until_finished(job_id) == {"id": job_id, "attempt": 1, "starts": 1}


async def test_a_job_that_shall_not_be_kept_is_gone_but_its_events_are_seen(pair: Pair) -> None:
    nothing = Retention(count=0)
    await pair.worker.work()
    done = await pair.enqueuer.enqueue("any", {"a": 1}, JobOptions(keep_completed=nothing))
    failed = await pair.enqueuer.enqueue("fail", {"reason": "x"}, JobOptions(keep_failed=nothing))
    await pair.node.saw("completed", done, returnvalue={"a": 1})
    await pair.node.saw("failed", failed)
    assert await pair.node.find(done) is None
    assert await pair.node.find(failed) is None


async def test_only_the_newest_completed_jobs_are_kept(pair: Pair) -> None:
    ids = [await pair.enqueuer.enqueue("any", {}, JobOptions(keep_completed=Retention(count=2))) for _ in range(4)]
    await pair.worker.work()
    await pair.node.saw("completed", ids[-1])
    assert sorted(await pair.node.ids("completed")) == sorted(ids[2:])


async def test_old_completed_jobs_are_removed_when_another_completes(pair: Pair) -> None:
    options = JobOptions(keep_completed=Retention(age_s=1))
    await pair.worker.work()
    old = await pair.enqueuer.enqueue("any", {}, options)
    await pair.finished(old)

    async def another_completes() -> bool:
        newer = await pair.enqueuer.enqueue("any", {}, options)
        await pair.finished(newer)
        return await pair.node.find(old) is None

    await eventually(another_completes)


async def test_log_lines_are_kept_up_to_their_number_and_read_on_both_sides(pair: Pair) -> None:
    await pair.worker.work()
    lines = ["one", "", "drei ☕\n\u2028", "vier", "fünf 🚲"]
    job_id = await pair.enqueuer.enqueue("log", {"lines": lines}, JobOptions(keep_logs=4))
    await pair.finished(job_id)
    assert list((await pair.node.get(job_id)).logs) == lines[1:]
    assert await pair.python.broker.logs(pair.python.name, job_id) == lines[1:]


@pytest.mark.parametrize(
    "step", [0, 42, 33.25, {"done": 3, "of": 7, "städte": ["Köln"]}, "half way", [1, 2], True, {}], ids=str
)
async def test_progress_of_any_shape_is_seen_and_read_on_both_sides(step: Any, pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("progress", {"steps": [step]})
    await pair.node.saw("progress", job_id, data=step)
    await pair.finished(job_id)
    node_s, ours = await pair.both(job_id)
    assert node_s.progress == step
    assert ours.progress == dumps(step)


async def test_a_parent_is_given_the_results_of_its_children(pair: Pair) -> None:
    queue = pair.node.name
    added = await pair.node.add_flow(
        {
            "name": "children",
            "queueName": queue,
            "children": [{"name": "any", "queueName": queue, "data": {"number": number}} for number in (1, 2)],
        }
    )
    await pair.worker.work()
    results = await pair.node.wait_until_finished(added["id"])
    assert sorted(result["number"] for result in results.values()) == [1, 2]


# ── one side acts, the other works ──────────────────────────────────────────────────────────────────────────────────


async def test_a_pause_stops_the_worker_of_the_other_side_and_a_resume_wakes_it(pair: Pair) -> None:
    await pair.worker.work()
    await pair.finished(await pair.enqueuer.enqueue("any", {}))
    await pair.enqueuer.pause()
    job_id = await pair.enqueuer.enqueue("any", {})

    async def waits() -> bool:
        return await pair.python.broker.state(pair.python.name, job_id) == "waiting"

    assert await stays(waits)
    assert await pair.node.is_paused()
    assert await pair.python.broker.is_paused(pair.python.name)
    await pair.enqueuer.resume()
    await pair.node.saw("completed", job_id)
    happened = [event["event"] for event in await pair.node.seen()]
    assert [event for event in happened if event in ("paused", "resumed")] == ["paused", "resumed"]


async def test_a_job_failed_on_one_side_is_retried_from_the_other(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.enqueuer.enqueue("first-start-fails", {})
    await pair.node.saw("failed", job_id)
    await pair.enqueuer.retry(job_id)
    await pair.node.saw("completed", job_id, returnvalue="done")
    node_s, ours = await pair.both(job_id)
    assert (node_s.state, node_s.attemptsStarted) == ("completed", 2) == (ours.state, ours.starts)
    assert node_s.failedReason is None
    assert ours.failed_reason is None


async def test_a_waiting_job_removed_from_the_other_side_is_never_worked(pair: Pair) -> None:
    removed = await pair.worker.enqueue("any", {})
    kept = await pair.worker.enqueue("any", {})
    assert await pair.enqueuer.remove(removed)
    await pair.worker.work()
    await pair.node.saw("completed", kept)
    await pair.node.saw("removed", removed)
    assert await pair.started() == [kept]


async def test_a_delayed_job_promoted_from_the_other_side_runs_now(pair: Pair) -> None:
    await pair.worker.work()
    job_id = await pair.worker.enqueue("any", {}, JobOptions(delay_s=3600))
    await pair.enqueuer.promote(job_id)
    await pair.node.saw("completed", job_id)


async def test_a_job_whose_lock_is_lost_is_recovered_by_the_other_side(pair: Pair, stored: Stored) -> None:
    job_id = await pair.enqueuer.enqueue("told", {})
    # The enqueuer takes it and is heard of no more.
    if pair.python_works:
        assert await pair.node.take() == job_id
    else:
        assert (await pair.python.broker.exchange(pair.python.name, [], 1, Lease("killed", 3600))).jobs
    await stored.run("DEL", stored.key(f"{job_id}:lock"))
    await pair.worker.work()
    await pair.node.saw("stalled", job_id)
    await pair.node.saw("completed", job_id, returnvalue={"id": job_id, "attempt": 1, "starts": 2})
    node_s, ours = await pair.both(job_id)
    assert node_s.stalledCounter == 1 == ours.crashes
    assert (node_s.attemptsMade, node_s.attemptsStarted) == (1, 2) == (ours.attempts_made, ours.starts)


async def test_a_held_job_ends_when_it_is_let_go(pair: Pair) -> None:
    await pair.worker.work(concurrency=2)
    held = await pair.enqueuer.enqueue("held", {"slow": True})
    await pair.node.saw("active", held)
    await pair.finished(await pair.enqueuer.enqueue("any", {}))
    assert (await pair.both(held))[1].state == "active"
    assert await eventually(lambda: pair.worker.release(held))
    assert await pair.node.wait_until_finished(held) == {"slow": True}
