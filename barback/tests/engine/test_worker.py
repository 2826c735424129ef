"""A worker on a real Valkey: on time, within its bounds, and losing nothing."""

import asyncio
import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import redis.asyncio

from barback import quarantine
from barback.app import App, no_services
from barback.broker import Exchange, JobRecord, Lease, ListedState, QueueLimits, Settlement
from barback.bullmq import BullMQBroker
from barback.bullmq.keys import keys_of
from barback.errors import BrokerUnavailable, RetryLater, UnknownQueue
from barback.job import AnyJob, Context, Job, job
from barback.payload import NoPayload, Payload
from barback.payload_limits import PayloadLimits
from barback.producer import Producer, flow
from barback.retry import Fixed
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport
from drills.servers import Valkey

from .eventually import eventually, until
from .working import app_of, drained, working, working_app

NOTHING = NoPayload()
START = Callable[..., Valkey]


class Numbered(Payload, frozen=True):
    number: int


@asynccontextmanager
async def opened(broker: BullMQBroker) -> AsyncGenerator[BullMQBroker]:
    await broker.open()
    try:
        yield broker
    finally:
        await broker.close()


@pytest.fixture
async def beside(valkey_url: str) -> AsyncGenerator[BullMQBroker]:
    """A second broker, as another process has."""
    async with opened(BullMQBroker(valkey_url)) as broker:
        yield broker


async def fill(broker: BullMQBroker, of: AnyJob, count: int) -> None:
    await Producer(broker).many(of, [Numbered(number=n) for n in range(count)])


async def get(broker: BullMQBroker, queue: str, job_id: str = "1") -> JobRecord:
    record = await broker.get(queue, job_id)
    assert record is not None
    return record


async def counts(broker: BullMQBroker, queue: str) -> dict[ListedState, int]:
    return {state: count for state, count in (await broker.counts(queue)).items() if count}


