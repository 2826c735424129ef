"""Schedules: put once, replaced when declared differently, and advanced when due by exactly one of any number."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from barback.app import App, no_services
from barback.broker import Broker, JobRecord, Lease, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Schedule
from barback.errors import BrokerUnavailable, InvalidPayload
from barback.job import Context, Job, job
from barback.memory import MemoryBroker
from barback.options import JobOptions
from barback.payload import Payload
from barback.payload_limits import PayloadLimits
from barback.scheduler import LONGEST_REST_S, Scheduler
from barback.worker import Worker, WorkerOptions, WorkerReport

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
    await Scheduler(clock, [minutely(update, payload=UpdateStats(city_slug="köln"))]).apply()
    slot = (clock.now() // 60 + 1) * 60
    [stored] = await clock.schedules(update.queue)
    assert stored == StoredSchedule("minutely", "update-stats", MINUTELY, "Europe/Berlin", '{"citySlug":"köln"}', slot)
    [record] = await delayed(clock, update.queue)
    assert (record.id, record.name, record.data) == (slot_id(slot), "update-stats", '{"citySlug":"köln"}')
    assert (record.options.attempts, record.options.priority, record.schedule_id) == (3, 5, "minutely")


async def test_applying_again_changes_nothing_whoever_does_it(
    clock: Movable, update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await Scheduler(clock, [minutely(update)]).apply()
    before = await clock.schedules(update.queue), await delayed(clock, update.queue)

    async def put(*_: object) -> None:
        pytest.fail("it was put again, which would delete a due job that waits")

    monkeypatch.setattr(clock, "put_schedule", put)
    for _ in range(2):
        await Scheduler(clock, [minutely(update)]).apply()
    assert (await clock.schedules(update.queue), await delayed(clock, update.queue)) == before


@pytest.mark.parametrize(
    "declared", [{"pattern": "30 4 * * *"}, {"tz": "America/New_York"}, {"payload": UpdateStats(city_slug="köln")}]
)
async def test_a_schedule_that_is_declared_differently_is_replaced_with_its_job(
    clock: Movable, update: Job[UpdateStats, None, Any], declared: dict[str, Any]
) -> None:
    base = minutely(update, pattern="0 3 * * *")
    await Scheduler(clock, [base]).apply()
    changed = replace(base, **declared)
    await Scheduler(clock, [changed]).apply()
    [stored] = await clock.schedules(update.queue)
    assert (stored.pattern, stored.tz) == (changed.pattern, changed.tz)
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
    await Scheduler(clock, [minutely(update)]).apply()
    slot = await move_to_next_slot(clock)
    await Scheduler(clock, [minutely(update, "*/5 * * * *")]).apply()
    assert await due(clock, update.queue) == [slot_id(slot)]
    [stored] = await clock.schedules(update.queue)
    assert stored.pattern == "*/5 * * * *"
    assert len(await delayed(clock, update.queue)) == 1


async def test_schedules_of_others_are_left_alone(clock: Movable, update: Job[UpdateStats, None, Any]) -> None:
    theirs = StoredSchedule("theirs", "their-job", "0 5 * * *", "UTC", "{}", clock.now() - 1)
    await clock.put_schedule(update.queue, theirs, JobOptions())
    scheduler = Scheduler(clock, [minutely(update)])
    await scheduler.apply()
    await scheduler.tick()
    stored = {schedule.id: schedule for schedule in await clock.schedules(update.queue)}
    assert stored["theirs"].pattern == "0 5 * * *"
    assert stored["theirs"].next_at == pytest.approx(clock.now() - 1, abs=1.0)


async def test_a_slot_whose_job_was_run_ahead_of_time_is_not_put_again(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P13: BullMQ refuses it, which must keep no worker from starting."""
    await Scheduler(clock, [minutely(update)]).apply()
    slot = (clock.now() // 60 + 1) * 60
    await clock.promote(update.queue, slot_id(slot))
    assert await due(clock, update.queue) == [slot_id(slot)]
    await Scheduler(clock, [minutely(update, payload=UpdateStats(city_slug="köln"))]).apply()
    [stored] = await clock.schedules(update.queue)
    assert (stored.data, stored.next_at) == ('{"citySlug":"köln"}', slot + 60)
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(slot + 60)]


