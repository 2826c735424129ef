"""Adds that share a key: swallowed, throttled, replaced, or kept for after the running one."""

import pytest

from barback.answers import Created, Swallowed
from barback.broker import Completed, HandedBack, Outcome, Retry
from barback.options import Deduplication, JobOptions, Retention

from .under_test import FAILED, SHORT, QueueUnderTest

SIMPLE = JobOptions(deduplicate=Deduplication.simple("berlin"))
KEEP_LAST = JobOptions(deduplicate=Deduplication.keep_last("berlin"))


async def test_simple_swallows_adds_until_its_job_has_finished(queue: QueueUnderTest) -> None:
    """P5."""
    first = await queue.create(SIMPLE)
    assert await queue.add(SIMPLE) == Swallowed(first, "waiting")
    job = await queue.fetch_one()
    assert await queue.add(SIMPLE) == Swallowed(first, "active")
    await queue.settle(job, Retry(60, "later"))
    assert await queue.add(SIMPLE) == Swallowed(first, "delayed")
    await queue.broker.promote(queue.name, first)
    await queue.work_one()
    assert await queue.counts() == {"completed": 1}
    assert isinstance(await queue.add(SIMPLE), Created)


async def test_a_failed_job_blocks_nothing(queue: QueueUnderTest) -> None:
    """P4."""
    await queue.create(SIMPLE)
    await queue.work_one(FAILED)
    assert isinstance(await queue.add(SIMPLE), Created)


async def test_other_keys_and_no_key_are_not_swallowed(queue: QueueUnderTest) -> None:
    await queue.create(SIMPLE)
    assert isinstance(await queue.add(), Created)
    assert isinstance(await queue.add(JobOptions(deduplicate=Deduplication.simple("leipzig"))), Created)


async def test_the_key_is_stored_with_the_job_and_shown(queue: QueueUnderTest) -> None:
    assert (await queue.get(await queue.create(SIMPLE))).deduplication_id == "berlin"
    assert (await queue.get(await queue.create())).deduplication_id is None


async def test_a_swallowed_add_of_a_custom_id_makes_no_job_of_that_id(queue: QueueUnderTest) -> None:
    first = await queue.create(SIMPLE)
    mine = JobOptions(job_id="mine", deduplicate=Deduplication.simple("berlin"))
    assert await queue.add(mine) == Swallowed(first, "waiting")
    assert await queue.broker.get(queue.name, "mine") is None


async def test_removing_the_job_frees_its_key(queue: QueueUnderTest) -> None:
    first = await queue.create(SIMPLE)
    await queue.broker.remove(queue.name, first)
    assert isinstance(await queue.add(SIMPLE), Created)


async def test_throttle_swallows_for_its_time_even_when_its_job_has_finished(queue: QueueUnderTest) -> None:
    throttled = JobOptions(deduplicate=Deduplication.throttle("berlin", ttl_s=0.15))
    first = await queue.create(throttled)
    await queue.work_one()
    assert await queue.add(throttled) == Swallowed(first, "completed")

    async def made_again() -> bool:
        return isinstance(await queue.add(throttled), Created)

    answers = await queue.throughout(0.25, made_again)
    assert answers.count(True) == 1


async def test_a_key_that_outlives_its_job_swallows_that_jobs_id_too(queue: QueueUnderTest) -> None:
    """P5. Nothing was made, although the id that BullMQ answers is the one that was asked for."""
    throttled = JobOptions(
        job_id="x", deduplicate=Deduplication.throttle("berlin", ttl_s=60), keep_completed=Retention(count=0)
    )
    await queue.create(throttled)
    await queue.work_one()
    assert await queue.add(throttled) == Swallowed("x", "unknown")
    assert await queue.counts() == {}


async def test_extend_starts_the_time_anew_with_each_swallowed_add(queue: QueueUnderTest) -> None:
    extended = JobOptions(deduplicate=Deduplication("berlin", ttl_s=0.15, extend=True))
    first = await queue.create(extended)

    async def add() -> object:
        return await queue.add(extended)

    assert set(await queue.throughout(0.3, add)) == {Swallowed(first, "waiting")}
    await queue.let_pass(0.2)
    assert isinstance(await queue.add(extended), Created)


