"""Schedules: put once, replaced when declared differently, and advanced when due by exactly one of any number."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from barback.app import App, no_services
from barback.broker import (
    Broker,
    Completed,
    FetchedJob,
    JobRecord,
    Lease,
    Outcome,
    Settlement,
    StoredSchedule,
)
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.errors import BrokerUnavailable, InvalidPayload
from barback.job import Context, Job, job
from barback.memory import MemoryBroker
from barback.payload import Payload
from barback.payload_limits import PayloadLimits
from barback.schedule import Missed, Overlap, Schedule
from barback.schedules import pausing
from barback.schedules.reconciler import Reconciler
from barback.schedules.runs import Runs, read_runs
from barback.schedules.scheduler import Scheduler
from barback.schedules.ticker import LONGEST_REST_S, Ticker
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport

from .eventually import until
from .working import working_app

LEASE = Lease("tester", lock_s=30.0)
MINUTELY = "* * * * *"


class UpdateStats(Payload, frozen=True):
    city_slug: str | None = None


class Movable(Broker, Protocol):
    """A broker whose clock a test moves."""

    async def move_clock(self, by_s: float) -> None: ...


class MovableBullMQ(BullMQBroker):
    """All that it tells Redis of the time is its own clock."""

    ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s

    async def move_clock(self, by_s: float) -> None:
        self.ahead_s += by_s


@pytest.fixture(params=["memory", "bullmq"])
async def clock(request: pytest.FixtureRequest, valkey_url: str) -> AsyncGenerator[Movable]:
    """At ten seconds past a minute, so that no slot comes by itself while a test runs."""
    opened: Movable = MemoryBroker() if request.param == "memory" else MovableBullMQ(valkey_url)
    await opened.open()
    await opened.move_clock(70 - opened.now() % 60)
    yield opened
    await opened.close()


@pytest.fixture
def update(queue_name: str) -> Job[UpdateStats, None, Any]:
    @job("update-stats", queue=queue_name, attempts=3, priority=5)
    async def update_stats(payload: UpdateStats, ctx: Context[None]) -> None: ...

    return update_stats


def scheduler_of(
    broker: Broker, *schedules: Schedule, queue: str = "", app: str = "app", release: str = "1"
) -> Scheduler:
    queues = [queue or schedules[0].job.queue]
    return Scheduler(broker, app, release, queues, schedules)


def minutely(
    update: Job[Any, Any, Any], pattern: str = MINUTELY, tz: str = "Europe/Berlin", payload: Payload | None = None
) -> Schedule:
    return Schedule("minutely", update, pattern, tz, payload)


async def move_to_next_slot(clock: Movable, past_s: float = 0.5) -> float:
    """To just after the next minute; the minute."""
    slot = (clock.now() // 60 + 1) * 60
    await clock.move_clock(slot + past_s - clock.now())
    return slot


async def due(clock: Movable, queue: str) -> list[str]:
    """The ids of all jobs that could start now, in order."""
    ids: list[str] = []
    while jobs := (await clock.exchange(queue, [], 10, LEASE)).jobs:
        ids += [fetched.id for fetched in jobs]
    return ids


async def delayed(clock: Movable, queue: str) -> list[JobRecord]:
    return await clock.list_jobs(queue, "delayed", 0, 100)


def slot_id(slot: float) -> str:
    return f"repeat:minutely:{slot * 1000:.0f}"


# ── applying ────────────────────────────────────────────────────────────────────────────────────────────


async def test_apply_puts_a_schedule_with_the_job_of_its_next_slot(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    await scheduler_of(clock, minutely(update, payload=UpdateStats(city_slug="köln"))).apply()
    slot = (clock.now() // 60 + 1) * 60
    [stored] = await clock.schedules(update.queue)
    assert stored == StoredSchedule(
        "minutely", "update-stats", Timing(MINUTELY, tz="Europe/Berlin"), '{"citySlug":"köln"}', slot, update.options
    )
    [record] = await delayed(clock, update.queue)
    assert (record.id, record.name, record.data) == (slot_id(slot), "update-stats", '{"citySlug":"köln"}')
    assert (record.options.attempts, record.options.priority, record.schedule_id) == (3, 5, "minutely")


async def test_applying_again_changes_nothing_whoever_does_it(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await scheduler_of(clock, minutely(update)).apply()
    before = await clock.schedules(update.queue), await delayed(clock, update.queue)

    async def put(*_: object) -> None:
        pytest.fail("it was put again, which would delete a due job that waits")

    monkeypatch.setattr(clock, "put_schedule", put)
    for _ in range(2):
        await scheduler_of(clock, minutely(update)).apply()
    assert (await clock.schedules(update.queue), await delayed(clock, update.queue)) == before


@pytest.mark.parametrize(
    "declared", [{"pattern": "30 4 * * *"}, {"tz": "America/New_York"}, {"payload": UpdateStats(city_slug="köln")}]
)
async def test_a_schedule_that_is_declared_differently_is_replaced_with_its_job(
    clock: Movable, update: Job[UpdateStats, None, Any], declared: dict[str, Any]
) -> None:
    base = minutely(update, pattern="0 3 * * *")
    await scheduler_of(clock, base).apply()
    changed = replace(base, **declared)
    await scheduler_of(clock, changed).apply()
    [stored] = await clock.schedules(update.queue)
    assert stored.timing == changed.timing
    [record] = await delayed(clock, update.queue)
    assert record.data == changed.data.model_dump_json()
    assert stored.next_at is not None
    assert record.id == slot_id(stored.next_at)
    when = datetime.fromtimestamp(stored.next_at, UTC)
    assert when.minute == (30 if "pattern" in declared else 0)


async def test_a_due_slot_is_still_run_when_the_schedule_is_declared_differently(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P1: the worker was down when the slot came, and a release with another pattern starts."""
    await scheduler_of(clock, minutely(update)).apply()
    slot = await move_to_next_slot(clock)
    await scheduler_of(clock, minutely(update, "*/5 * * * *")).apply()
    assert await due(clock, update.queue) == [slot_id(slot)]
    [stored] = await clock.schedules(update.queue)
    assert stored.timing.pattern == "*/5 * * * *"
    assert len(await delayed(clock, update.queue)) == 1


