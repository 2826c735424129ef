"""Acting on one, some, or all that match; and never on what is no longer what was seen (B3)."""

import pytest

from barback.answers import Created, Swallowed
from barback.broker import Completed, Failed, Lease, ListedState, NewJob, Settlement
from barback.control.actions import Chosen, Matching, Preview, Progress, apply, preview, run_again, set_paused
from barback.control.failures import fingerprint
from barback.control.query import Query, parse
from barback.control.search import Budget, Listing
from barback.errors import InvalidOptions, InvalidPayload, UsageError
from barback.inspector import Action, Cancel, ChangeDelay, ChangePriority, Promote, Remove, Retry, Target
from barback.options import Deduplication, JobOptions

from .conftest import Store

LEASE = Lease("tester", 30.0)


async def add(store: Store, count: int = 1, options: JobOptions | None = None) -> list[str]:
    jobs = [NewJob(store.queue, "any", f'{{"n":{n}}}', options or JobOptions()) for n in range(count)]
    answers = await store.broker.add(jobs)
    assert all(isinstance(answer, Created) for answer in answers)
    return [answer.job_id for answer in answers if isinstance(answer, Created)]


async def fail(store: Store, count: int, reason: str = "no milk") -> None:
    """Work the next jobs, and let them fail."""
    for _ in range(count):
        [job] = (await store.broker.exchange(store.queue, [], 1, LEASE)).jobs
        await store.broker.exchange(store.queue, [Settlement(job, Failed(reason))], 0, LEASE)


async def act(store: Store, state: ListedState, action: Action, *ids: str) -> Progress:
    return await finish(store, Chosen(store.queue, state, [Target(job_id) for job_id in ids]), action)


async def finish(store: Store, selection: Chosen | Matching, action: Action) -> Progress:
    progress = [told async for told in apply(store.inspector, selection, action)]
    assert progress[-1].finished
    return progress[-1]


def matching(store: Store, text: str = "", state: ListedState = "failed") -> Matching:
    query = parse(text)
    assert isinstance(query, Query)
    return Matching(Listing(store.queue, state, query))


async def counts(store: Store) -> dict[ListedState, int]:
    return {state: count for state, count in (await store.broker.counts(store.queue)).items() if count}


async def test_all_that_match_are_retried_and_no_others(store: Store) -> None:
    await add(store, 25)
    await fail(store, 25)
    assert await preview(store.inspector, matching(store, "payload.n:>=5")) == Preview(20)
    progress = await finish(store, matching(store, "payload.n:>=5"), Retry())
    assert (progress.looked, progress.total, progress.done, progress.skipped, progress.failed) == (25, 20, 20, 0, 0)
    assert await counts(store) == {"waiting": 20, "failed": 5}
    [job] = (await store.broker.exchange(store.queue, [], 1, LEASE)).jobs
    assert (job.attempt, job.stacktraces) == (1, ())


async def test_all_of_a_state_are_removed(store: Store) -> None:
    await add(store, 12)
    assert await preview(store.inspector, matching(store, state="waiting")) == Preview(12)
    assert (await finish(store, matching(store, state="waiting"), Remove())).done == 12
    assert await counts(store) == {}


async def test_a_selection_without_any_job_is_finished_at_once(store: Store) -> None:
    assert (await finish(store, matching(store), Retry())).total == 0


async def test_a_preview_says_at_least_when_its_budget_ends(store: Store) -> None:
    await add(store, 700)
    found = await preview(store.inspector, matching(store, "any", "waiting"), Budget(jobs=500))
    assert found == Preview(500, exact=False)


async def test_the_failures_of_one_kind_are_retried_together(store: Store) -> None:
    await add(store, 4)
    await fail(store, 2, "TimeoutError: no answer in 3 s")
    await fail(store, 2, "KeyError: 'city'")
    kind = fingerprint("TimeoutError: no answer in 99 s")
    selection = Matching(Listing(store.queue, "failed"), kind)
    assert await preview(store.inspector, selection) == Preview(2)
    assert (await finish(store, selection, Retry())).done == 2
    assert await counts(store) == {"waiting": 2, "failed": 2}