async def test_debounce_lets_a_newer_add_replace_the_delayed_one(queue: QueueUnderTest) -> None:
    debounced = JobOptions(delay_s=60, deduplicate=Deduplication.debounce("berlin", ttl_s=60))
    first = await queue.create(debounced, data='"first"')
    second = await queue.create(debounced, data='"second"')
    assert await queue.state(first) == "unknown"
    assert await queue.broker.get(queue.name, first) is None
    assert await queue.counts() == {"delayed": 1}
    assert (await queue.get(second)).data == '"second"'


async def test_debounce_swallows_while_the_first_one_runs(queue: QueueUnderTest) -> None:
    debounced = JobOptions(delay_s=60, deduplicate=Deduplication.debounce("berlin", ttl_s=60))
    first = await queue.create(debounced)
    await queue.broker.promote(queue.name, first)
    assert await queue.add(debounced) == Swallowed(first, "waiting")
    await queue.fetch_one()
    assert await queue.add(debounced) == Swallowed(first, "active")


@pytest.mark.parametrize(("extend", "most"), [(True, 1), (False, 3)])
async def test_replacing_keeps_the_first_ones_time_unless_it_extends_it(
    queue: QueueUnderTest, extend: bool, most: int
) -> None:
    rule = Deduplication("berlin", ttl_s=0.12, extend=extend, replace=True)

    async def delayed_after_add() -> int:
        await queue.create(JobOptions(delay_s=60, deduplicate=rule))
        return (await queue.counts())["delayed"]

    seen = await queue.throughout(0.3, delayed_after_add)
    assert seen[0] == 1
    assert 1 <= seen[-1] <= most
    assert (seen[-1] == 1) is extend


async def test_without_a_time_to_live_replace_works_until_the_job_has_started(queue: QueueUnderTest) -> None:
    rule = JobOptions(delay_s=60, deduplicate=Deduplication("berlin", replace=True))
    first = await queue.create(rule)
    second = await queue.create(rule)
    assert await queue.state(first) == "unknown"
    await queue.broker.promote(queue.name, second)
    assert await queue.add(rule) == Swallowed(second, "waiting")


async def test_keep_last_swallows_while_one_waits(queue: QueueUnderTest) -> None:
    """P4."""
    first = await queue.create(KEEP_LAST, data='"first"')
    assert await queue.add(KEEP_LAST, data='"second"') == Swallowed(first, "waiting")
    assert await queue.run_order() == [first]
    assert (await queue.get(first)).data == '"first"'


@pytest.mark.parametrize("outcome", [Completed(), FAILED])
async def test_keep_last_keeps_the_last_add_while_one_runs_and_starts_it_after(
    queue: QueueUnderTest, outcome: Outcome
) -> None:
    """P4: what was true at the moment of the add is seen by a job that starts later."""
    first = await queue.create(KEEP_LAST, data='"first"')
    running = await queue.fetch_one()
    assert await queue.add(KEEP_LAST, data='"second"') == Swallowed(first, "active")
    assert await queue.add(KEEP_LAST, data='"third"') == Swallowed(first, "active")
    assert await queue.counts() == {"active": 1}
    await queue.settle(running, outcome)
    assert (await queue.counts())["waiting"] == 1
    after = await queue.fetch_one()
    assert (after.data, after.attempt, after.starts) == ('"third"', 1, 1)
    assert after.id != first
    assert await queue.fetch() == []


async def test_the_kept_job_stands_for_later_adds(queue: QueueUnderTest) -> None:
    """P4."""
    await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    await queue.add(KEEP_LAST, data='"second"')
    await queue.settle(running, FAILED)
    [kept] = await queue.ids("waiting")
    assert await queue.add(KEEP_LAST, data='"third"') == Swallowed(kept, "waiting")
    assert await queue.run_order() == [kept]
    assert isinstance(await queue.add(KEEP_LAST), Created)


