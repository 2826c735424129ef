"""Schedules: one job a slot, whoever makes it (P13)."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from barback.broker import StoredSchedule
from barback.cron import Timing
from barback.errors import BrokerError
from barback.options import JobOptions

from .under_test import QueueUnderTest

HOUR_S = 3600.0
DAILY = Timing("0 3 * * *", tz="Europe/Berlin")


def due_in(queue: QueueUnderTest, seconds: float, *, schedule_id: str = "daily", data: str = "{}") -> StoredSchedule:
    next_at = round(queue.broker.now() + seconds, 3)
    return StoredSchedule(schedule_id, "update-cafe-stats", DAILY, data, next_at)


def slot(schedule: StoredSchedule, later_s: float = 0) -> str:
    return f"repeat:{schedule.id}:{round((schedule.next_at + later_s) * 1000)}"


def after(schedule: StoredSchedule, later_s: float) -> float:
    return schedule.next_at + later_s


async def put(queue: QueueUnderTest, schedule: StoredSchedule, options: JobOptions | None = None) -> None:
    await queue.broker.put_schedule(queue.name, replace(schedule, options=options or JobOptions()))


async def advance(queue: QueueUnderTest, schedule: StoredSchedule, later_s: float) -> bool:
    return await queue.broker.advance_schedule(queue.name, schedule, after(schedule, later_s))


async def test_a_schedule_is_stored_and_its_next_job_is_delayed_until_its_slot(queue: QueueUnderTest) -> None:
    schedule = due_in(queue, HOUR_S, data='{"citySlug": "köln"}')
    await put(queue, schedule, JobOptions(attempts=3, priority=4))
    options = JobOptions(attempts=3, priority=4)
    assert await queue.broker.schedules(queue.name) == [replace(schedule, options=options)]
    assert await queue.ids("delayed") == [slot(schedule)]
    record = await queue.get(slot(schedule))
    assert (record.name, record.data, record.schedule_id) == ("update-cafe-stats", '{"citySlug": "köln"}', "daily")
    assert (record.options.attempts, record.options.priority) == (3, 4)
    assert (await queue.exchange()).next_at == pytest.approx(schedule.next_at, abs=0.002)


async def test_a_queue_without_schedules_has_none(queue: QueueUnderTest) -> None:
    assert await queue.broker.schedules(queue.name) == []


async def test_schedules_are_listed_the_soonest_first(queue: QueueUnderTest) -> None:
    later = due_in(queue, 2 * HOUR_S, schedule_id="a")
    sooner = due_in(queue, HOUR_S, schedule_id="b")
    await put(queue, later)
    await put(queue, sooner)
    assert await queue.broker.schedules(queue.name) == [sooner, later]


async def test_the_job_of_a_slot_runs_when_it_is_due(queue: QueueUnderTest) -> None:
    """P13."""
    schedule = due_in(queue, 0.05)
    await put(queue, schedule)
    assert await queue.fetch() == []
    [job] = await queue.eventually(queue.fetch)
    assert (job.id, job.schedule_id) == (slot(schedule), "daily")


async def test_a_schedule_whose_slot_has_come_waits_at_once(queue: QueueUnderTest) -> None:
    schedule = due_in(queue, -HOUR_S)
    await put(queue, schedule)
    assert await queue.ids("waiting") == [slot(schedule)]


async def test_a_replaced_schedule_has_one_next_job(queue: QueueUnderTest) -> None:
    """P13."""
    old = due_in(queue, HOUR_S)
    new = replace(due_in(queue, 2 * HOUR_S), timing=Timing("0 4 * * *"), name="other")
    await put(queue, old)
    await put(queue, new, JobOptions(priority=2))
    assert await queue.broker.schedules(queue.name) == [replace(new, options=JobOptions(priority=2))]
    assert await queue.ids("delayed") == [slot(new)]
    assert (await queue.get(slot(new))).name == "other"


@pytest.mark.parametrize("priority", [0, 3])
async def test_replacing_takes_back_a_job_that_is_due_and_waits(queue: QueueUnderTest, priority: int) -> None:
    old, new = due_in(queue, -1), due_in(queue, HOUR_S)
    await put(queue, old, JobOptions(priority=priority))
    await put(queue, new)
    assert await queue.counts() == {"delayed": 1}
    assert await queue.broker.get(queue.name, slot(old)) is None


async def test_replacing_leaves_a_job_that_runs_alone(queue: QueueUnderTest) -> None:
    old, new = due_in(queue, -1), due_in(queue, HOUR_S)
    await put(queue, old)
    job = await queue.fetch_one()
    await put(queue, new)
    assert await queue.counts() == {"active": 1, "delayed": 1}
    assert await queue.state(job.id) == "active"


async def test_a_schedule_put_again_as_it_is_keeps_its_one_job(queue: QueueUnderTest) -> None:
    schedule = due_in(queue, HOUR_S)
    for _ in range(3):
        await put(queue, schedule)
    assert await queue.ids("delayed") == [slot(schedule)]


async def test_a_slot_whose_job_has_run_cannot_be_put_again(queue: QueueUnderTest) -> None:
    """P13: at most one job a slot."""
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    await queue.work_one()
    with pytest.raises(BrokerError, match="cannot be replaced"):
        await put(queue, schedule)
    assert await queue.counts() == {"completed": 1}


async def test_of_two_that_advance_a_schedule_one_makes_the_next_job(queue: QueueUnderTest) -> None:
    """P13."""
    schedule = due_in(queue, -1, data='{"n": 1}')
    await put(queue, schedule)
    answers = await asyncio.gather(*(advance(queue, schedule, HOUR_S) for _ in range(5)))
    assert sorted(answers) == [False] * 4 + [True]
    assert await queue.ids("waiting") == [slot(schedule)]
    assert await queue.ids("delayed") == [slot(schedule, HOUR_S)]
    record = await queue.get(slot(schedule, HOUR_S))
    assert (record.name, record.data, record.schedule_id) == ("update-cafe-stats", '{"n": 1}', "daily")
    [stored] = await queue.broker.schedules(queue.name)
    assert stored == replace(schedule, next_at=after(schedule, HOUR_S), made=2)


async def test_who_knows_an_old_slot_only_cannot_advance_a_schedule(queue: QueueUnderTest) -> None:
    """P13."""
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    assert await advance(queue, schedule, HOUR_S)
    assert not await advance(queue, schedule, 2 * HOUR_S)
    assert await queue.ids("delayed") == [slot(schedule, HOUR_S)]


async def test_a_schedule_advances_though_its_last_job_still_runs(queue: QueueUnderTest) -> None:
    """P13: on time on a busy queue."""
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    await queue.fetch_one()
    assert await advance(queue, schedule, 0.05)
    [job] = await queue.eventually(queue.fetch)
    assert job.id == slot(schedule, 0.05)
    assert await queue.counts() == {"active": 2}


async def test_a_schedule_that_is_not_stored_does_not_advance(queue: QueueUnderTest) -> None:
    assert not await advance(queue, due_in(queue, -1), HOUR_S)
    assert await queue.counts() == {}


async def test_a_schedule_does_not_advance_to_a_slot_that_has_a_job(queue: QueueUnderTest) -> None:
    """P13."""
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    assert not await advance(queue, schedule, 0)
    assert await queue.broker.schedules(queue.name) == [schedule]


async def test_the_next_job_of_a_schedule_cannot_be_removed_and_older_ones_can(queue: QueueUnderTest) -> None:
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    with pytest.raises(BrokerError, match="a schedule owns it"):
        await queue.broker.remove(queue.name, slot(schedule))
    await advance(queue, schedule, HOUR_S)
    assert await queue.broker.remove(queue.name, slot(schedule))
    with pytest.raises(BrokerError, match="a schedule owns it"):
        await queue.broker.remove(queue.name, slot(schedule, HOUR_S))


async def test_a_schedule_uses_up_numbers_of_the_automatic_ids(queue: QueueUnderTest) -> None:
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    await advance(queue, schedule, HOUR_S)
    assert await queue.create() == "3"


# ── periods, bounds ─────────────────────────────────────────────────────────────────────────────────────


def each_second(queue: QueueUnderTest, **bounds: Any) -> StoredSchedule:
    """Its last slot has just come."""
    timing = Timing(every_s=1.0, offset_s=0.25, **bounds)
    [slot] = timing.following(queue.broker.now() - 1, 1)
    return StoredSchedule("often", "any", timing, "{}", slot)


async def test_a_period_and_all_bounds_are_stored_as_they_were_given(queue: QueueUnderTest) -> None:
    at = float(int(queue.broker.now()))
    daily = StoredSchedule("daily", "any", replace(DAILY, start_at=at, end_at=at + HOUR_S, limit=7), "{}", at)
    often = each_second(queue, start_at=at - 10, end_at=at + HOUR_S, limit=9)
    await put(queue, daily)
    await put(queue, often)
    assert {s.id: s for s in await queue.broker.schedules(queue.name)} == {"daily": daily, "often": often}


async def test_a_period_advances_slot_by_slot_though_they_are_all_past(queue: QueueUnderTest) -> None:
    """P14: BullMQ's own script leaves out what has passed."""
    schedule = replace(each_second(queue), next_at=each_second(queue).next_at - 5)
    await put(queue, schedule)
    for later_s in (1, 2, 3):
        assert await advance(queue, replace(schedule, next_at=after(schedule, later_s - 1)), 1)
    assert sorted(job.id for job in await queue.fetch(10)) == [slot(schedule, later_s) for later_s in range(4)]