async def test_schedules_of_others_are_neither_changed_nor_removed_and_go_on(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """Node's, or bull-board's: without a worker of theirs nobody else would tick them."""
    theirs = StoredSchedule("theirs", "their-job", Timing("* * * * *"), "{}", clock.now() - 70)
    await clock.put_schedule(update.queue, theirs)
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    await scheduler.tick()
    stored = {schedule.id: schedule for schedule in await clock.schedules(update.queue)}
    assert stored["theirs"] == replace(theirs, next_at=(clock.now() // 60 + 1) * 60, made=2)


async def test_an_id_that_another_program_uses_is_left_to_it(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    theirs = StoredSchedule("minutely", "their-job", Timing("0 3 * * *"), "{}", round(clock.now()) + 3600.0)
    await clock.put_schedule(update.queue, theirs)
    await scheduler_of(clock, minutely(update)).apply()
    assert await clock.schedules(update.queue) == [theirs]


async def test_two_apps_of_one_queue_leave_each_others_schedules_alone(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    await scheduler_of(clock, minutely(update), app="a").apply()
    await scheduler_of(clock, replace(minutely(update), id="other"), app="b").apply()
    await scheduler_of(clock, queue=update.queue, app="b").apply()
    assert [schedule.id for schedule in await clock.schedules(update.queue)] == ["minutely"]


async def test_a_schedule_that_is_declared_no_more_goes_with_its_job(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    await scheduler_of(clock, minutely(update)).apply()
    await scheduler_of(clock, queue=update.queue).apply()
    assert await clock.schedules(update.queue) == []
    assert await delayed(clock, update.queue) == []


async def test_a_renamed_schedule_is_one_schedule(clock: Movable, update: Job[UpdateStats, None, Any]) -> None:
    await scheduler_of(clock, minutely(update)).apply()
    await scheduler_of(clock, replace(minutely(update), id="new")).apply()
    [stored] = await clock.schedules(update.queue)
    [record] = await delayed(clock, update.queue)
    assert (stored.id, record.schedule_id) == ("new", "new")


@pytest.mark.parametrize(("newer", "older"), [("2", "1"), ("1.10.0", "1.9.2"), ("2026-11-26T10:00:00", "2026-11-26")])
async def test_an_older_release_that_starts_later_changes_nothing(
    clock: Movable, update: Job[UpdateStats, None, Any], newer: str, older: str
) -> None:
    """P15."""
    await scheduler_of(clock, minutely(update), release=older).apply()
    await scheduler_of(clock, minutely(update, "0 4 * * *"), release=newer).apply()
    before = await clock.schedules(update.queue)
    await scheduler_of(clock, minutely(update), release=older).apply()
    await scheduler_of(clock, queue=update.queue, release=older).apply()
    assert await clock.schedules(update.queue) == before
    assert before[0].timing.pattern == "0 4 * * *"


async def test_going_back_to_an_older_release_is_said_once_and_then_holds(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P15: `barback schedules apply`."""
    await scheduler_of(clock, minutely(update, "0 4 * * *"), release="2").apply()
    older = Reconciler(clock, "app", "1", [update.queue], [minutely(update)])
    [change] = (await older.apply(force=True))[update.queue]
    assert change.kind == "change"
    [stored] = await clock.schedules(update.queue)
    assert stored.timing.pattern == MINUTELY
    assert (await scheduler_of(clock, minutely(update), release="1").apply()) is None
    assert await clock.schedules(update.queue) == [stored]


async def test_a_paused_schedule_makes_no_job_whatever_is_deployed_until_it_is_resumed(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    reconciler = Reconciler(clock, "app", "1", [update.queue], [minutely(update)])
    await reconciler.apply()
    await pausing.pause(clock, update.queue, "minutely")
    changed = Reconciler(clock, "app", "2", [update.queue], [minutely(update, "*/5 * * * *")])
    await changed.apply()
    assert await clock.schedules(update.queue) == []
    assert await delayed(clock, update.queue) == []
    assert [change.kind for change in (await changed.plan())[update.queue]] == ["paused"]
    await pausing.resume(clock, update.queue, "minutely")
    await changed.apply_one(update.queue, "minutely")
    [stored] = await clock.schedules(update.queue)
    assert stored.timing.pattern == "*/5 * * * *"
    assert len(await delayed(clock, update.queue)) == 1


async def test_an_older_release_that_resumes_leaves_the_putting_to_the_newer(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P15."""
    newer = Reconciler(clock, "app", "2", [update.queue], [minutely(update, "0 4 * * *")])
    await newer.apply()
    await pausing.pause(clock, update.queue, "minutely")
    await pausing.resume(clock, update.queue, "minutely")
    await Reconciler(clock, "app", "1", [update.queue], [minutely(update)]).apply_one(update.queue, "minutely")
    assert await clock.schedules(update.queue) == []
    await newer.apply(again=True)
    [stored] = await clock.schedules(update.queue)
    assert stored.timing.pattern == "0 4 * * *"


async def test_a_slot_whose_job_was_run_ahead_of_time_is_not_put_again(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P13: BullMQ refuses it, which must keep no worker from starting."""
    await scheduler_of(clock, minutely(update)).apply()
    slot = (clock.now() // 60 + 1) * 60
    await clock.promote(update.queue, slot_id(slot))
    assert await due(clock, update.queue) == [slot_id(slot)]
    await scheduler_of(clock, minutely(update, payload=UpdateStats(city_slug="köln"))).apply()
    [stored] = await clock.schedules(update.queue)
    assert (stored.data, stored.next_at) == ('{"citySlug":"köln"}', slot + 60)
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(slot + 60)]


async def test_a_schedule_that_is_removed_while_another_worker_looks_after_it_stays_removed(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would run for ever, and nobody would know whose it is."""
    await scheduler_of(clock, minutely(update)).apply()
    read = await clock.schedules(update.queue)
    await scheduler_of(clock, queue=update.queue, release="2").apply()

    async def as_read_before(queue: str) -> list[StoredSchedule]:
        return read

    looking = Ticker(clock, [update.queue])
    with monkeypatch.context() as patch:
        patch.setattr(clock, "schedules", as_read_before)
        await looking.watch()
    assert await clock.schedules(update.queue) == []
    assert await delayed(clock, update.queue) == []


@pytest.mark.parametrize("how", ["its end is past", "its limit is reached"])
async def test_a_schedule_that_is_changed_so_that_no_slot_is_left_stops(
    clock: Movable, update: Job[UpdateStats, None, Any], how: str
) -> None:
    await scheduler_of(clock, minutely(update)).apply()
    await move_to_next_slot(clock)
    await Ticker(clock, [update.queue]).tick()
    await due(clock, update.queue)
    past = datetime.fromtimestamp(clock.now() - 600, UTC)
    bound: dict[str, Any] = {"end": past} if how == "its end is past" else {"limit": 1}
    ended = Reconciler(clock, "app", "2", [update.queue], [replace(minutely(update), **bound)])
    await ended.apply()
    assert await clock.schedules(update.queue) == []
    assert await delayed(clock, update.queue) == []
    assert [change.kind for change in (await ended.plan())[update.queue]] == ["over"]
    assert (await ended.apply())[update.queue] == []


async def test_a_slot_that_has_run_ahead_of_its_time_does_not_run_again_after_a_change(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P13: BullMQ's script starts it once more if it removes another job of the schedule."""
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    [record] = await delayed(clock, update.queue)
    await clock.promote(update.queue, record.id)
    [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
    await clock.exchange(update.queue, [Settlement(fetched, Completed())], 0, LEASE)
    await scheduler.tick()
    await scheduler_of(clock, minutely(update, payload=UpdateStats(city_slug="köln"))).apply()
    assert await clock.state(update.queue, record.id) == "completed"
    assert [one.id for one in await delayed(clock, update.queue)] == [slot_id((clock.now() // 60 + 2) * 60)]


async def test_a_last_job_that_waits_for_a_worker_is_not_lost_by_a_change(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P1: it is still the next one of its schedule, and putting would remove it."""
    await scheduler_of(clock, replace(minutely(update), limit=1)).apply()
    slot = await move_to_next_slot(clock)
    changed = scheduler_of(clock, replace(minutely(update), limit=2), release="2")
    await changed.apply()
    assert await due(clock, update.queue) == [slot_id(slot)]
    await changed.apply()
    assert len(await delayed(clock, update.queue)) == 1


async def test_a_limit_counts_on_over_pauses_and_changes(clock: Movable, update: Job[UpdateStats, None, Any]) -> None:
    limited = replace(minutely(update), limit=3)
    reconciler = Reconciler(clock, "app", "1", [update.queue], [limited])
    await reconciler.apply()
    ran: list[str] = []
    for turn in range(6):
        await pausing.pause(clock, update.queue, "minutely")
        await pausing.resume(clock, update.queue, "minutely")
        changed = replace(limited, payload=UpdateStats(city_slug=str(turn)))
        reconciler = Reconciler(clock, "app", "1", [update.queue], [changed])
        await reconciler.apply()
        await move_to_next_slot(clock)
        await Ticker(clock, [update.queue]).tick()
        ran += await due(clock, update.queue)
    assert len(ran) == 3


async def test_a_pause_wins_over_a_change_that_was_decided_before_it(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    reconciler = Reconciler(clock, "app", "1", [update.queue], [minutely(update)])
    await reconciler.apply()
    later = Reconciler(clock, "app", "2", [update.queue], [minutely(update, "*/5 * * * *")])
    [change] = (await later.plan())[update.queue]
    await pausing.pause(clock, update.queue, "minutely")
    await later._make(update.queue, change)
    assert await clock.schedules(update.queue) == []
    assert [change.kind for change in (await later.plan())[update.queue]] == ["paused"]


async def test_replicas_of_one_release_with_other_schedules_do_not_undo_each_other_for_ever(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P15: whoever starts last holds; looking again now and then changes nothing."""
    first = scheduler_of(clock, minutely(update))
    await first.apply()
    await scheduler_of(clock, minutely(update, "0 4 * * *")).apply()
    await first.apply(again=True)
    [stored] = await clock.schedules(update.queue)
    assert stored.timing.pattern == "0 4 * * *"


# ── ticking ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_before_a_slot_is_due_a_tick_does_nothing_and_says_when_to_come_again(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    before = await clock.schedules(update.queue)
    assert await scheduler.tick() == pytest.approx(LONGEST_REST_S, abs=0.1)
    await clock.move_clock(60 - clock.now() % 60 - 2.0)
    assert 1.5 < await scheduler.tick() <= 2.0
    assert await clock.schedules(update.queue) == before


async def test_a_tick_makes_the_next_slots_job_when_one_is_due_though_nobody_works_it(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """A busy queue does not run cron late."""
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    slots: list[float] = []
    for _ in range(3):
        slots.append(await move_to_next_slot(clock))
        await scheduler.tick()
        assert [record.id for record in await delayed(clock, update.queue)][-1:] == [slot_id(slots[-1] + 60)]
    assert await due(clock, update.queue) == [slot_id(slot) for slot in slots]


@pytest.mark.parametrize("tickers", [2, 7])
async def test_however_many_tick_a_slot_makes_one_job(
    clock: Movable, update: Job[UpdateStats, None, Any], tickers: int
) -> None:
    """P13."""
    schedulers = [scheduler_of(clock, minutely(update)) for _ in range(tickers)]
    await schedulers[0].apply()
    slots: list[float] = []
    for _ in range(4):
        slots.append(await move_to_next_slot(clock))
        await asyncio.gather(*(scheduler.tick() for scheduler in schedulers))
    assert await due(clock, update.queue) == [slot_id(slot) for slot in slots]
    assert len(await delayed(clock, update.queue)) == 1


@pytest.mark.parametrize("times", [{"pattern": MINUTELY}, {"every_s": 60.0}], ids=["pattern", "period"])
@pytest.mark.parametrize(("missed", "made_up_for"), [("skip", 0), ("once", 1), ("all", 10)])
async def test_slots_that_passed_while_nobody_ticked_are_made_up_for_as_declared(
    clock: Movable, update: Job[UpdateStats, None, Any], times: dict[str, Any], missed: Missed, made_up_for: int
) -> None:
    """P14: ten of them."""
    scheduler = scheduler_of(clock, Schedule("minutely", update, missed=missed, **times))
    await scheduler.apply()
    first = (clock.now() // 60 + 1) * 60
    await clock.move_clock(600)
    for _ in range(2):
        await scheduler.tick()
    assert await due(clock, update.queue) == [slot_id(first + 60 * n) for n in range(made_up_for)]
    [record] = await delayed(clock, update.queue)
    assert record.id == slot_id((clock.now() // 60 + 1) * 60)


async def test_a_slot_that_is_ticked_a_little_late_is_not_missed(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    scheduler = scheduler_of(clock, replace(minutely(update, "0 * * * *"), missed="skip"))
    await scheduler.apply()
    slot = (clock.now() // 3600 + 1) * 3600
    await clock.move_clock(slot + 30 - clock.now())
    await scheduler.tick()
    assert await due(clock, update.queue) == [slot_id(slot)]


@pytest.mark.parametrize("bound", [{"limit": 3}, {"end": 150.0}])
async def test_a_schedule_ends_at_its_limit_or_its_end(
    clock: Movable, update: Job[UpdateStats, None, Any], bound: dict[str, Any]
) -> None:
    if "end" in bound:
        end = (clock.now() // 60 + 1) * 60 + bound["end"]
        bound = {"end": datetime.fromtimestamp(end, UTC)}
    scheduler = scheduler_of(clock, Schedule("minutely", update, MINUTELY, **bound))
    await scheduler.apply()
    slots: list[float] = []
    for _ in range(6):
        slots.append(await move_to_next_slot(clock))
        await scheduler.tick()
        await scheduler.apply()
    assert await due(clock, update.queue) == [slot_id(slot) for slot in slots[:3]]
    assert await delayed(clock, update.queue) == []


async def test_a_slot_that_has_its_job_already_does_not_stop_the_schedule(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P13: BullMQ's script answers as if another had been first, and would do so for ever."""
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    [stored] = await clock.schedules(update.queue)
    assert stored.next_at is not None
    # As a worker leaves it whose clock is a minute ahead.
    await clock.put_schedule(update.queue, replace(stored, next_at=stored.next_at + 60))
    await clock.promote(update.queue, slot_id(stored.next_at + 60))
    assert await due(clock, update.queue) == [slot_id(stored.next_at + 60)]
    await clock.put_schedule(update.queue, stored)
    await move_to_next_slot(clock)
    await scheduler.tick()
    assert await due(clock, update.queue) == [slot_id(stored.next_at)]
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(stored.next_at + 120)]


@pytest.mark.parametrize("lost", ["removed by hand", "run ahead of its time"])
async def test_a_schedule_whose_job_to_come_is_lost_gets_another_one(
    clock: Movable, update: Job[UpdateStats, None, Any], lost: str
) -> None:
    """Else it would stay listed and never run again."""
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    [record] = await delayed(clock, update.queue)
    if lost == "removed by hand":
        await lose(clock, update.queue, record.id)
    else:
        await clock.promote(update.queue, record.id)
        [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
        await clock.exchange(update.queue, [Settlement(fetched, Completed())], 0, LEASE)
    await Ticker(clock, [update.queue]).watch()
    slot = (clock.now() // 60 + 2) * 60
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(slot)]
    [stored] = await clock.schedules(update.queue)
    assert stored.next_at == slot


async def lose(clock: Movable, queue: str, job_id: str) -> None:
    """Remove a job behind the broker's back: by itself it refuses to."""
    if isinstance(clock, MovableBullMQ):
        await clock._connection.run("ZREM", f"bull:{queue}:delayed", job_id)
        await clock._connection.run("DEL", f"bull:{queue}:{job_id}")
    elif isinstance(clock, MemoryBroker):
        clock._queues[queue].take(job_id)
        del clock._queues[queue].jobs[job_id]


async def test_a_broken_schedule_beside_it_holds_up_no_other(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """B17: another program may store what nobody can read."""
    await clock.put_schedule(update.queue, StoredSchedule("bad", "any", Timing("often"), "{}", clock.now() - 5))
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    slot = await move_to_next_slot(clock)
    await scheduler.tick()
    assert slot_id(slot) in await due(clock, update.queue)
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(slot + 60)]


class Stuck(MemoryBroker):
    """Never lets a schedule advance."""

    async def advance_schedule(self, queue: str, schedule: StoredSchedule, next_at: float) -> bool:
        return False


async def test_a_schedule_that_cannot_advance_does_not_make_its_ticker_spin(
    update: Job[UpdateStats, None, Any],
) -> None:
    stuck = Stuck()
    scheduler = scheduler_of(stuck, minutely(update))
    await scheduler.apply()
    await stuck.move_clock(120)
    assert await scheduler.tick() > 0.01


class Away(MemoryBroker):
    """Not there when it is first asked."""

    asked = 0

    async def schedules(self, queue: str, *, until: float | None = None) -> list[StoredSchedule]:
        self._ask()
        return await super().schedules(queue, until=until)

    async def notes(self, queue: str, *names: str) -> dict[str, str]:
        self._ask()
        return await super().notes(queue, *names)

    def _ask(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise BrokerUnavailable("gone for lunch")


async def test_a_ticker_goes_on_when_the_broker_was_away(
    update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barback.schedules.ticker.RETRY_S", 0.01)
    away = Away()
    ticking = asyncio.create_task(scheduler_of(away, minutely(update)).run())
    await until(lambda: away.asked >= 2)
    assert not ticking.done()
    ticking.cancel()
    await asyncio.wait([ticking])


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────


async def watched_run(clock: Movable, queue: str) -> tuple[FetchedJob, Outcome]:
    """Fetch the next job and let it run, or not, as a worker would."""
    [fetched] = (await clock.exchange(queue, [], 1, LEASE)).jobs

    async def run() -> Outcome:
        return Completed('"ran"')

    return fetched, await Runs(clock).watch(fetched, run)


@pytest.mark.parametrize(("overlap", "second"), [("allow", '"ran"'), ("skip", "skipped")])
async def test_a_slot_that_comes_while_an_earlier_one_still_runs_is_left_out_if_so_declared(
    clock: Movable, update: Job[UpdateStats, None, Any], overlap: Overlap, second: str
) -> None:
    scheduler = scheduler_of(clock, replace(minutely(update), overlap=overlap))
    await scheduler.apply()
    results: list[str] = []
    for _ in range(2):
        await move_to_next_slot(clock)
        await scheduler.tick()
        _, outcome = await watched_run(clock, update.queue)
        assert isinstance(outcome, Completed)
        results.append(outcome.result)
    assert results[0] == '"ran"'
    assert second in results[1]


async def test_a_missed_slot_that_is_fetched_before_anybody_ticked_is_left_out_if_so_declared(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P14: a worker that was cut off fetches first."""
    await scheduler_of(clock, replace(minutely(update), missed="skip")).apply()
    await clock.move_clock(600)
    _, outcome = await watched_run(clock, update.queue)
    assert outcome == Completed('{"skipped": "its slot was missed"}')
    [stored] = await clock.schedules(update.queue)
    assert stored.next_at == (clock.now() // 60 + 1) * 60


async def test_a_missed_slot_that_is_fetched_before_it_is_taken_back_is_left_out_all_the_same(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P14: ticker and fetch of a worker that comes back run side by side."""
    scheduler = scheduler_of(clock, replace(minutely(update), missed="skip"))
    await scheduler.apply()
    await clock.move_clock(600)
    [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
    await scheduler.tick()
    outcome = await Runs(clock).watch(fetched, never)
    assert outcome == Completed('{"skipped": "its slot was missed"}')


async def test_a_missed_slot_that_was_fetched_is_left_out_though_later_ones_are_missed_meanwhile(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P14: workers that come back start slowly."""
    scheduler = scheduler_of(clock, replace(minutely(update), missed="skip"))
    await scheduler.apply()
    await clock.move_clock(600)
    [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
    for _ in range(3):
        await scheduler.tick()
        await clock.move_clock(600)
    assert await Runs(clock).watch(fetched, never) == Completed('{"skipped": "its slot was missed"}')


async def test_a_ticker_that_was_not_the_first_does_not_take_back_that_a_slot_is_left_out(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P14: of two that come back at the same moment."""
    await scheduler_of(clock, replace(minutely(update), missed="skip")).apply()
    await clock.move_clock(600)
    [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
    [schedule] = await clock.schedules(update.queue)
    await asyncio.gather(*(Ticker(clock, [update.queue]).advance(update.queue, schedule) for _ in range(3)))
    assert await Runs(clock).watch(fetched, never) == Completed('{"skipped": "its slot was missed"}')


async def never() -> Outcome:
    pytest.fail("it was run")


async def test_what_became_of_the_last_run_is_written_down(clock: Movable, update: Job[UpdateStats, None, Any]) -> None:
    scheduler = scheduler_of(clock, minutely(update))
    await scheduler.apply()
    await move_to_next_slot(clock)
    await scheduler.tick()
    fetched, _ = await watched_run(clock, update.queue)
    run = read_runs(await clock.notes(update.queue))["minutely"]
    assert (run.job_id, run.outcome, run.reason) == (fetched.id, "completed", "")
    assert run.started_at <= run.ended_at == pytest.approx(clock.now(), abs=1)


async def test_while_the_broker_is_away_a_schedules_job_waits_to_be_run(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is to run cannot be asked, nor a repeatable be continued."""
    monkeypatch.setattr("barback.schedules.runs.ASK_AGAIN_S", 0.01)
    await scheduler_of(clock, minutely(update)).apply()
    await move_to_next_slot(clock)
    [fetched] = (await clock.exchange(update.queue, [], 1, LEASE)).jobs
    away = Away()

    async def run() -> Outcome:
        assert away.asked == 2
        return Completed()

    assert await Runs(away).watch(fetched, run) == Completed()


async def test_a_change_that_was_interrupted_is_made_again(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P15: of options, which nothing but the mark tells."""
    await scheduler_of(clock, minutely(update)).apply()
    declared = replace(minutely(update), job=replace(update, options=replace(update.options, attempts=9)))
    put = clock.put_schedule

    async def cut(queue: str, schedule: StoredSchedule) -> None:
        raise BrokerUnavailable("cut off")

    monkeypatch.setattr(clock, "put_schedule", cut)
    with pytest.raises(BrokerUnavailable):
        await scheduler_of(clock, declared).apply()
    monkeypatch.setattr(clock, "put_schedule", put)
    await scheduler_of(clock, declared).apply()
    [stored] = await clock.schedules(update.queue)
    assert stored.options.attempts == 9


async def test_a_pause_while_it_is_being_put_holds(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = clock.put_schedule

    async def pause_first(queue: str, schedule: StoredSchedule) -> None:
        await pausing.pause(clock, queue, schedule.id)
        await put(queue, schedule)

    monkeypatch.setattr(clock, "put_schedule", pause_first)
    await scheduler_of(clock, minutely(update)).apply()
    assert await clock.schedules(update.queue) == []


async def test_a_repeatable_of_the_same_id_is_left_alone(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P15."""

    async def repeatables(queue: str) -> list[StoredSchedule]:
        return [StoredSchedule("minutely", "theirs", Timing(MINUTELY), "{}", clock.now() + 60)]

    monkeypatch.setattr(clock, "repeatables", repeatables)
    reconciler = Reconciler(clock, "app", "1", [update.queue], [minutely(update)])
    assert [change.kind for change in (await reconciler.plan())[update.queue]] == ["taken"]
    await reconciler.apply()
    assert await clock.schedules(update.queue) == []


# ── with a worker ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_runs_a_schedule_on_time(broker: BullMQBroker, queue_name: str) -> None:
    """P13: started in its slot's second, each slot once."""
    started: list[tuple[str, float]] = []

    @job("tick", queue=queue_name)
    async def ticks(payload: UpdateStats, ctx: Context[None]) -> None:
        started.append((ctx.job_id, time.time()))

    app = App(jobs=[ticks], services=no_services, schedules=(Schedule("secondly", ticks, "* * * * * *"),))
    async with working_app(broker, app):
        await until(lambda: len(started) == 3)
    slots = [float(job_id.rpartition(":")[2]) / 1000 for job_id, _ in started]
    assert [slot - slots[0] for slot in slots] == [0, 1, 2]
    assert all(-0.01 < at - slot < 0.3 for slot, (_, at) in zip(slots, started, strict=True))


@pytest.mark.parametrize("options", [{"schedules": False}, {"queues": ["other"]}])
async def test_a_worker_that_does_not_schedule_puts_nothing(
    broker: BullMQBroker, update: Job[UpdateStats, None, Any], options: dict[str, Any]
) -> None:
    other_queue = f"{update.queue}-other"

    @job("other", queue=other_queue)
    async def other(payload: UpdateStats, ctx: Context[None]) -> None: ...

    app = App(jobs=[update, other], services=no_services, schedules=(minutely(update),))
    if "queues" in options:
        options = {"queues": (other_queue,)}
    await Worker(app, broker, WorkerOptions(**options)).run(until_drained=True)
    assert await broker.schedules(update.queue) == []


async def test_until_drained_does_not_wait_for_a_schedules_next_slot(
    broker: BullMQBroker, update: Job[UpdateStats, None, Any]
) -> None:
    daily = minutely(update, pattern="0 0 29 2 *")
    app = App(jobs=[update], services=no_services, schedules=(daily,))
    async with asyncio.timeout(5):
        assert await Worker(app, broker).run(until_drained=True) == WorkerReport()
    assert len(await broker.schedules(update.queue)) == 1


async def test_a_schedule_has_the_limits_of_its_worker(clock: Movable, update: Job[UpdateStats, None, Any]) -> None:
    large = Schedule("large", update, MINUTELY, payload=UpdateStats(city_slug="x" * 1024))
    with pytest.raises(InvalidPayload, match="the limit is 1 KB"):
        await Scheduler(clock, "app", "1", [update.queue], [large], limits=PayloadLimits(limit_bytes=1024)).apply()
    assert await clock.schedules(update.queue) == []
    options = WorkerOptions(payload_limits=PayloadLimits(limit_bytes=1024))
    with pytest.raises(InvalidPayload, match="the limit is 1 KB"):
        async with asyncio.timeout(5):
            await Worker(App([update], no_services, schedules=(large,)), MemoryBroker(), options).run()
