"""Schedules as people look at them, without the app's code."""

import json
from dataclasses import asdict, replace

import pytest

from barback.app import App, no_services
from barback.broker import NewJob, StoredSchedule
from barback.control.schedules import (
    add_declared,
    declared_timing,
    differences,
    find_queue,
    list_schedules,
    pause,
    resume,
    run_now,
)
from barback.cron import Timing
from barback.errors import BrokerError, UsageError
from barback.job import Context, job
from barback.memory import MemoryBroker
from barback.payload import NoPayload
from barback.producer import Producer
from barback.schedule import Schedule
from barback.schedules import pausing
from barback.schedules.reconciler import Reconciler
from barback.schedules.runs import Run
from barback.telemetry.published import PublishedApp, publish


@job("count", queue="cron")
async def count(payload: NoPayload, ctx: Context[None]) -> None: ...


HOURLY = Schedule("hourly", count, "0 * * * *")


@pytest.fixture
async def broker() -> MemoryBroker:
    broker = MemoryBroker()
    await broker.open()
    await Reconciler(broker, "app", "1", ["cron"], [HOURLY]).apply()
    return broker


async def test_each_is_listed_with_its_owner_and_its_next_five_times(broker: MemoryBroker) -> None:
    at = broker.now() + 1000
    await broker.put_schedule("cron", StoredSchedule("node", "count", Timing(every_s=1000.0), "{}", at))
    await Producer(broker)(count, NoPayload(), repeat=Timing("0 3 29 2 *"))
    views = {view.id: view for view in await list_schedules(broker, ["cron", "other"])}
    assert {view.id: view.owner for view in views.values()} == {"hourly": "app", "node": "other", "count": "enqueue"}
    times = views["hourly"].next_times
    assert len(times) == 5
    assert [time % 3600 for time in times] == [0] * 5
    assert not any(view.is_paused or view.is_over or view.is_late for view in views.values())


async def test_a_paused_one_is_listed_though_nothing_is_stored_of_it(broker: MemoryBroker) -> None:
    await pausing.pause(broker, "cron", "hourly")
    [view] = await list_schedules(broker, ["cron"])
    assert (view.id, view.stored, view.is_paused, view.next_times) == ("hourly", None, True, [])


async def test_one_whose_last_slot_has_come_is_over(broker: MemoryBroker) -> None:
    timing = Timing(every_s=1000.0, end_at=broker.now() + 1000)
    [slot] = timing.following(broker.now(), 5)
    await broker.put_schedule("cron", StoredSchedule("ends", "count", timing, "{}", slot))
    await broker.move_clock(2000)
    views = {view.id: view for view in await list_schedules(broker, ["cron"])}
    assert views["ends"].is_over
    assert not views["hourly"].is_over


async def test_one_whose_job_nobody_makes_is_late(broker: MemoryBroker) -> None:
    await broker.move_clock(3600 + 60)
    [view] = await list_schedules(broker, ["cron"])
    assert view.is_late
    assert view.late_s >= 60


async def test_run_by_hand_is_remembered_whatever_is_deployed(broker: MemoryBroker) -> None:
    answer = await run_now(broker, "cron", "hourly")
    await Reconciler(broker, "app", "2", ["cron"], [replace(HOURLY, pattern="5 * * * *")]).apply()
    [view] = await list_schedules(broker, ["cron"])
    assert view.run_by_hand is not None
    assert view.run_by_hand.job_id == answer.job_id  # type: ignore[union-attr]
    assert view.run_by_hand.asked_at == pytest.approx(broker.now(), abs=1)
    assert (await broker.counts("cron"))["waiting"] == 1


async def test_one_that_is_paused_runs_by_hand_only_with_its_job(broker: MemoryBroker) -> None:
    await pausing.pause(broker, "cron", "hourly")
    with pytest.raises(BrokerError, match="it is paused, over, or unknown"):
        await run_now(broker, "cron", "hourly")
    await run_now(broker, "cron", "hourly", NewJob("cron", "count", "{}"))
    assert (await broker.counts("cron"))["waiting"] == 1


async def test_its_queue_is_found_by_its_id(broker: MemoryBroker) -> None:
    assert await find_queue(broker, ["other", "cron"], "hourly") == "cron"
    with pytest.raises(UsageError, match=r"no schedule 'hurly' in other, cron\. Did you mean 'hourly'"):
        await find_queue(broker, ["other", "cron"], "hurly")


async def test_one_of_another_program_cannot_be_paused(broker: MemoryBroker) -> None:
    at = broker.now() + 1000
    await broker.put_schedule("cron", StoredSchedule("node", "count", Timing(every_s=1000.0), "{}", at))
    with pytest.raises(BrokerError, match="was not put by barback"):
        await pausing.pause(broker, "cron", "node")


# ── what differs from the code ──────────────────────────────────────────────────────────────────────────


def declared(*schedules: Schedule) -> list[PublishedApp]:
    return [publish(App([count], no_services, schedules, name="app"), "1", 0.0)]


async def difference(broker: MemoryBroker, apps: list[PublishedApp]) -> dict[str, list[str]]:
    views = add_declared(await list_schedules(broker, ["cron"]), apps, ["cron"])
    return {view.id: list(differences(view, apps)) for view in views}


async def test_one_that_is_as_declared_differs_in_nothing(broker: MemoryBroker) -> None:
    assert await difference(broker, declared(HOURLY)) == {"hourly": []}


async def test_other_times_than_the_apps_are_told(broker: MemoryBroker) -> None:
    apps = declared(replace(HOURLY, pattern="5 * * * *"))
    assert await difference(broker, apps) == {"hourly": ["timing"]}
    [view] = await list_schedules(broker, ["cron"])
    assert declared_timing(view, apps) == Timing("5 * * * *")


async def test_one_that_was_paused_or_run_by_hand_is_told_so_until_it_is_as_before(broker: MemoryBroker) -> None:
    apps = declared(HOURLY)
    await run_now(broker, "cron", "hourly")
    await pause(broker, "cron", "hourly")
    assert await difference(broker, apps) == {"hourly": ["paused", "run-by-hand"]}
    await resume(broker, "cron", "hourly")
    assert await difference(broker, apps) == {"hourly": ["not-put", "run-by-hand"]}
    await Reconciler(broker, "app", "1", ["cron"], [HOURLY]).apply()
    ran = Run("x", "completed", broker.now() + 1, broker.now() + 2)
    await broker.set_notes("cron", {"run:hourly": json.dumps(asdict(ran))})
    assert await difference(broker, apps) == {"hourly": []}


async def test_one_that_the_app_does_not_declare_any_more_and_one_not_put_yet_are_told(broker: MemoryBroker) -> None:
    apps = declared(Schedule("new", count, "0 3 * * *"))
    assert await difference(broker, apps) == {"hourly": ["not-declared"], "new": ["not-put"]}
    assert add_declared([], apps, ["other"]) == []


async def test_of_apps_that_have_not_said_anything_nothing_is_told(broker: MemoryBroker) -> None:
    assert await difference(broker, []) == {"hourly": []}
