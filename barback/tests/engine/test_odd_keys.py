"""Whatever stands in place of a queue's keys: its worker starts, works the others, and it once it is mended (P11)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog.testing

from barback import limits, pulse
from barback.app import App, no_services
from barback.broker import NewJob, QueueLimits
from barback.bullmq import BullMQBroker
from barback.errors import BrokerError
from barback.job import AnyJob, Context, job
from barback.payload import NoPayload
from barback.schedule import Schedule
from barback.schedules import scheduler
from barback.schedules.marks import RELEASE

from .eventually import eventually, until
from .working import working_app

LISTS_AND_SETS = ("wait", "active", "paused", "delayed", "prioritized", "completed", "failed", "repeat")
NO_NUMBERS = ("abc", "1.5", "9" * 5000, "\x00")


class Two:
    """An app of two queues, the first of which shall be broken; both have a schedule and a limit."""

    def __init__(self, broker: BullMQBroker, name: str) -> None:
        self.broker, self.odd, self.sound = broker, f"{name}-odd", f"{name}-sound"
        self.ran: list[str] = []
        jobs = [self._job(self.odd), self._job(self.sound)]
        self.app: App[Any] = App(
            jobs=jobs,
            services=no_services,
            schedules=tuple(Schedule(one.queue, one, "0 3 1 1 *", "UTC") for one in jobs),
            limits={one.queue: QueueLimits(concurrency=7) for one in jobs},
        )

    def _job(self, queue: str) -> AnyJob:
        @job(queue, queue=queue)
        async def handler(payload: NoPayload, ctx: Context[None]) -> None:
            self.ran.append(queue)

        return handler

    async def run(self, command: str, key: str, *arguments: Any) -> Any:
        return await self.broker._connection.run(command, f"bull:{self.odd}:{key}", *arguments)

    async def works(self, queue: str) -> None:
        self.ran.clear()
        await self.broker.add([NewJob(queue, queue, "{}")])
        await until(lambda: queue in self.ran)

    async def is_scheduled(self, queue: str) -> bool:
        return await self.broker.schedule(queue, queue) is not None

    async def limits(self, queue: str) -> QueueLimits:
        return await self.broker.inspector.limits(queue)


@pytest.fixture
def two(broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch) -> Two:
    monkeypatch.setattr(scheduler, "APPLY_EVERY_S", 0.02)
    monkeypatch.setattr(pulse, "PULSE_S", 0.02)
    monkeypatch.setattr(limits, "AGAIN_S", 0.02)
    return Two(broker, queue_name)


@pytest.mark.parametrize("key", LISTS_AND_SETS)
async def test_a_key_of_another_type_keeps_no_worker_from_starting(two: Two, key: str) -> None:
    await two.run("SET", key, "x")
    with structlog.testing.capture_logs() as logged:
        async with working_app(two.broker, two.app):
            await two.works(two.sound)
            assert await two.is_scheduled(two.sound)
            await eventually(lambda: _said(logged, two.odd, f"bull:{two.odd}:{key}"))
            await two.run("DEL", key)
            await eventually(lambda: two.is_scheduled(two.odd))
            await two.works(two.odd)


async def test_limits_and_schedules_that_cannot_be_written_are_once_their_key_is_mended(two: Two) -> None:
    await two.run("SET", "meta", "x")
    async with working_app(two.broker, two.app):
        await two.works(two.sound)
        await two.run("DEL", "meta")
        await eventually(lambda: _are(two, two.odd, QueueLimits(concurrency=7)))
        await eventually(lambda: two.is_scheduled(two.odd))
        await two.works(two.odd)


async def test_schedules_of_an_older_release_are_replaced_once_the_queue_is_mended(two: Two) -> None:
    await two.broker.set_notes(two.odd, {f"{RELEASE}{two.app.name}": "0#x"})
    await two.run("SET", "barback:schedules", "x")
    async with working_app(two.broker, two.app):
        await two.works(two.sound)
        await two.run("DEL", "barback:schedules")
        await two.broker.set_notes(two.odd, {f"{RELEASE}{two.app.name}": "0#x"})
        await eventually(lambda: two.is_scheduled(two.odd))


@pytest.mark.parametrize("text", NO_NUMBERS)
async def test_an_id_that_is_no_number_concerns_its_queue_alone(two: Two, text: str) -> None:
    async with working_app(two.broker, two.app):
        await two.works(two.odd)
        await two.run("SET", "id", text)
        assert await _pulses(two.broker, two.odd) == ([], [])
        await two.works(two.sound)
        with pytest.raises(BrokerError, match="integer"):
            await two.broker.add([NewJob(two.odd, two.odd, "{}")])
        await two.run("SET", "id", "100")
        await two.works(two.odd)


async def test_schedules_of_other_queues_go_on(two: Two) -> None:
    often = tuple(replace(one, pattern=None, tz="UTC", every_s=0.1) for one in two.app.schedules)
    await two.run("SET", "repeat", "x")
    async with working_app(two.broker, replace(two.app, schedules=often)):
        await until(lambda: two.ran.count(two.sound) > 2)


async def _said(logged: list[Any], queue: str, key: str) -> bool:
    lines: list[Mapping[str, Any]] = [one for one in logged if one["event"] == "schedules not applied"]
    return any(one["queue"] == queue and key in one["error"] for one in lines)


async def _are(two: Two, queue: str, wanted: QueueLimits) -> bool:
    return await two.limits(queue) == wanted


async def _pulses(broker: BullMQBroker, queue: str) -> tuple[list[str], list[str]]:
    losses = [await broker.pulse([queue]) for _ in range(2)]
    return [line for loss in losses for line in loss.certain], [line for loss in losses for line in loss.possible]
