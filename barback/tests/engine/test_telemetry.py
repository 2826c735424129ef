"""What a worker on a real Valkey tells of itself."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from barback.broker import Broker
from barback.bullmq import BullMQBroker
from barback.control.metrics import Past, Point
from barback.control.workers import live_workers, published_apps
from barback.job import Context, job
from barback.memory import MemoryBroker
from barback.payload import NoPayload
from barback.producer import Producer
from barback.telemetry.beat import WorkerBeat
from drills.servers import Valkey

from .eventually import eventually
from .working import drained, working

NOTHING = NoPayload()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barback.telemetry.heartbeat.BEAT_S", 0.02)


def told_by(broker: Broker, name: str, *, running: int) -> Callable[[], Awaitable[WorkerBeat | None]]:
    """The worker's beat, once it tells of so many jobs."""

    async def look() -> WorkerBeat | None:
        beats = [beat for beat in await live_workers(broker.board) if beat.name == name]
        return beats[0] if beats and beats[0].jobs_running == running else None

    return look


async def whole(broker: Broker, queue: str) -> Point:
    return (await Past(broker.board, "1h").look([queue], broker.now())).whole.whole


async def test_a_worker_tells_who_it_is_and_what_it_runs(broker: BullMQBroker, queue_name: str) -> None:
    ends = asyncio.Event()

    @job("waits", queue=queue_name)
    async def waits(payload: NoPayload, ctx: Context[None]) -> None:
        await ends.wait()

    await Producer(broker).many(waits, [NOTHING] * 2)
    before = broker.now()
    async with working(broker, waits, concurrency={queue_name: 7}) as beside:
        beat = await eventually(told_by(broker, beside.worker.name, running=2))
        assert beat is not None
        assert (beat.pid, beat.app, dict(beat.queues), beat.draining) == (os.getpid(), "app", {queue_name: 7}, False)
        assert [(one.queue, one.id, one.name) for one in beat.running] == [
            (queue_name, "1", "waits"),
            (queue_name, "2", "waits"),
        ]
        assert before <= beat.started_at <= beat.running[0].since <= beat.at
        assert beat.memory_mb > 10
        beside.worker.drain()

        async def draining() -> bool:
            found = await told_by(broker, beside.worker.name, running=2)()
            return found is not None and found.draining

        await eventually(draining)
        ends.set()
    assert beside.worker.name not in [beat.name for beat in await live_workers(broker.board)]


async def test_an_app_is_published_with_its_jobs(broker: BullMQBroker, queue_name: str) -> None:
    @job("any", queue=queue_name)
    async def any_job(payload: NoPayload, ctx: Context[None]) -> None: ...

    await broker.board.remove_document("app", "app")
    await drained(broker, any_job)
    told = [app for app in await published_apps(broker.board) if app.name == "app"]
    assert [[one.queue for one in app.jobs] for app in told] == [[queue_name]]


@pytest.mark.parametrize("memory", [False, True])
async def test_every_outcome_is_counted_by_the_time_a_worker_has_stopped(
    broker: BullMQBroker, queue_name: str, memory: bool
) -> None:
    @job("any", queue=queue_name, attempts=2)
    async def any_job(payload: NoPayload, ctx: Context[None]) -> None:
        if int(ctx.job_id) > 20:
            raise ValueError

    used: Broker = MemoryBroker() if memory else broker
    await Producer(used).many(any_job, [NOTHING] * 25)
    await drained(used, any_job)
    counted = await whole(used, queue_name)
    assert (counted.completed, counted.failed, counted.retried) == (20, 5, 5)
    buckets = await used.board.counts(queue_name, 60, used.now() - 3600, used.now())
    for kind, times in (("wait:", 25), ("run:", 30)):
        assert sum(n for one in buckets for name, n in one.counts.items() if name.startswith(kind)) == times


async def test_durations_are_told_as_they_were(broker: BullMQBroker, queue_name: str) -> None:
    @job("naps", queue=queue_name)
    async def naps(payload: NoPayload, ctx: Context[None]) -> None:
        await asyncio.sleep(0.1)

    producer = Producer(broker)
    await producer(naps, NOTHING, delay_s=0.3)
    await drained(broker, naps)
    counted = await whole(broker, queue_name)
    assert counted.run is not None
    assert 0.08 <= counted.run.p50_s <= 0.2
    # From when it was due, not from when it was added.
    assert counted.wait is not None
    assert counted.wait.p50_s < 0.2


async def test_what_was_counted_in_an_outage_is_written_after_it(
    start_valkey: Callable[..., Valkey], queue_name: str
) -> None:
    @job("any", queue=queue_name)
    async def any_job(payload: NoPayload, ctx: Context[None]) -> None: ...

    server = start_valkey()
    broker = BullMQBroker(f"redis://127.0.0.1:{server.port}")
    await broker.open()
    producer = Producer(broker)

    async def completed() -> bool:
        return (await broker.counts(queue_name))["completed"] == 10

    async with working(broker, any_job):
        await producer.many(any_job, [NOTHING] * 10)
        await eventually(completed)
        server.stop()
        server.start()
    assert (await whole(broker, queue_name)).completed == 10
    await broker.close()
