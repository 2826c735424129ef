"""Jobs that kill their worker, in real processes: each is failed, and nobody else for it (P8)."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from barback.broker import NewJob, StoredSchedule
from barback.bullmq import BullMQBroker
from barback.cron import Timing

from .eventually import eventually

SCRIPT = Path(__file__).with_name("poisoned_worker.py")


@contextlib.asynccontextmanager
async def workers(url: str, queue: str) -> AsyncGenerator[list[int]]:
    """A worker that is started anew each time it dies; the exit codes so far."""
    codes: list[int] = []
    current: list[asyncio.subprocess.Process] = []

    async def keep_one_running() -> None:
        while True:
            worker = await asyncio.create_subprocess_exec(
                sys.executable, str(SCRIPT), url, queue, stderr=asyncio.subprocess.DEVNULL
            )
            current[:] = [worker]
            codes.append(await worker.wait())

    running = asyncio.create_task(keep_one_running())
    try:
        yield codes
    finally:
        running.cancel()
        await asyncio.wait([running])
        for worker in current:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


@pytest.mark.parametrize(
    ("deed", "code", "scheduled"),
    [
        ("segfault", -11, False),
        ("exit", 1, True),
        pytest.param("killed", -9, False, marks=pytest.mark.slow),
        pytest.param("segfault", -11, True, marks=pytest.mark.slow),
    ],
)
async def test_a_job_that_kills_its_worker_is_failed_after_three_crashes_and_its_neighbours_are_done(
    valkey_url: str, broker: BullMQBroker, queue_name: str, deed: str, code: int, scheduled: bool
) -> None:
    data = f'{{"deed": "{deed}"}}'
    if scheduled:
        poison = StoredSchedule("deadly", "does", Timing("0 3 * * *"), data, broker.now())
        await broker.put_schedule(queue_name, poison)
    else:
        await broker.add([NewJob(queue_name, "does", data)])
    await broker.add([NewJob(queue_name, "does", "{}") for _ in range(12)])

    async def over() -> bool:
        counts = await broker.counts(queue_name)
        return (counts["completed"], counts["failed"]) == (12, 1)

    async with workers(valkey_url, queue_name) as codes:
        await eventually(over, within_s=40)
        assert codes == [code] * 3
    [failed] = await broker.list_jobs(queue_name, "failed", 0, 10)
    assert failed.data == data
    assert failed.failed_reason is not None
    assert failed.failed_reason.startswith("Its worker died or stood still while it ran, 3 times")