class Crowd:
    """Counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.came = 0

    async def stay(self, for_s: float) -> None:
        self.came += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(for_s)
        self.inside -= 1


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("concurrency", [1, 7])
async def test_as_many_jobs_run_as_the_concurrency_allows_and_never_more(
    broker: BullMQBroker, queue_name: str, concurrency: int
) -> None:
    crowd = Crowd()

    @job("any", queue=queue_name)
    async def stays(payload: Numbered, ctx: Context[None]) -> None:
        await crowd.stay(0.01)

    await fill(broker, stays, 40)
    report = await drained(broker, stays, concurrency={queue_name: concurrency})
    assert (crowd.most, crowd.came) == (concurrency, 40)
    assert report == WorkerReport(completed=40)


async def test_calls_to_redis_a_job_do_not_grow_with_the_concurrency(start_valkey: START, queue_name: str) -> None:
    """B8: 23, 203 and 970 script calls a job at concurrency 10, 100 and 500 in the stock worker."""
    server = start_valkey()
    client: Any = redis.asyncio.Redis(port=server.port)

    async def calls_a_job(broker: BullMQBroker, concurrency: int, heap: int, alone: int) -> float:
        """Of a heap of jobs that waits, and of jobs that come one by one."""
        queue = f"{queue_name}-{concurrency}-{heap}"

        @job("any", queue=queue)
        async def naps(payload: Numbered, ctx: Context[None]) -> None:
            await asyncio.sleep(0.002)

        async def completed(count: int) -> None:
            async def enough() -> bool:
                return (await client.zcard(f"bull:{queue}:completed")) == count

            await eventually(enough)

        await fill(broker, naps, heap)
        before = (await client.info("commandstats"))["cmdstat_evalsha"]["calls"]
        async with working(broker, naps, concurrency={queue: concurrency}):
            await completed(heap)
            for n in range(alone):
                await fill(broker, naps, 1)
                await completed(heap + n + 1)
        return ((await client.info("commandstats"))["cmdstat_evalsha"]["calls"] - before) / (heap + alone)

    async with opened(BullMQBroker(server.url, db=0)) as broker:
        in_heaps = [await calls_a_job(broker, concurrency, 700, 0) for concurrency in (10, 100, 500)]
        # Two of these are the add's.
        alone = [await calls_a_job(broker, concurrency, 0, 20) for concurrency in (10, 100, 500)]
    await client.aclose()
    assert max(in_heaps) < 3, in_heaps
    assert max(alone) < 16, alone


async def test_a_rate_limit_is_kept_and_not_overdone(broker: BullMQBroker, queue_name: str) -> None:
    """B5: 30 jobs at 10 a second took the stock worker 10 s; they are due after 2 s."""
    started_at: list[float] = []

    @job("any", queue=queue_name)
    async def notes(payload: Numbered, ctx: Context[None]) -> None:
        started_at.append(time.monotonic())

    await fill(broker, notes, 30)
    app = App(jobs=[notes], services=no_services, limits={queue_name: QueueLimits(rate=(10, 1.0))})
    async with asyncio.timeout(10):
        await Worker(app, broker).run(until_drained=True)
    took_s = [at - started_at[0] for at in started_at]
    assert took_s[9] < 0.5
    assert took_s[10] > 0.9
    assert 1.9 < took_s[29] < 3.0


async def test_the_concurrency_of_a_queue_holds_over_all_workers_and_wakes_when_a_slot_frees(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """B6: 20 jobs of 100 ms at 2 took the stock worker 45 s, Node 1.1 s."""
    crowd = Crowd()

    @job("any", queue=queue_name)
    async def stays(payload: Numbered, ctx: Context[None]) -> None:
        await crowd.stay(0.05)

    await fill(broker, stays, 20)
    app = App(jobs=[stays], services=no_services, limits={queue_name: QueueLimits(concurrency=2)})
    started = time.monotonic()
    async with asyncio.timeout(20):
        reports = await asyncio.gather(*(Worker(app, b).run(until_drained=True) for b in (broker, beside)))
    assert (crowd.came, crowd.most) == (20, 2)
    assert time.monotonic() - started < 2.5
    assert sum(report.completed for report in reports) == 20


# ── on time ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_idle_worker_picks_a_job_up_at_once(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """B1."""
    started: list[float] = []

    @job("any", queue=queue_name)
    async def notes(payload: Numbered, ctx: Context[None]) -> None:
        started.append(time.monotonic())

    late_s: list[float] = []
    async with working(broker, notes):
        for n in range(20):
            added = time.monotonic()
            await Producer(beside)(notes, Numbered(number=n))
            await until(lambda n=n: len(started) > n)
            late_s.append(started[-1] - added)
    assert median(late_s) < 0.1


async def test_delayed_jobs_of_an_idle_queue_start_on_time(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """B1, B7: 330 to 980 ms late in the stock worker."""
    started_at: dict[str, float] = {}

    def notes(queue: str) -> Job[Numbered, None, Any]:
        @job(f"notes-{queue}", queue=queue)
        async def note(payload: Numbered, ctx: Context[None]) -> None:
            started_at[ctx.queue] = time.time()

        return note

    delays = {notes(f"{queue_name}-{n}"): delay_s for n, delay_s in enumerate((0.3, 0.3, 0.3, 0.31, 1.0, 1.0, 1.01))}
    async with working(broker, delays):
        for of, delay_s in delays.items():
            await Producer(beside)(of, Numbered(number=1), delay_s=delay_s)
        await until(lambda: len(started_at) == len(delays))
    late_s = [started_at[of.queue] - (await get(broker, of.queue)).added_at - delay_s for of, delay_s in delays.items()]
    assert min(late_s) > -0.005
    assert median(late_s) < 0.05
    assert max(late_s) < 0.5


async def test_a_paused_queue_rests_and_goes_on_at_once_when_resumed(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    ran: list[float] = []

    @job("any", queue=queue_name)
    async def notes(payload: NoPayload, ctx: Context[None]) -> None:
        ran.append(time.monotonic())

    await beside.pause(queue_name)
    async with working(broker, notes):
        await Producer(beside)(notes, NOTHING)
        await broker.exchange(queue_name, [], 0, Lease("looks"))
        assert ran == []
        resumed = time.monotonic()
        await beside.resume(queue_name)
        await until(lambda: ran)
    assert ran[0] - resumed < 0.5


# ── outcomes ────────────────────────────────────────────────────────────────────────────────────────────


class Flaky(BullMQBroker):
    """Loses exchanges that settle something: before they are sent, or their answers."""

    def __init__(self, url: str, *, before: int = 0, after: int = 0) -> None:
        super().__init__(url)
        self.before = before
        self.after = after
        self.exchanges: list[Sequence[Settlement]] = []

    async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
        if settlements and self.before:
            self.before -= 1
            raise BrokerUnavailable("lost on the way there")
        exchange = await super().exchange(queue, settlements, fetch, lease)
        self.exchanges.append(settlements)
        if settlements and self.after:
            self.after -= 1
            raise BrokerUnavailable("lost on the way back")
        return exchange


async def test_a_job_is_active_until_its_outcome_is_written_and_then_has_its_result(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """P2."""
    during: list[JobRecord] = []

    @job("any", queue=queue_name)
    async def looks(payload: NoPayload, ctx: Context[None]) -> str:
        during.append(await get(beside, queue_name))
        return "done"

    await Producer(beside)(looks, NOTHING)
    await drained(broker, looks)
    assert (during[0].state, during[0].result) == ("active", None)
    after = await get(beside, queue_name)
    assert (after.state, after.result, after.attempts_made, after.starts) == ("completed", '"done"', 1, 1)


async def test_an_outcome_that_could_not_be_written_is_kept_and_written_when_the_broker_is_back(
    valkey_url: str, queue_name: str
) -> None:
    """P2: nothing runs twice for it, and until then the job is locked and active."""
    ran: list[str] = []

    @job("any", queue=queue_name)
    async def notes(payload: Numbered, ctx: Context[None]) -> None:
        ran.append(ctx.job_id)

    async with opened(Flaky(valkey_url, before=3)) as flaky:
        await fill(flaky, notes, 5)
        report = await drained(flaky, notes, stalled_check_s=0.05, lock_s=1.0)
    assert sorted(ran) == ["1", "2", "3", "4", "5"]
    assert report == WorkerReport(completed=5)


async def test_an_answer_that_was_lost_costs_a_second_start_at_most_and_never_a_job(
    valkey_url: str, queue_name: str
) -> None:
    """P2: what was fetched with the lost answer stalls, and is recovered."""
    ran: Counter[str] = Counter()

    @job("any", queue=queue_name)
    async def notes(payload: Numbered, ctx: Context[None]) -> None:
        ran[ctx.job_id] += 1

    async with opened(Flaky(valkey_url, after=1)) as flaky:
        await fill(flaky, notes, 5)
        report = await drained(flaky, notes, concurrency={queue_name: 2}, stalled_check_s=0.1, lock_s=0.3)
        assert await counts(flaky, queue_name) == {"completed": 5}
    assert set(ran) == {"1", "2", "3", "4", "5"}
    assert sum(ran.values()) == 5
    assert (report.completed, report.refused) == (4, 1) or (report.completed, report.refused) == (3, 2)


ERRORS: list[type[BaseException]] = [
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
]


async def test_whatever_a_handler_raises_ends_its_own_job_and_no_other(broker: BullMQBroker, queue_name: str) -> None:
    """P12, B3, B10."""

    @job("in-the-loop", queue=queue_name)
    async def raises(payload: Numbered, ctx: Context[None]) -> None:
        raise ERRORS[payload.number]("caf\udce9")

    @job("in-a-thread", queue=queue_name)
    def raises_in_a_thread(payload: Numbered, ctx: Context[None]) -> None:
        raise ERRORS[payload.number]("caf\udce9")

    @job("waits-for-ever", queue=queue_name)
    async def waits_for_ever(payload: NoPayload, ctx: Context[None]) -> None:
        error = RetryLater(1)
        error.after_s = float("inf")
        raise error

    @job("fine", queue=queue_name)
    async def is_fine(payload: Numbered, ctx: Context[None]) -> None: ...

    of_all = [raises, raises_in_a_thread, waits_for_ever, is_fine]
    for of in (raises, raises_in_a_thread):
        await fill(broker, of, len(ERRORS))
    await Producer(broker)(waits_for_ever, NOTHING)
    await fill(broker, is_fine, 20)
    async with working(broker, of_all, concurrency={queue_name: 3}) as beside:

        async def ended() -> bool:
            return await counts(broker, queue_name) == {"completed": 20, "failed": 2 * len(ERRORS) + 1}

        await eventually(ended)
        assert await beside.stopped() == WorkerReport(completed=20, failed=2 * len(ERRORS) + 1)


async def test_a_loop_that_breaks_ends_the_worker_with_the_error_and_closes_its_services(
    valkey_url: str, queue_name: str
) -> None:
    """P12: it must not live on without working."""

    class Broken(BullMQBroker):
        async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
            raise ZeroDivisionError

    services = Services()
    async with opened(Broken(valkey_url)) as broken:
        app = App(jobs=[never(queue_name)], services=services.open)
        with pytest.raises(ExceptionGroup) as raised:
            await Worker(app, broken).run()
    assert raised.group_contains(ZeroDivisionError)
    assert (services.opened, services.closed) == (1, 1)


def never(queue: str) -> Job[NoPayload, Any, Any]:
    @job("never", queue=queue)
    async def runs(payload: NoPayload, ctx: Context[Any]) -> None:
        pytest.fail("it ran")

    return runs


# ── what handlers are given ─────────────────────────────────────────────────────────────────────────────


class Services:
    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Services"]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1


async def test_services_are_opened_once_a_worker_and_closed_when_its_last_job_has_ended(
    broker: BullMQBroker, queue_name: str
) -> None:
    services = Services()
    open_while: list[int] = []

    @job("any", queue=queue_name)
    async def uses(payload: Numbered, ctx: Context[Services]) -> None:
        assert ctx.services is services
        await asyncio.sleep(0.01)
        open_while.append(ctx.services.opened - ctx.services.closed)

    await fill(broker, uses, 10)
    app = App(jobs=[uses], services=services.open)
    async with working_app(broker, app, concurrency={queue_name: 4}):
        await until(lambda: len(open_while) > 3)
    assert set(open_while) == {1}
    assert (services.opened, services.closed) == (1, 1)


async def test_handlers_report_progress_and_log_lines(broker: BullMQBroker, queue_name: str) -> None:
    during: list[str] = []

    @job("in-the-loop", queue=queue_name)
    async def reports(payload: NoPayload, ctx: Context[None]) -> None:
        await ctx.progress(50)
        during.append((await get(broker, queue_name)).progress)
        await ctx.progress({"done": 2, "of": 3})
        await ctx.log("first")
        await ctx.log("zweite Zeile ☕")

    @job("in-a-thread", queue=queue_name)
    def reports_in_a_thread(payload: NoPayload, ctx: Context[None]) -> None:
        ctx.progress(75)
        ctx.log("from a thread")

    enqueue = Producer(broker)
    await enqueue(reports, NOTHING)
    await enqueue(reports_in_a_thread, NOTHING)
    await drained(broker, [reports, reports_in_a_thread])
    assert during == ["50"]
    assert (await get(broker, queue_name, "1")).progress == '{"done":2,"of":3}'
    assert await broker.logs(queue_name, "1") == ["first", "zweite Zeile ☕"]
    assert (await get(broker, queue_name, "2")).progress == "75"
    assert await broker.logs(queue_name, "2") == ["from a thread"]


async def test_a_progress_that_is_no_number_is_null_as_in_javascript(broker: BullMQBroker, queue_name: str) -> None:
    """P18: Node could not read NaN."""

    @job("measure", queue=queue_name)
    async def measure(payload: NoPayload, ctx: Context[None]) -> None:
        await ctx.progress({"done": float("nan")})

    await Producer(broker)(measure, NOTHING)
    await drained(broker, measure)
    assert (await get(broker, queue_name)).progress == '{"done":null}'


async def test_what_a_handler_enqueues_has_the_limits_of_its_worker(broker: BullMQBroker, queue_name: str) -> None:
    class Letter(Payload, frozen=True):
        text: str = ""

    @job("send", queue=queue_name)
    async def send(payload: Letter, ctx: Context[None]) -> None:
        await ctx.enqueue(send, Letter(text="x" * 1024))

    await Producer(broker)(send, Letter())
    await drained(broker, send, payload_limits=PayloadLimits(limit_bytes=1024))
    failed = await get(broker, queue_name)
    assert "the limit is 1 KB" in (failed.failed_reason or "")
    assert await counts(broker, queue_name) == {"failed": 1}


async def test_a_parent_is_given_its_childrens_results(broker: BullMQBroker, queue_name: str) -> None:
    seen: list[dict[str, Any]] = []

    @job("child", queue=f"{queue_name}-children")
    async def doubles(payload: Numbered, ctx: Context[None]) -> int:
        return 2 * payload.number

    @job("parent", queue=queue_name)
    async def gathers(payload: NoPayload, ctx: Context[None]) -> None:
        seen.append(dict(await ctx.children()))

    children = [flow(doubles, Numbered(number=n), job_id=f"child-{n}") for n in (1, 2)]
    await Producer(broker).flow(flow(gathers, NOTHING, children=children))
    async with working(broker, [doubles, gathers]):
        await until(lambda: seen)
    assert seen == [{f"{queue_name}-children:child-1": 2, f"{queue_name}-children:child-2": 4}]


async def test_a_handler_enqueues_through_its_context(broker: BullMQBroker, queue_name: str) -> None:
    ran: list[int] = []

    @job("second", queue=f"{queue_name}-second")
    async def second(payload: Numbered, ctx: Context[None]) -> None:
        ran.append(payload.number)

    @job("first", queue=queue_name)
    async def first(payload: Numbered, ctx: Context[None]) -> None:
        await ctx.enqueue(second, Numbered(number=payload.number + 1))

    await fill(broker, first, 3)
    await drained(broker, [second, first])
    assert sorted(ran) == [1, 2, 3]


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────


class Held:
    """A job that runs until the test lets it go, in one queue with others that wait."""

    def __init__(self, queue: str) -> None:
        self.go = asyncio.Event()
        self.attempts: list[tuple[int, int]] = []

        @job("any", queue=queue, attempts=2)
        async def waits(payload: Numbered, ctx: Context[None]) -> str:
            self.attempts.append((ctx.attempt, ctx.starts))
            await self.go.wait()
            return "done"

        self.job = waits


async def test_a_stopping_worker_fetches_no_more_and_lets_what_runs_end(broker: BullMQBroker, queue_name: str) -> None:
    """B21."""
    held = Held(queue_name)
    await fill(broker, held.job, 4)
    async with working(broker, held.job, concurrency={queue_name: 2}) as beside:
        await until(lambda: len(held.attempts) == 2)
        beside.worker.stop()
        await asyncio.sleep(0.1)
        assert await counts(broker, queue_name) == {"active": 2, "waiting": 2}
        held.go.set()
        report = await beside.stopped()
    assert report == WorkerReport(completed=2)
    assert await counts(broker, queue_name) == {"completed": 2, "waiting": 2}


async def test_an_idle_worker_stops_at_once(broker: BullMQBroker, queue_name: str) -> None:
    """B20."""
    async with working(broker, never(queue_name)) as beside:
        await asyncio.sleep(0.05)
        started = time.monotonic()
        assert await beside.stopped() == WorkerReport()
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("asked", ["a second stop", "the end of its grace"])
async def test_what_a_stopping_worker_could_not_finish_is_handed_back_with_its_attempt_unused(
    broker: BullMQBroker, queue_name: str, asked: str
) -> None:
    """P9, P7."""
    held = Held(queue_name)
    await fill(broker, held.job, 3)
    grace_s = 0.1 if asked == "the end of its grace" else 60.0
    async with working(broker, held.job, concurrency={queue_name: 2}, grace_s=grace_s) as beside:
        await until(lambda: len(held.attempts) == 2)
        beside.worker.stop()
        if asked == "a second stop":
            beside.worker.stop()
        assert await beside.stopped() == WorkerReport(handed_back=2)
    # At the front: they run again before the one that waited behind them.
    assert {record.id for record in await broker.list_jobs(queue_name, "waiting", 0, 2)} == {"1", "2"}
    record = await get(broker, queue_name)
    assert (record.state, record.attempts_made, record.failed_reason) == ("waiting", 0, None)
    held.go.set()
    await drained(broker, held.job, concurrency={queue_name: 1})
    assert held.attempts[2:] == [(1, 2), (1, 2), (1, 1)]


async def test_a_cancelled_worker_hands_back_before_its_services_close(broker: BullMQBroker, queue_name: str) -> None:
    """B21, P9: as a lifespan or a task group ends it."""
    held = Held(queue_name)
    await fill(broker, held.job, 1)
    closed_with: list[int] = []

    @asynccontextmanager
    async def services() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            closed_with.append((await broker.counts(queue_name))["active"])

    running = asyncio.create_task(Worker(App(jobs=[held.job], services=services), broker).run())
    await until(lambda: held.attempts)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert closed_with == [0]
    assert (await broker.counts(queue_name))["waiting"] == 1


async def test_a_plain_handler_is_told_that_the_worker_stops_and_is_handed_back(
    broker: BullMQBroker, queue_name: str
) -> None:
    """P9."""
    started, told = threading.Event(), threading.Event()

    @job("any", queue=queue_name)
    def works(payload: NoPayload, ctx: Context[None]) -> None:
        started.set()
        while not ctx.cancelled.is_set():
            time.sleep(0.001)
        told.set()

    await Producer(broker)(works, NOTHING)
    async with working(broker, works) as beside:
        await until(started.is_set)
        beside.worker.stop()
        beside.worker.stop()
        assert await beside.stopped() == WorkerReport(handed_back=1)
    await until(told.is_set)


async def test_a_handler_that_will_not_end_does_not_keep_the_worker(broker: BullMQBroker, queue_name: str) -> None:
    """B20, P9."""
    started, over = asyncio.Event(), asyncio.Event()

    @job("any", queue=queue_name)
    async def stays(payload: NoPayload, ctx: Context[None]) -> None:
        started.set()
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    await Producer(broker)(stays, NOTHING)
    async with working(broker, stays) as beside:
        await started.wait()
        beside.worker.stop()
        beside.worker.stop()
        async with asyncio.timeout(3):
            assert await beside.stopped() == WorkerReport(handed_back=1)
    assert await counts(broker, queue_name) == {"waiting": 1}
    over.set()


async def test_a_worker_stops_in_time_although_redis_is_gone(start_valkey: START, queue_name: str) -> None:
    """B20: close() hung for more than 60 s."""
    server = start_valkey()
    held = Held(queue_name)
    async with opened(BullMQBroker(server.url)) as broker:
        await fill(broker, held.job, 3)
        async with working(broker, held.job, concurrency={queue_name: 2}) as beside:
            await until(lambda: len(held.attempts) == 2)
            server.stop()
            beside.worker.stop()
            beside.worker.stop()
            started = time.monotonic()
            await beside.stopped()
        assert time.monotonic() - started < 3
    assert time.monotonic() - started < 5


# ── locks and crashes ───────────────────────────────────────────────────────────────────────────────────


async def test_a_handler_that_blocks_the_loop_longer_than_its_lock_runs_once(
    broker: BullMQBroker, valkey_url: str, queue_name: str
) -> None:
    """B11: it ran twice, and then counted as failed."""
    lock_s = 1.0
    over = threading.Event()
    recovered: list[str] = []

    @job("any", queue=queue_name)
    async def blocks(payload: NoPayload, ctx: Context[None]) -> int:
        time.sleep(1.5 * lock_s)  # noqa: ASYNC251 — that is the point
        over.set()
        return ctx.starts

    def look_for_stalled_jobs() -> None:
        async def look() -> None:
            async with opened(BullMQBroker(valkey_url)) as other:
                while not over.is_set():
                    recovered.extend((await other.recover_stalled(queue_name, 0.05)).waiting)
                    await asyncio.sleep(0.05)

        asyncio.run(look())

    await Producer(broker)(blocks, NOTHING)
    looking = asyncio.create_task(asyncio.to_thread(look_for_stalled_jobs))
    report = await drained(broker, blocks, lock_s=lock_s, stalled_check_s=0.1)
    await looking
    assert report == WorkerReport(completed=1)
    assert recovered == []
    assert (await get(broker, queue_name)).result == "1"


async def test_a_killed_workers_jobs_are_run_by_another_and_none_is_lost(
    broker: BullMQBroker, valkey_url: str, queue_name: str
) -> None:
    """P2, P7, P8: found by its expired lock, and no attempt used up."""
    ran: dict[int, tuple[int, int]] = {}

    @job("never-ends", queue=queue_name)
    async def ends(payload: NoPayload, ctx: Context[None]) -> None:
        ran[int(ctx.job_id)] = (ctx.attempt, ctx.starts)

    await Producer(broker).many(ends, [NOTHING] * 15)
    script = Path(__file__).with_name("doomed_worker.py")
    doomed = await asyncio.create_subprocess_exec(sys.executable, str(script), valkey_url, queue_name)

    async def busy() -> bool:
        return await counts(broker, queue_name) == {"active": 10, "waiting": 5}

    try:
        await eventually(busy)
    finally:
        doomed.kill()
        await doomed.wait()
    killed = time.monotonic()
    report = await drained(broker, ends, lock_s=1.0, stalled_check_s=0.3)
    assert time.monotonic() - killed < 4
    assert report == WorkerReport(completed=15)
    assert {n: (attempt, starts > 1) for n, (attempt, starts) in ran.items()} == {n: (1, n <= 10) for n in range(1, 16)}
    assert (await get(broker, queue_name, "3")).crashes == 1


async def test_a_job_that_kills_its_worker_each_time_is_failed_over_the_crash_limit(
    broker: BullMQBroker, queue_name: str
) -> None:
    """P8."""
    await Producer(broker)(never(queue_name), NOTHING)
    for start in range(1, 4):
        [fetched] = (await broker.exchange(queue_name, [], 1, Lease("dies", lock_s=0.05))).jobs
        assert fetched.starts == start
        if start > 1:
            await broker.set_alone(fetched, True)

        async def recovered() -> bool:
            return "1" in (await broker.recover_stalled(queue_name, 0.001)).waiting

        if start < 3:
            await eventually(recovered)
    report = await drained(broker, never(queue_name), stalled_check_s=0.02)
    assert report == WorkerReport(failed=1)
    record = await get(broker, queue_name)
    assert record.state == "failed"
    assert record.failed_reason is not None
    assert record.failed_reason.startswith("Its worker died or stood still while it ran, 3 times")


@pytest.mark.parametrize("obeys", [True, False])
async def test_a_lost_lock_cancels_the_handler_and_its_outcome_is_refused(
    broker: BullMQBroker, queue_name: str, obeys: bool
) -> None:
    """P10, whether the handler obeys or goes on to its end."""
    started = asyncio.Event()
    told: list[bool] = []

    @job("any", queue=queue_name)
    async def waits(payload: NoPayload, ctx: Context[None]) -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(ctx.cancelled.is_set())
            if obeys:
                raise
        return "too late"

    await Producer(broker)(waits, NOTHING)
    async with working(broker, waits, lock_s=0.3, stalled_check_s=60) as beside:
        await started.wait()
        await broker._connection.run("SET", keys_of("bull", queue_name).job("1") + ":lock", "another worker's")
        await until(lambda: told)
        report = await beside.stopped()
    assert told == [True]
    assert report == WorkerReport(refused=1)
    record = await get(broker, queue_name)
    assert (record.state, record.result) == ("active", None)


async def test_a_running_job_is_cancelled_from_outside(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    """It fails with the reason, without retries; its neighbour goes on."""
    go_on = asyncio.Event()

    @job("any", queue=queue_name, attempts=5)
    async def waits(payload: NoPayload, ctx: Context[None]) -> None:
        await go_on.wait()

    await Producer(broker).many(waits, [NOTHING] * 2)

    async def busy() -> bool:
        return await counts(broker, queue_name) == {"active": 2}

    async def ended() -> bool:
        return await beside.state(queue_name, "2") == "failed"

    async with working(broker, waits, lock_s=0.3) as running:
        await eventually(busy)
        await beside.cancel(queue_name, "2", "wrong city")
        await eventually(ended)
        go_on.set()
        report = await running.stopped()
    assert report == WorkerReport(completed=1, failed=1)
    assert (await get(broker, queue_name, "2")).failed_reason == "Cancelled: wrong city"


async def test_a_handler_that_outlives_its_timeout_and_grace_loses_its_lock(
    broker: BullMQBroker, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: a handler that swallows its cancellation would keep its job for ever."""
    monkeypatch.setattr(quarantine, "PROBATION_S", 0.2)
    starts: list[int] = []
    end = asyncio.Event()

    @job("any", queue=queue_name, timeout_s=0.1)
    async def stays(payload: NoPayload, ctx: Context[None]) -> None:
        starts.append(ctx.starts)
        if len(starts) > 1:
            return
        while not end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await end.wait()

    await Producer(broker)(stays, NOTHING)
    async with working(broker, stays, lock_s=0.3, stalled_check_s=0.1, grace_s=0.3):
        await until(lambda: len(starts) == 2)
        end.set()
    record = await get(broker, queue_name)
    assert record.state == "completed"