async def test_a_period_may_leave_out_what_has_passed(queue: QueueUnderTest) -> None:
    schedule = replace(each_second(queue), next_at=each_second(queue).next_at - 5)
    await put(queue, schedule)
    [following] = schedule.timing.following(queue.broker.now(), 1)
    assert await queue.broker.advance_schedule(queue.name, schedule, following)
    [stored] = await queue.broker.schedules(queue.name)
    assert (stored.next_at, stored.made) == (pytest.approx(following, abs=1.01), 2)
    assert await queue.ids("delayed") == [slot(stored)]


async def test_a_changed_schedule_goes_on_counting_its_jobs(queue: QueueUnderTest) -> None:
    """Else a limit would begin anew with each deploy."""
    schedule = due_in(queue, -1)
    await put(queue, schedule)
    await advance(queue, schedule, HOUR_S)
    await put(queue, replace(due_in(queue, 2 * HOUR_S), data='{"n": 2}'))
    [stored] = await queue.broker.schedules(queue.name)
    assert stored.made == 2


# ── removing, notes ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_removed_schedule_leaves_no_job_behind_that_is_to_come(queue: QueueUnderTest) -> None:
    await put(queue, due_in(queue, HOUR_S))
    assert await queue.broker.remove_schedule(queue.name, "daily")
    assert await queue.broker.schedules(queue.name) == []
    assert await queue.counts() == {}
    assert not await queue.broker.remove_schedule(queue.name, "daily")


async def test_a_removed_schedules_due_job_still_runs(queue: QueueUnderTest) -> None:
    await put(queue, due_in(queue, -1))
    assert await queue.broker.remove_schedule(queue.name, "daily")
    assert len(await queue.fetch()) == 1


async def test_notes_are_set_and_removed_and_compared(queue: QueueUnderTest) -> None:
    broker, name = queue.broker, queue.name
    assert await broker.notes(name) == {}
    assert await broker.set_notes(name, {"a": "ä", "b": ""})
    assert await broker.set_notes(name, {"a": "2", "b": None}, expected={"a": "ä", "c": None})
    assert not await broker.set_notes(name, {"a": "3"}, expected={"a": "ä"})
    assert not await broker.set_notes(name, {"a": "3"}, expected={"b": "", "a": "2"})
    assert await broker.notes(name) == {"a": "2"}