async def test_a_job_that_failed_again_since_it_was_seen_is_not_touched(store: Store) -> None:
    [job_id] = await add(store)
    await fail(store, 1)
    [seen] = await store.inspector.records(store.queue, [job_id])
    assert seen is not None
    await store.broker._connection.run("HINCRBY", f"bull:{store.queue}:{job_id}", "finishedOn", 1)
    chosen = Chosen(store.queue, "failed", [Target(job_id, seen.finished_at)])
    for action in (Retry(), Remove()):
        assert (await finish(store, chosen, action)).skipped == 1
    assert await counts(store) == {"failed": 1}


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("failed", Retry()),
        ("failed", Remove()),
        ("delayed", Promote()),
        ("delayed", Remove()),
        ("delayed", ChangeDelay(5)),
        ("prioritized", ChangePriority(3)),
        ("completed", Remove()),
        ("active", Cancel("enough")),
    ],
)
async def test_a_job_that_moved_to_another_state_is_skipped(store: Store, state: ListedState, action: Action) -> None:
    [job_id] = await add(store)
    progress = await act(store, state, action, job_id, "gone")
    assert (progress.skipped, progress.done) == (2, 0)
    assert await counts(store) == {"waiting": 1}


@pytest.mark.parametrize("action", [Remove(), ChangePriority(3)])
async def test_a_job_that_was_waiting_and_runs_by_now_is_skipped(store: Store, action: Action) -> None:
    [job_id] = await add(store)
    [job] = (await store.broker.exchange(store.queue, [], 1, LEASE)).jobs
    assert (await act(store, "waiting", action, job_id)).skipped == 1
    await store.broker.exchange(store.queue, [Settlement(job, Completed())], 0, LEASE)
    assert (await act(store, "waiting", action, job_id)).skipped == 1
    [record] = await store.inspector.records(store.queue, [job_id])
    assert record is not None
    assert (record.state, record.options.priority) == ("completed", 0)


async def test_delayed_jobs_are_promoted_or_put_off(store: Store) -> None:
    first, second = await add(store, 2, JobOptions(delay_s=60))
    assert (await act(store, "delayed", ChangeDelay(600), second)).done == 1
    due_at = await store.inspector.due_at(store.queue, second)
    assert due_at is not None
    assert due_at == pytest.approx(store.broker.now() + 600, abs=5)
    assert (await act(store, "delayed", Promote(), first)).done == 1
    assert await counts(store) == {"waiting": 1, "delayed": 1}


async def test_a_priority_is_changed_and_shown(store: Store) -> None:
    first, second = await add(store, 2)
    assert (await act(store, "waiting", ChangePriority(3), first)).done == 1
    [record] = await store.inspector.records(store.queue, [first])
    assert record is not None
    assert (record.state, record.options.priority) == ("prioritized", 3)
    jobs = (await store.broker.exchange(store.queue, [], 2, LEASE)).jobs
    assert [job.id for job in jobs] == [second, first]


async def test_a_priority_of_zero_puts_a_job_before_all_that_have_one(store: Store) -> None:
    first, second = await add(store, 2, JobOptions(priority=2))
    assert (await act(store, "prioritized", ChangePriority(0), second)).done == 1
    assert await counts(store) == {"waiting": 1, "prioritized": 1}
    assert (await store.broker.exchange(store.queue, [], 1, LEASE)).jobs[0].id == second
    assert await store.broker.state(store.queue, first) == "prioritized"


async def test_a_priority_is_changed_where_node_paused_the_queue(store: Store) -> None:
    [job_id] = await add(store)
    base = f"bull:{store.queue}"
    await store.broker._connection.run("RENAME", f"{base}:wait", f"{base}:paused")
    await store.broker._connection.run("HSET", f"{base}:meta", "paused", 1)
    assert (await act(store, "waiting", ChangePriority(3), job_id)).done == 1
    assert await counts(store) == {"prioritized": 1}