async def test_a_worker_goes_on_after_redis_was_away(start_valkey: START, queue_name: str) -> None:
    """P1, P2: what ran is written when it is back, what waited is worked, nothing twice."""
    server = start_valkey()
    ran: Counter[int] = Counter()
    away, back = asyncio.Event(), asyncio.Event()

    @job("any", queue=queue_name)
    async def works(payload: Numbered, ctx: Context[None]) -> None:
        ran[payload.number] += 1
        if payload.number < 2:
            away.set()
            await back.wait()

    async with opened(BullMQBroker(server.url)) as broker:
        await fill(broker, works, 10)
        async with working(broker, works, concurrency={queue_name: 2}, stalled_check_s=0.2) as beside:
            await away.wait()
            server.stop()
            back.set()  # its outcome meets a broker that is gone
            await asyncio.sleep(2)
            server.start()

            async def worked() -> bool:
                return await counts(broker, queue_name) == {"completed": 10}

            await eventually(worked)
            await fill(broker, works, 1)
            await until(lambda: ran.total() == 11)
            report = await beside.stopped()
    assert report == WorkerReport(completed=11)
    assert ran == Counter([*range(10), 0])


async def test_two_workers_share_a_queue_and_run_each_job_once(
    broker: BullMQBroker, beside: BullMQBroker, queue_name: str
) -> None:
    ran: Counter[int] = Counter()

    @job("any", queue=queue_name)
    async def works(payload: Numbered, ctx: Context[None]) -> None:
        ran[payload.number] += 1
        await asyncio.sleep(0)

    await fill(broker, works, 300)
    options = WorkerOptions(concurrency={queue_name: 10})
    async with asyncio.timeout(20):
        reports = await asyncio.gather(
            *(Worker(app_of(works), b, options).run(until_drained=True) for b in (broker, beside))
        )
    assert ran == Counter(dict.fromkeys(range(300), 1))
    assert min(report.completed for report in reports) > 0