async def test_a_kept_add_has_its_own_id_name_and_options(queue: QueueUnderTest) -> None:
    await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    rule = Deduplication.keep_last("berlin")
    await queue.add(JobOptions(job_id="mine", priority=5, attempts=7, deduplicate=rule), name="other")
    await queue.settle(running, FAILED)
    kept = await queue.get("mine")
    assert (kept.state, kept.name, kept.options.priority, kept.options.attempts) == ("prioritized", "other", 5, 7)
    assert kept.deduplication_id == "berlin"


async def test_a_kept_add_with_a_delay_is_delayed_from_then_on(queue: QueueUnderTest) -> None:
    await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    await queue.add(JobOptions(delay_s=60, deduplicate=Deduplication.keep_last("berlin")))
    await queue.settle(running, FAILED)
    assert await queue.counts() == {"failed": 1, "delayed": 1}


@pytest.mark.parametrize("outcome", [Retry(0, "again"), Retry(60, "later"), HandedBack()])
async def test_what_was_kept_waits_until_the_running_job_has_finished_for_good(
    queue: QueueUnderTest, outcome: Outcome
) -> None:
    """P4: at most one of them waits."""
    first = await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    await queue.add(KEEP_LAST, data='"second"')
    await queue.settle(running, outcome)
    assert sum((await queue.counts()).values()) == 1
    if await queue.state(first) == "delayed":
        await queue.broker.promote(queue.name, first)
    await queue.work_one()
    assert (await queue.fetch_one()).data == '"second"'


async def test_keep_last_survives_a_crash_of_the_worker(queue: QueueUnderTest) -> None:
    """P4, P8."""
    first = await queue.create(KEEP_LAST)
    await queue.fetch_one(SHORT)
    await queue.add(KEEP_LAST, data='"second"')
    assert await queue.recover(first)
    await queue.work_one()
    assert (await queue.fetch_one()).data == '"second"'


async def test_keep_last_holds_its_key_beyond_a_time_to_live(queue: QueueUnderTest) -> None:
    rule = JobOptions(deduplicate=Deduplication("berlin", ttl_s=0.05, keep_last_if_active=True))
    first = await queue.create(rule)
    await queue.let_pass(0.1)
    assert await queue.add(rule) == Swallowed(first, "waiting")


async def test_an_add_with_keep_last_keeps_a_throttles_key_until_the_running_job_ends(queue: QueueUnderTest) -> None:
    throttled = JobOptions(deduplicate=Deduplication.throttle("berlin", ttl_s=0.1))
    first = await queue.create(throttled)
    running = await queue.fetch_one()
    assert await queue.add(KEEP_LAST) == Swallowed(first, "active")
    await queue.let_pass(0.15)
    assert await queue.add(KEEP_LAST) == Swallowed(first, "active")
    await queue.settle(running, FAILED)
    assert len(await queue.run_order()) == 1


async def test_what_was_kept_for_a_removed_job_is_forgotten(queue: QueueUnderTest) -> None:
    first = await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    await queue.add(KEEP_LAST, data='"second"')
    await queue.settle(running, Retry(60, "later"))
    await queue.broker.remove(queue.name, first)
    assert isinstance(await queue.add(KEEP_LAST, data='"third"'), Created)
    assert (await queue.work_one()).data == '"third"'
    assert await queue.counts() == {"completed": 1}


async def test_what_was_kept_is_forgotten_when_a_newer_add_replaces_the_job(queue: QueueUnderTest) -> None:
    """P4."""
    rule = JobOptions(deduplicate=Deduplication("berlin", replace=True, keep_last_if_active=True))
    first = await queue.create(rule)
    running = await queue.fetch_one()
    assert await queue.add(rule, data='"kept"') == Swallowed(first, "active")
    await queue.settle(running, Retry(60, "later"))
    newer = await queue.create(rule, data='"newer"')
    assert await queue.state(first) == "unknown"
    assert await queue.run_order() == [newer]


async def test_a_kept_add_uses_up_numbers_of_the_automatic_ids(queue: QueueUnderTest) -> None:
    await queue.create(KEEP_LAST)
    running = await queue.fetch_one()
    await queue.add(KEEP_LAST)
    await queue.settle(running, Completed())
    assert await queue.ids("waiting") == ["2"]
    assert await queue.create() == "4"
