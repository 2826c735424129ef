"""What a heartbeat writes, and that an outage loses none of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from barback.board import Counted
from barback.broker import FetchedJob
from barback.control.workers import live_workers, published_apps
from barback.errors import BrokerUnavailable
from barback.memory import MemoryBroker
from barback.memory.board import MemoryBoard
from barback.options import JobOptions
from barback.outage import Outage
from barback.telemetry.beat import MOST_RUNNING, RunningJob, WorkerBeat, decode_beat, longest_running
from barback.telemetry.heartbeat import Heartbeat
from barback.telemetry.meter import Meter
from barback.telemetry.published import PublishedApp

QUEUE = "mail"


class Unsteady(MemoryBoard):
    """May refuse to count, or lose the answer."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker.now)
        self.away = False
        self.loses_answers = False

    async def count(self, counted: Sequence[Counted], writer: str, number: int) -> None:
        if not self.away:
            await super().count(counted, writer, number)
        if self.away or self.loses_answers:
            raise BrokerUnavailable("gone for lunch")


class Beating:
    """A heartbeat with a clock moved by hand."""

    def __init__(self, release: str = "1", name: str = "w", beside: "Beating | None" = None) -> None:
        self.broker = beside.broker if beside else MemoryBroker()
        self.board = beside.board if beside else Unsteady(self.broker)
        self.meter = Meter()
        self.first = WorkerBeat(
            name=name, host="h", pid=1, version="1", release=release, app="shop",
            started_at=self.broker.now(), at=self.broker.now(), queues={QUEUE: 20},
        )  # fmt: skip
        app = PublishedApp("shop", release, self.broker.now())
        self.heartbeat = Heartbeat(self.board, self.look, app, {QUEUE: self.meter}, Outage())

    def look(self) -> WorkerBeat:
        return replace(self.first, at=self.broker.now())

    async def completed(self, step_s: int = 60) -> int:
        now = self.broker.now()
        buckets = await self.board.counts(QUEUE, step_s, now - 3600, now)
        return sum(bucket.counts.get("completed", 0) for bucket in buckets)

    async def release(self) -> str:
        [app] = await published_apps(self.board)
        return app.release


@pytest.fixture
def beating() -> Beating:
    return Beating()


# ── beats ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_is_seen_until_fifteen_seconds_after_its_last_beat(beating: Beating) -> None:
    await beating.heartbeat.beat()
    await beating.broker.move_clock(14)
    assert await live_workers(beating.board) == [beating.first]
    await beating.broker.move_clock(2)
    assert await live_workers(beating.board) == []


async def test_a_worker_that_leaves_is_gone_at_once_and_its_counts_are_written(beating: Beating) -> None:
    await beating.heartbeat.beat()
    beating.meter.by_name["any", "completed"] += 3
    await beating.heartbeat.leave()
    assert await live_workers(beating.board) == []
    assert await beating.completed() == 3


async def test_leaving_does_not_wait_for_a_broker_that_is_away(beating: Beating) -> None:
    beating.meter.by_name["any", "completed"] += 3
    beating.board.away = True
    async with asyncio.timeout(1):
        await beating.heartbeat.leave()


def test_a_beat_is_read_as_it_was_written_and_rubbish_is_none() -> None:
    beat = replace(Beating().first, running=(RunningJob("q", "1", "any", 5.5),), jobs_running=1, draining=True)
    assert decode_beat(beat.encode()) == beat
    for text in ("", "null", "{}", beat.encode()[:-2], beat.encode().replace('"pid": 1', '"pid": "x"')):
        assert decode_beat(text) is None


def test_a_beat_tells_of_the_jobs_that_run_longest_and_of_a_hundred_at_most() -> None:
    jobs = [FetchedJob("q", str(n), "t", "any", "{}", JobOptions(), started_at=float(n)) for n in range(300, 0, -1)]
    told = longest_running(jobs)
    assert len(told) == MOST_RUNNING
    assert told[0] == RunningJob("q", "1", "any", 1.0)


async def test_what_another_program_left_on_the_board_is_passed_over(beating: Beating) -> None:
    await beating.heartbeat.beat()
    for kind in ("worker", "app"):
        await beating.board.put_document(kind, "rubbish", "<script>", 60)
    assert len(await live_workers(beating.board)) == len(await published_apps(beating.board)) == 1


# ── counts ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_counts_are_written_by_the_minute_and_by_the_hour_once(beating: Beating) -> None:
    beating.meter.by_name["any", "completed"] += 2
    await beating.heartbeat.beat()
    beating.meter.by_name["any", "completed"] += 1
    await beating.heartbeat.beat()
    await beating.heartbeat.beat()
    assert await beating.completed(60) == await beating.completed(3600) == 3


async def test_what_was_counted_in_an_outage_is_written_after_it(beating: Beating) -> None:
    beating.board.away = True
    for _ in range(3):
        beating.meter.by_name["any", "completed"] += 1
        with pytest.raises(BrokerUnavailable):
            await beating.heartbeat.beat()
    beating.board.away = False
    await beating.heartbeat.beat()
    await beating.heartbeat.beat()
    assert await beating.completed() == 3


async def test_a_write_whose_answer_got_lost_counts_once(beating: Beating) -> None:
    beating.meter.by_name["any", "completed"] += 1
    beating.board.loses_answers = True
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            await beating.heartbeat.beat()
    beating.board.loses_answers = False
    beating.meter.by_name["any", "completed"] += 1
    await beating.heartbeat.leave()
    assert await beating.completed() == 2


async def test_it_goes_on_through_an_outage(beating: Beating, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barback.telemetry.heartbeat.BEAT_S", 0.001)
    beating.meter.by_name["any", "completed"] += 1
    beating.board.away = True
    running = asyncio.create_task(beating.heartbeat.run())
    await asyncio.sleep(0.01)
    beating.board.away = False
    async with asyncio.timeout(5):
        while await beating.completed() != 1:  # noqa: ASYNC110 — the memory board tells nobody
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.wait([running])


# ── the app ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("older", "newer"), [("1", "2"), ("2.9", "2.10")])
async def test_a_newer_releases_app_wins_whichever_worker_speaks_last(older: str, newer: str) -> None:
    new = Beating(newer, "new")
    old = Beating(older, "old", beside=new)
    for one in (old, new, old):
        await one.heartbeat.beat()
        await one.broker.move_clock(61)
    assert await new.release() == newer
    assert [worker.release for worker in await live_workers(new.board)] == []


async def test_a_release_that_was_taken_back_gives_way_when_none_of_its_workers_is_left() -> None:
    new = Beating("2", "new")
    old = Beating("1", "old", beside=new)
    await new.heartbeat.beat()
    for _ in range(4):
        await new.broker.move_clock(60)
        await old.heartbeat.beat()
    assert await new.release() == "2"
    await new.broker.move_clock(61)
    await old.heartbeat.beat()
    assert await new.release() == "1"


async def test_an_app_is_known_for_a_week_after_its_last_worker(beating: Beating) -> None:
    await beating.heartbeat.beat()
    await beating.heartbeat.leave()
    await beating.broker.move_clock(7 * 86_400 - 60)
    assert len(await published_apps(beating.board)) == 1
    await beating.broker.move_clock(61)
    assert await published_apps(beating.board) == []