# ── until drained ───────────────────────────────────────────────────────────────────────────────────────


async def test_until_drained_waits_for_delayed_jobs_and_retries(broker: BullMQBroker, queue_name: str) -> None:
    @job("any", queue=queue_name, attempts=3, backoff=Fixed(0.15))
    async def fails_twice(payload: NoPayload, ctx: Context[None]) -> None:
        if ctx.attempt < 3:
            raise ValueError("not yet")

    @job("later", queue=queue_name)
    async def later(payload: NoPayload, ctx: Context[None]) -> None: ...

    enqueue = Producer(broker)
    await enqueue(fails_twice, NOTHING)
    await enqueue(later, NOTHING, delay_s=0.4)
    assert await drained(broker, [fails_twice, later]) == WorkerReport(completed=2, retried=2)
    assert await counts(broker, queue_name) == {"completed": 2}


async def test_until_drained_returns_at_once_when_there_is_nothing(broker: BullMQBroker, queue_name: str) -> None:
    started = time.monotonic()
    assert await drained(broker, never(queue_name)) == WorkerReport()
    assert time.monotonic() - started < 1


async def test_until_drained_sees_a_job_that_is_added_while_it_counts(valkey_url: str, queue_name: str) -> None:
    """Queue by queue it looks: one is found empty, and then a job of the next one adds to it and ends."""
    first, second = f"{queue_name}-1", f"{queue_name}-2"
    ran: list[str] = []

    @job("late", queue=first)
    async def late(payload: NoPayload, ctx: Context[None]) -> None:
        ran.append("late")

    @job("adds", queue=second)
    async def adds(payload: NoPayload, ctx: Context[None]) -> None:
        await ctx.enqueue(late, NOTHING, delay_s=0.3)
        ran.append("adds")

    class Slow(BullMQBroker):
        """Between the first queue's answer and the second's a job comes, runs and is written."""

        async def counts(self, queue: str) -> dict[ListedState, int]:
            if queue == second and not ran:
                await Producer(self)(adds, NOTHING)
                await eventually(self.written)
            return await super().counts(queue)

        async def written(self) -> bool:
            return (await super().counts(second))["completed"] == 1

    async with opened(Slow(valkey_url)) as slow:
        assert await drained(slow, [late, adds]) == WorkerReport(completed=2)
    assert ran == ["adds", "late"]


async def test_a_queue_that_no_job_of_the_app_is_in_is_refused(broker: BullMQBroker) -> None:
    with pytest.raises(UnknownQueue, match="No queue named 'cafe-procesing'"):
        Worker(app_of(never("cafe-processing")), broker, WorkerOptions(queues=("cafe-procesing",)))


async def test_a_worker_takes_the_queues_it_is_told_and_leaves_the_others(
    broker: BullMQBroker, queue_name: str
) -> None:
    ran: list[str] = []
    other = f"{queue_name}-other"

    @job("mine", queue=queue_name)
    async def mine(payload: NoPayload, ctx: Context[None]) -> None:
        ran.append("mine")

    enqueue = Producer(broker)
    await enqueue(mine, NOTHING)
    await enqueue(never(other), NOTHING)
    assert await drained(broker, [mine, never(other)], queues=(queue_name,)) == WorkerReport(completed=1)
    assert await counts(broker, other) == {"waiting": 1}