async def test_a_running_job_is_asked_to_end(store: Store) -> None:
    [job_id] = await add(store)
    [job] = (await store.broker.exchange(store.queue, [], 1, LEASE)).jobs
    assert (await act(store, "active", Cancel("enough"), job_id)).done == 1
    assert store.broker.extend_locks(store.queue, [job], 30.0).cancelled == [(job, "enough")]


async def test_one_that_cannot_be_done_says_why_and_the_others_are_done(store: Store) -> None:
    await store.put("a")
    await store.put("b")
    await store.broker._connection.run("SET", f"bull:{store.queue}:a:lock", "somebody")
    progress = await act(store, "failed", Remove(), "a", "b")
    assert (progress.done, progress.failed) == (1, 1)
    [(job_id, reason)] = progress.reasons
    assert (job_id, str(reason)) == ("a", "It was not removed: it, or a child of it, is being worked.")


async def test_what_cannot_be_done_in_a_state_or_with_a_number_is_refused(store: Store) -> None:
    with pytest.raises(
        InvalidOptions, match="Retry cannot be done to jobs that are waiting, only to those that are fai"
    ):
        await act(store, "waiting", Retry(), "1")
    with pytest.raises(InvalidOptions, match="priority"):
        await act(store, "waiting", ChangePriority(-1), "1")
    with pytest.raises(InvalidOptions, match="delay_s"):
        await act(store, "delayed", ChangeDelay(float("nan")), "1")


async def test_a_job_is_run_again_with_another_payload_and_its_options(store: Store) -> None:
    options = JobOptions(job_id="mine", attempts=5, priority=2, delay_s=60)
    await add(store, 1, options)
    [record] = await store.inspector.records(store.queue, ["mine"])
    assert record is not None
    answer = await run_again(store.broker, record, '{"n": 7}')
    assert isinstance(answer, Created)
    [again] = await store.inspector.records(store.queue, [answer.job_id])
    assert again is not None
    assert (again.data, again.state, again.options.attempts, again.options.priority) == (
        '{"n": 7}',
        "prioritized",
        5,
        2,
    )


async def test_a_job_that_is_run_again_is_of_the_client_that_made_it_unless_its_payload_is_another(
    store: Store,
) -> None:
    """P29."""
    await store.broker.add([NewJob(store.queue, "any", "{}", JobOptions(job_id="stamped", schema_hash="3f2a"))])
    [record] = await store.inspector.records(store.queue, ["stamped"])
    assert record is not None
    answers = [await run_again(store.broker, record), await run_again(store.broker, record, '{"n": 7}')]
    ids = [answer.job_id for answer in answers if isinstance(answer, Created)]
    again = await store.inspector.records(store.queue, ids)
    assert [one.options.schema_hash for one in again if one is not None] == ["3f2a", None]


async def test_running_again_says_when_it_is_swallowed(store: Store) -> None:
    [job_id] = await add(store, 1, JobOptions(deduplicate=Deduplication.simple("k")))
    [record] = await store.inspector.records(store.queue, [job_id])
    assert record is not None
    assert await run_again(store.broker, record) == Swallowed(job_id, "waiting")


async def test_an_edited_payload_must_be_json_that_all_can_read(store: Store) -> None:
    await add(store)
    [record] = await store.inspector.records(store.queue, ["1"])
    assert record is not None
    with pytest.raises(UsageError, match="The payload is no JSON"):
        await run_again(store.broker, record, "{n: 7}")
    with pytest.raises(InvalidPayload):
        await run_again(store.broker, record, '{"n": NaN}')
    with pytest.raises(InvalidPayload):
        await run_again(store.broker, record, '{"n": "' + "x" * 3_000_000 + '"}')
    assert await counts(store) == {"waiting": 1}


async def test_a_queue_is_paused_and_resumed(store: Store) -> None:
    await set_paused(store.broker, store.queue, True)
    assert await store.broker.is_paused(store.queue)
    await set_paused(store.broker, store.queue, False)
    assert not await store.broker.is_paused(store.queue)