# ── ticking ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_before_a_slot_is_due_a_tick_does_nothing_and_says_when_to_come_again(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    scheduler = Scheduler(clock, [minutely(update)])
    await scheduler.apply()
    before = await clock.schedules(update.queue)
    assert await scheduler.tick() == LONGEST_REST_S
    await clock.move_clock(60 - clock.now() % 60 - 2.0)
    assert 1.5 < await scheduler.tick() <= 2.0
    assert await clock.schedules(update.queue) == before


async def test_a_tick_makes_the_next_slots_job_when_one_is_due_though_nobody_works_it(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """A busy queue does not run cron late."""
    scheduler = Scheduler(clock, [minutely(update)])
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
    schedulers = [Scheduler(clock, [minutely(update)]) for _ in range(tickers)]
    await schedulers[0].apply()
    slots: list[float] = []
    for _ in range(4):
        slots.append(await move_to_next_slot(clock))
        await asyncio.gather(*(scheduler.tick() for scheduler in schedulers))
    assert await due(clock, update.queue) == [slot_id(slot) for slot in slots]
    assert len(await delayed(clock, update.queue)) == 1


async def test_slots_that_passed_while_nobody_ticked_make_one_job_and_no_heap(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    scheduler = Scheduler(clock, [minutely(update)])
    await scheduler.apply()
    first = (clock.now() // 60 + 1) * 60
    await clock.move_clock(600)
    await scheduler.tick()
    assert await due(clock, update.queue) == [slot_id(first)]
    [record] = await delayed(clock, update.queue)
    assert record.id == slot_id((clock.now() // 60 + 1) * 60)


async def test_a_slot_that_has_its_job_already_does_not_stop_the_schedule(
    clock: Movable, update: Job[UpdateStats, None, Any]
) -> None:
    """P13: BullMQ's script answers as if another had been first, and would do so for ever."""
    scheduler = Scheduler(clock, [minutely(update)])
    await scheduler.apply()
    [stored] = await clock.schedules(update.queue)
    assert stored.next_at is not None
    # As a worker leaves it whose clock is a minute ahead.
    await clock.put_schedule(update.queue, replace(stored, next_at=stored.next_at + 60), JobOptions())
    await clock.promote(update.queue, slot_id(stored.next_at + 60))
    assert await due(clock, update.queue) == [slot_id(stored.next_at + 60)]
    await clock.put_schedule(update.queue, stored, JobOptions())
    await move_to_next_slot(clock)
    await scheduler.tick()
    assert await due(clock, update.queue) == [slot_id(stored.next_at)]
    assert [record.id for record in await delayed(clock, update.queue)] == [slot_id(stored.next_at + 120)]


class Stuck(MemoryBroker):
    """Never lets a schedule advance."""

    async def advance_schedule(self, queue: str, schedule: StoredSchedule, next_at: float, options: JobOptions) -> bool:
        return False


async def test_a_schedule_that_cannot_advance_does_not_make_its_ticker_spin(
    update: Job[UpdateStats, None, Any],
) -> None:
    stuck = Stuck()
    scheduler = Scheduler(stuck, [minutely(update)])
    await scheduler.apply()
    await stuck.move_clock(120)
    assert await scheduler.tick() > 0.01


class Away(MemoryBroker):
    """Not there when it is first asked."""

    asked = 0

    async def schedules(self, queue: str) -> list[StoredSchedule]:
        self.asked += 1
        if self.asked == 1:
            raise BrokerUnavailable("gone for lunch")
        return await super().schedules(queue)


async def test_a_ticker_goes_on_when_the_broker_was_away(
    update: Job[UpdateStats, None, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barback.scheduler.RETRY_S", 0.01)
    away = Away()
    ticking = asyncio.create_task(Scheduler(away, [minutely(update)]).run())
    await until(lambda: away.asked == 2)
    assert not ticking.done()
    ticking.cancel()
    await asyncio.wait([ticking])


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
        await Scheduler(clock, [large], limits=PayloadLimits(limit_bytes=1024)).apply()
    assert await clock.schedules(update.queue) == []
    options = WorkerOptions(payload_limits=PayloadLimits(limit_bytes=1024))
    with pytest.raises(InvalidPayload, match="the limit is 1 KB"):
        async with asyncio.timeout(5):
            await Worker(App([update], no_services, schedules=(large,)), MemoryBroker(), options).run()
