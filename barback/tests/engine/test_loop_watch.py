"""Who blocks the event loop is named, and a loop that is stuck for good ends its process (P19)."""

import asyncio
import re
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from barback import loop_watch as room
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.loop_watch import LoopWatch

from .eventually import eventually, until

LOCK_S = 0.6


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as events:
        yield events


@asynccontextmanager
async def watching(lock_s: float = LOCK_S) -> AsyncGenerator[list[str]]:
    """The body is watched; what it asked to end."""
    ended: list[str] = []
    running = asyncio.create_task(LoopWatch(lock_s, lambda: ["greet 7"], lambda: ended.append("ended")).run())
    await asyncio.sleep(lock_s / 10)
    yield ended
    running.cancel()
    await asyncio.wait([running])


def in_sleep(for_s: float) -> None:
    time.sleep(for_s)


def in_python(for_s: float) -> None:
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        pass


async def run(block: Callable[[float], None], for_s: float) -> None:
    block(for_s)


def told(events: list[EventDict], start: str) -> list[EventDict]:
    return [event for event in events if event["event"].startswith(start)]


@pytest.mark.parametrize("block", [in_sleep, in_python])
async def test_a_job_that_blocks_the_loop_is_named_once_with_its_line(
    block: Callable[[float], None], logged: list[EventDict]
) -> None:
    async with watching() as ended:
        await asyncio.create_task(run(block, LOCK_S), name="greet 7")
        await asyncio.sleep(LOCK_S / 5)
        await asyncio.create_task(run(block, 0.01), name="greet 8")
    [warning] = told(logged, "event loop blocked")
    assert warning["job"] == "greet 7"
    assert re.search(rf"test_loop_watch.py:\d+ in {block.__name__}$", warning["at"])
    assert ended == []


async def test_a_block_of_three_locks_is_survived(logged: list[EventDict]) -> None:
    async with watching() as ended:
        await asyncio.create_task(run(in_sleep, 3 * LOCK_S), name="greet 7")
        await asyncio.sleep(LOCK_S / 5)
    assert len(told(logged, "event loop blocked")) == 1
    assert ended == []


async def test_a_loop_that_is_silent_for_longer_ends_the_process(logged: list[EventDict]) -> None:
    async with watching() as ended:
        await asyncio.create_task(run(in_sleep, 4 * LOCK_S), name="greet 7")
        await until(lambda: ended)
    [last] = told(logged, "event loop stuck")
    assert last["job"] == "greet 7"
    assert ended == ["ended"]


async def test_a_loop_that_goes_on_is_never_spoken_of(logged: list[EventDict]) -> None:
    async with watching():
        end = time.monotonic() + 3 * LOCK_S
        while time.monotonic() < end:
            in_python(0.02)
            await asyncio.sleep(0)
    assert logged == []


async def test_a_c_call_that_keeps_the_gil_is_told_with_the_jobs_that_run_and_ends_nothing(
    logged: list[EventDict],
) -> None:
    """Nothing in this process can see anything meanwhile: the silence is not the loop's own."""
    async with watching(lock_s=0.3) as ended:
        await asyncio.to_thread(re.match, r"(a|a)+$", "a" * 24 + "b")
        await until(lambda: told(logged, "process stood still"))
    assert told(logged, "process stood still")[0]["jobs"] == ["greet 7"]
    assert ended == []


async def test_how_late_the_loop_was_at_worst_is_told_once() -> None:
    watch = LoopWatch(LOCK_S, list[str])
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(LOCK_S / 10)
    for for_s in (0.02, 0.15, 0.02):
        in_sleep(for_s)
        await asyncio.sleep(LOCK_S / 20)
    assert 0.1 < watch.lag_s() < 0.5
    assert watch.lag_s() == 0
    running.cancel()
    await asyncio.wait([running])


async def test_a_worker_whose_loop_is_stuck_exits_with_1_and_its_job_is_run_by_another(
    broker: BullMQBroker, valkey_url: str, queue_name: str
) -> None:
    """P2: nobody would take its jobs as long as it renews their locks."""
    await broker.add([NewJob(queue_name, "sticks", "{}")])
    script = Path(__file__).with_name("stuck_worker.py")
    command = [sys.executable, str(script), valkey_url, queue_name]
    stuck = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(20):
        output, _ = await stuck.communicate()
    assert stuck.returncode == 1
    assert b"event loop stuck" in output
    assert b"sticks 1" in output

    async def recovered() -> bool:
        return (await broker.recover_stalled(queue_name, 0.01)).waiting == ["1"]

    await eventually(recovered, within_s=3)


async def test_a_log_that_nobody_reads_does_not_keep_the_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop may be stuck in writing a log line itself, and the watch must not stand in line behind it."""
    never = threading.Event()

    class Stuck:
        def warning(self, *_: object, **__: object) -> None:
            never.wait(20)

        critical = warning

    monkeypatch.setattr(room, "log", Stuck())
    monkeypatch.setattr(room, "SAY_S", 0.1)
    async with watching() as ended:
        await asyncio.create_task(run(in_sleep, 4 * LOCK_S + 0.2), name="greet 7")
        await until(lambda: ended)
    never.set()
    assert ended == ["ended"]
