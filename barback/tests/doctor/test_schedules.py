"""What the doctor says of schedules."""

import pytest

from barback.broker import StoredSchedule
from barback.cron import Timing
from barback.doctor.gathering import gather_schedules
from barback.doctor.schedules import check_schedules_of
from barback.finding import Finding
from barback.memory import MemoryBroker

DAILY = Timing("0 3 * * *", tz="Europe/Berlin")


class WithRepeatable(MemoryBroker):
    async def repeatables(self, queue: str) -> list[StoredSchedule]:
        return [StoredSchedule("7a5e", "send-mails", DAILY, "{}", self.now() + 60)]


@pytest.fixture
async def broker() -> MemoryBroker:
    broker = MemoryBroker()
    await broker.open()
    return broker


async def put(broker: MemoryBroker, timing: Timing = DAILY) -> StoredSchedule:
    await broker.put_schedule("cron", StoredSchedule("nightly", "count", timing, "{}", broker.now() + 60))
    [stored] = await broker.schedules("cron")
    return stored


async def check(broker: MemoryBroker) -> list[Finding]:
    return check_schedules_of(broker.now(), await gather_schedules(broker, "cron"))


async def test_of_a_whole_schedule_nothing_is_said(broker: MemoryBroker) -> None:
    await put(broker)
    assert await check(broker) == []


async def test_a_repeatable_of_bullmq_5_is_told_how_to_become_a_schedule() -> None:
    broker = WithRepeatable()
    await broker.open()
    [finding] = await check(broker)
    assert (finding.check, finding.level) == ("repeatables", "warning")
    assert "'send-mails' comes from a repeatable of BullMQ 5 (At 03:00 every day (Europe/Berlin))" in finding.text
    assert 'Schedule("send-mails-…", …, "0 3 * * *", tz="Europe/Berlin")' in finding.advice
    assert "barback schedules remove 7a5e --queue cron" in finding.advice


async def test_one_whose_jobs_nobody_makes_is_an_error(broker: MemoryBroker) -> None:
    await put(broker)
    await broker.move_clock(160)
    [finding] = await check(broker)
    assert (finding.level, finding.text) == (
        "error", "Schedule 'nightly' of 'cron' has been due for 100 s: nobody makes its jobs.",
    )  # fmt: skip
    assert "Start a worker of queue 'cron'" in finding.advice


@pytest.mark.parametrize(
    ("timing", "why"),
    [
        (Timing("0 3 * * *", tz="Mars/North"), "zone 'Mars/North' is not known"),
        (Timing("every full moon"), "pattern 'every full moon' cannot be used"),
    ],
)
async def test_one_of_another_program_that_cannot_be_read_is_an_error(
    timing: Timing, why: str, broker: MemoryBroker
) -> None:
    await put(broker, timing)
    [finding] = await check(broker)
    assert finding.level == "error"
    assert why in finding.text


async def test_one_whose_next_job_was_removed_is_a_warning(broker: MemoryBroker) -> None:
    stored = await put(broker)
    job = broker._queues["cron"]
    job.take(stored.job_id)
    del job.jobs[stored.job_id]
    [finding] = await check(broker)
    assert (finding.level, finding.check) == ("warning", "schedules")
    assert "has lost the job of its next slot" in finding.text
