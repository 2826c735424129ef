"""Schedules of either side as the other sees and continues them (C5, P13)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from barback.broker import StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Timing
from barback.options import JobOptions
from barback.schedules.ticker import Ticker

from .side import NodeQueue

AT_MS = round(datetime(2040, 1, 1, tzinfo=UTC).timestamp() * 1000)
REPEATS: list[dict[str, Any]] = [
    {"pattern": "0 3 * * *", "tz": "Europe/Berlin"},
    {"pattern": "*/10 0 3 * * *", "tz": "UTC", "limit": 5},
    {"pattern": "0 3 * * *", "tz": "UTC", "startDate": AT_MS - 10**9, "endDate": AT_MS + 10**9},
    {"every": 90_000, "offset": 30_000},
    {"every": 1_000, "offset": 250, "limit": 9, "endDate": AT_MS},
]
ids = [str(sorted(repeat)) for repeat in REPEATS]


def timing_of(repeat: dict[str, Any]) -> Timing:
    def seconds(name: str) -> float | None:
        return repeat[name] / 1000 if name in repeat else None

    return Timing(
        repeat.get("pattern"),
        seconds("every"),
        repeat.get("tz", "UTC"),
        seconds("offset") or 0.0,
        seconds("startDate"),
        seconds("endDate"),
        repeat.get("limit"),
    )


@pytest.mark.parametrize("repeat", REPEATS, ids=ids)
async def test_both_sides_see_the_same_of_a_schedule_whoever_put_it(
    repeat: dict[str, Any], theirs: NodeQueue, broker: BullMQBroker
) -> None:
    await theirs.upsert_scheduler("one", repeat, {"name": "stats", "data": {"n": 1}})
    [by_node] = await theirs.schedulers()
    [read] = await broker.schedules(theirs.name)
    assert (read.id, read.name, read.data, read.made) == ("one", "stats", '{"n":1}', 1)
    assert read.timing == timing_of(repeat)
    assert read.next_at * 1000 == by_node["next"]
    await theirs.remove_scheduler("one")
    await broker.put_schedule(theirs.name, StoredSchedule("one", "stats", read.timing, '{"n":1}', read.next_at))
    [by_python] = await theirs.schedulers()
    # The options of its jobs are ours.
    options = by_python["template"].pop("opts")
    assert options["attempts"] == JobOptions().attempts
    by_node["template"].pop("opts", None)
    assert by_python == by_node


@pytest.mark.parametrize(
    "repeat", [{"pattern": "* * * * * *", "tz": "UTC"}, {"every": 1_000}, {"every": 1_000, "offset": 250}]
)
async def test_a_schedule_of_node_goes_on_by_our_ticker(
    repeat: dict[str, Any], theirs: NodeQueue, broker: BullMQBroker
) -> None:
    """Nobody of Node's works the queue any more."""
    await theirs.upsert_scheduler("one", repeat, {"name": "stats", "data": {"n": 1}, "opts": {"attempts": 4}})
    [first] = await broker.schedules(theirs.name)
    await _pass(broker, first.next_at)
    await Ticker(broker, [theirs.name]).tick()
    [after] = await broker.schedules(theirs.name)
    # If the machine stood still for a second, one for all of them.
    assert (after.next_at - first.next_at) % 1 == pytest.approx(0, abs=0.001)
    assert after.next_at > first.next_at
    assert after.made == 2
    job = await theirs.get(f"repeat:one:{round(after.next_at * 1000)}")
    assert (job.name, job.data, job.repeatJobKey, job.opts["attempts"]) == ("stats", {"n": 1}, "one", 4)
    assert job.opts["repeat"]["count"] == 2


async def test_a_period_of_ours_goes_on_by_a_node_worker_in_the_same_slots(
    theirs: NodeQueue, broker: BullMQBroker
) -> None:
    timing = Timing(every_s=1.0, offset_s=0.25)
    slot = timing.following(broker.now(), 1)[0]
    await broker.put_schedule(theirs.name, StoredSchedule("often", "told", timing, "{}", slot))
    await theirs.work()
    first = f"repeat:often:{round(slot * 1000)}"
    assert await theirs.wait_until_finished(first) == {"id": first, "attempt": 1, "starts": 1}
    [after] = await broker.schedules(theirs.name)
    assert after.timing == timing
    assert after.next_at > slot
    await theirs.stop_workers()
    await theirs.remove_scheduler("often")


async def _pass(broker: BullMQBroker, moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - broker.now()) + 0.01)
