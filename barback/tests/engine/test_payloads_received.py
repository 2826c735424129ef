"""Payloads that others wrote, larger and deeper than is enqueued here: worked, or failed once with the reason."""

from typing import Any

import pytest

from barback.broker import JobRecord, NewJob
from barback.bullmq import BullMQBroker
from barback.job import Context, Job, job
from barback.options import JobOptions
from barback.payload import Payload
from barback.worker_options import WorkerReport

from .working import drained


class Anything(Payload, frozen=True):
    value: Any = None


@pytest.fixture
def measure(queue_name: str) -> Job[Anything, None, Any]:
    @job("measure", queue=queue_name)
    async def measures(payload: Anything, ctx: Context[None]) -> int:
        return len(str(payload.value))

    return measures


async def work(broker: BullMQBroker, measure: Job[Anything, None, Any], data: str) -> tuple[WorkerReport, JobRecord]:
    """Add it as it is, with attempts that would allow a second one, and another job after it."""
    jobs = [NewJob(measure.queue, measure.name, text, JobOptions(attempts=3)) for text in (data, '{"value":"after"}')]
    await broker.add(jobs)
    report = await drained(broker, measure)
    after = await broker.get(measure.queue, "2")
    assert after is not None
    assert after.result == "5"
    record = await broker.get(measure.queue, "1")
    assert record is not None
    assert record.attempts_made == record.starts == 1
    return report, record


@pytest.mark.parametrize("text", ["x", "ü", "🚲"])
async def test_five_megabytes_are_worked(broker: BullMQBroker, measure: Job[Anything, None, Any], text: str) -> None:
    """P18."""
    report, record = await work(broker, measure, f'{{"value":"{text * (5 * 2**20 // len(text.encode()))}"}}')
    assert report == WorkerReport(completed=2)
    assert record.result == str(5 * 2**20 // len(text.encode()))


@pytest.mark.parametrize("levels", [101, 200])
async def test_more_levels_than_are_enqueued_here_are_worked(
    broker: BullMQBroker, measure: Job[Anything, None, Any], levels: int
) -> None:
    """P18."""
    report, record = await work(broker, measure, '{"value":' + "[" * levels + "]" * levels + "}")
    assert report == WorkerReport(completed=2)
    assert record.result == str(2 * levels)


@pytest.mark.parametrize("levels", [201, 500, 4_000, 200_000])
async def test_more_levels_than_can_be_read_fail_once_with_the_reason(
    broker: BullMQBroker, measure: Job[Anything, None, Any], levels: int
) -> None:
    """P11, P12."""
    report, record = await work(broker, measure, '{"value":' + "[" * levels + "]" * levels + "}")
    assert report == WorkerReport(completed=1, failed=1)
    assert record.failed_reason is not None
    assert record.failed_reason.startswith(
        "Payload of 'measure' does not fit: Invalid JSON: nested deeper than the 201 levels that can be read, at line 1"
    )


async def test_five_megabytes_that_do_not_fit_fail_once_with_a_short_reason(
    broker: BullMQBroker, measure: Job[Anything, None, Any]
) -> None:
    """P11."""
    report, record = await work(broker, measure, f'{{"{"x" * 5 * 2**20}":1}}')
    assert report == WorkerReport(completed=1, failed=1)
    assert record.failed_reason is not None
    assert record.failed_reason.startswith("Payload of 'measure' does not fit: xxx")
    assert len(record.failed_reason) <= 4_000
