"""One queue's loop: how outcomes gather, what it does when the broker fails, and when it listens for jobs."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from barback import pump as room
from barback.broker import (
    Broker,
    Completed,
    Exchange,
    FetchedJob,
    HandedBack,
    Lease,
    Outcome,
    Settled,
    Settlement,
)
from barback.bullmq import BullMQBroker
from barback.errors import BrokerUnavailable
from barback.executor import Attempt, Executor
from barback.job import Context, Job, job
from barback.locks import LockKeeper
from barback.memory import MemoryBroker
from barback.outage import Outage
from barback.payload import NoPayload
from barback.producer import Producer
from barback.pump import UNWRITABLE, Pump
from barback.quarantine import Quarantine
from barback.registry import Registry
from barback.running import RunningJobs
from barback.told_attempt import ToldAttempt, split_attempt

from .eventually import until

QUEUE = "any"
NOTHING = NoPayload()


class Watched(MemoryBroker):
    """Remembers what it was asked for, and may fail, answer otherwise, or never say that there is a job."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[Outcome], int]] = []
        self.listening = 0
        self.failing = 0
        self.answer: Callable[[Settlement], Settled | None] = lambda _: None
        self.at_gate = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.deaf = False

    async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
        self.at_gate += 1
        await self.gate.wait()
        self.at_gate -= 1
        self.asked.append(([settlement.outcome for settlement in settlements], fetch))
        if self.failing:
            self.failing -= 1
            raise BrokerUnavailable("gone for lunch")
        refused = {s.job.token: settled for s in settlements if (settled := self.answer(s)) is not None}
        writable = [s for s in settlements if s.job.token not in refused]
        exchange = await super().exchange(queue, writable, fetch, lease)
        written = iter(exchange.settled)
        return replace(exchange, settled=[refused.get(s.job.token) or next(written) for s in settlements])

    async def wait_for_jobs(self, queue: str, until: float | None) -> None:
        self.listening += 1
        try:
            if self.deaf:
                await asyncio.Event().wait()
            await super().wait_for_jobs(queue, until)
        finally:
            self.listening -= 1


class Handlers:
    """A job that ends when it is told to."""

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Event] = {}

        @job("any", queue=QUEUE)
        async def any_job(payload: NoPayload, ctx: Context[None]) -> None:
            self.running[ctx.job_id] = asyncio.Event()
            await self.running[ctx.job_id].wait()

        self.job: Job[NoPayload, None, Any] = any_job

    def end(self, *ids: str) -> None:
        for job_id in ids or list(self.running):
            self.running.pop(job_id).set()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "RETRY_S", (0.01, 0.02))


def make_context(fetched: FetchedJob, attempt: Attempt) -> Context[Any]:
    def none(*_: object, **__: object) -> Any:
        raise AssertionError

    return Context(None, fetched.id, fetched.name, fetched.queue, 1, 1, 1, attempt.cancelled, none, none, none, none)


@asynccontextmanager
async def pumping(
    broker: Broker, of: Job[Any, Any, Any], concurrency: int, executor: Executor | None = None
) -> AsyncGenerator[Pump]:
    """A pump beside the body; drained at its end, what runs then being handed back."""
    with ThreadPoolExecutor(1) as threads:
        executor = executor or Executor(Registry([of]), make_context, threads)
        locks = LockKeeper(broker, 30.0)
        running = RunningJobs(of.queue, executor, locks, Quarantine(broker))
        pump = Pump(broker, of.queue, concurrency, Lease("tester", 30.0), running, Outage())
        working = asyncio.create_task(pump.run())
        yield pump
        pump.drain()
        pump.running.take_back()
        async with asyncio.timeout(5):
            await working


async def settled() -> None:
    """Let everything happen that waits for nobody."""
    for _ in range(20):
        await asyncio.sleep(0)


async def add(broker: Broker, handlers: Handlers, count: int) -> None:
    await Producer(broker).many(handlers.job, [NOTHING] * count)


# ── batches ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lone_outcome_is_written_at_once_and_fetches_the_next_job_with_it(
    watched: Watched, handlers: Handlers
) -> None:
    await add(watched, handlers, 2)
    async with pumping(watched, handlers.job, 1):
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: handlers.running)
        assert watched.asked == [([], 1), ([Completed()], 1)]


async def test_outcomes_gather_while_an_exchange_is_on_its_way(watched: Watched, handlers: Handlers) -> None:
    await add(watched, handlers, 7)
    async with pumping(watched, handlers.job, 4):
        await until(lambda: len(handlers.running) == 4)
        watched.asked.clear()
        watched.gate.clear()
        handlers.end("1")
        await asyncio.sleep(0.01)  # its exchange stands at the gate
        handlers.end("2", "3", "4")
        await asyncio.sleep(0.01)
        watched.gate.set()
        await until(lambda: len(handlers.running) == 3)
        assert watched.asked[:2] == [([Completed()], 1), ([Completed()] * 3, 3)]


async def test_what_waits_is_fetched_up_to_the_free_slots(watched: Watched, handlers: Handlers) -> None:
    await add(watched, handlers, 9)
    async with pumping(watched, handlers.job, 4):
        await until(lambda: len(handlers.running) == 4)
        assert watched.asked == [([], 4)]


async def test_a_second_exchange_goes_when_the_outcomes_of_half_the_slots_wait_and_no_third(
    watched: Watched, handlers: Handlers
) -> None:
    """The broker works on one half while the worker works on the other."""
    await add(watched, handlers, 30)
    async with pumping(watched, handlers.job, 10):
        await until(lambda: len(handlers.running) == 10)
        watched.gate.clear()
        handlers.end("1")
        await until(lambda: watched.at_gate == 1)
        handlers.end("2", "3", "4", "5")
        await settled()
        assert watched.at_gate == 1
        handlers.end("6")
        await until(lambda: watched.at_gate == 2)
        handlers.end("7", "8", "9", "10")
        await settled()
        assert watched.at_gate == 2
        watched.asked.clear()
        watched.gate.set()
        await until(lambda: len(handlers.running) == 10)
    assert {(len(outcomes), fetch) for outcomes, fetch in watched.asked[:3]} == {(1, 1), (5, 5), (4, 4)}


async def test_no_more_jobs_run_than_slots_however_exchanges_overlap(watched: Watched, handlers: Handlers) -> None:
    """P17."""
    await add(watched, handlers, 300)
    running: list[int] = []
    draw = random.Random(1)
    async with pumping(watched, handlers.job, 20) as pump:
        while pump.counts["completed"] < 300:
            await until(lambda: handlers.running or pump.counts["completed"] == 300)
            running.append(len(handlers.running))
            watched.gate.clear()
            handlers.end(*draw.sample(sorted(handlers.running), draw.randint(0, len(handlers.running))))
            await settled()
            watched.gate.set()
            await settled()
    assert max(running) == 20
    assert await watched.counts(QUEUE) | {"completed": 300} == await watched.counts(QUEUE)


async def test_outcomes_of_both_exchanges_are_kept_while_the_broker_fails(watched: Watched, handlers: Handlers) -> None:
    """P2."""
    await add(watched, handlers, 10)
    async with pumping(watched, handlers.job, 10) as pump:
        await until(lambda: len(handlers.running) == 10)
        watched.gate.clear()
        handlers.end("1")
        await until(lambda: watched.at_gate == 1)
        handlers.end()
        await until(lambda: watched.at_gate == 2)
        watched.failing = 4
        watched.gate.set()
        await until(lambda: pump.counts["completed"] == 10)
        assert pump.idle
    assert (await watched.counts(QUEUE))["completed"] == 10


async def test_what_breaks_the_second_exchange_ends_the_pump(watched: Watched, handlers: Handlers) -> None:
    """P12: a pump that works with half of itself, and says nothing, would be worse."""
    await add(watched, handlers, 10)
    watched.answer = break_on_the_second

    async def work() -> None:
        async with pumping(watched, handlers.job, 10):
            await until(lambda: len(handlers.running) == 10)
            watched.gate.clear()
            handlers.end("1")
            await until(lambda: watched.at_gate == 1)
            handlers.end()
            await until(lambda: watched.at_gate == 2)
            watched.gate.set()

    with pytest.raises(ExceptionGroup, match="unhandled"):
        await work()


def break_on_the_second(settlement: Settlement) -> Settled | None:
    if settlement.job.id == "2":
        raise ZeroDivisionError
    return None


# ── when the broker fails ───────────────────────────────────────────────────────────────────────────────


async def test_outcomes_are_kept_in_order_while_the_broker_fails(watched: Watched, handlers: Handlers) -> None:
    """P2."""
    await add(watched, handlers, 2)
    async with pumping(watched, handlers.job, 2) as pump:
        await until(lambda: len(handlers.running) == 2)
        watched.failing = 3
        watched.asked.clear()
        handlers.end("1")
        await until(lambda: watched.failing == 2)
        assert not pump.idle
        handlers.end("2")
        await until(lambda: pump.idle and pump.counts["completed"] == 2)
    assert [outcomes for outcomes, _ in watched.asked if outcomes][-1] == [Completed(), Completed()]
    assert (await watched.counts(QUEUE))["completed"] == 2


async def test_an_outcome_that_the_broker_did_not_come_to_is_written_by_the_next_exchange(
    watched: Watched, handlers: Handlers
) -> None:
    """P2."""
    await add(watched, handlers, 1)
    answers = [Settled.UNTRIED, Settled.UNTRIED]
    watched.answer = lambda _: answers.pop() if answers else None
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: pump.counts["completed"])
    assert [outcomes for outcomes, _ in watched.asked if outcomes] == [[Completed()]] * 3


async def test_of_an_attempt_that_failed_it_is_kept_who_made_it_and_how_long_it_took_once(watched: Watched) -> None:
    @job("any", queue=QUEUE, attempts=2)
    async def fails(payload: NoPayload, ctx: Context[None]) -> None:
        await watched.move_clock(3.5)
        raise ValueError("no luck")

    untried = [Settled.UNTRIED]
    watched.answer = lambda _: untried.pop() if untried else None
    await Producer(watched)(fails, NOTHING)
    async with pumping(watched, fails, 1) as pump:
        await until(lambda: pump.counts["retried"] == 1)
        await settled()
    record = await watched.get(QUEUE, "1")
    assert record
    stacktrace, told = split_attempt(record.stacktraces[0])
    assert stacktrace.endswith("ValueError: no luck")
    assert told == ToldAttempt(1, "tester", 3.5, record.added_at + 3.5)
    assert record.worker == "tester"


async def test_an_outcome_that_breaks_the_broker_becomes_a_plain_failure(watched: Watched, handlers: Handlers) -> None:
    """B10."""
    await add(watched, handlers, 1)
    watched.answer = lambda settlement: None if settlement.outcome == UNWRITABLE else Settled.BROKEN
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: pump.counts["failed"])
    record = await watched.get(QUEUE, "1")
    assert record is not None
    assert record.failed_reason == UNWRITABLE.reason


async def test_what_can_not_even_be_failed_is_given_up_and_counted(watched: Watched, handlers: Handlers) -> None:
    """B10: it stalls then, and comes back, or is failed as unreadable."""
    await add(watched, handlers, 1)
    watched.answer = lambda _: Settled.BROKEN
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: pump.counts["refused"])
        assert pump.idle
    assert [outcomes for outcomes, _ in watched.asked if outcomes] == [[Completed()], [UNWRITABLE], [UNWRITABLE]]


async def test_a_parent_that_cannot_complete_for_its_children_is_failed(watched: Watched, handlers: Handlers) -> None:
    await add(watched, handlers, 1)
    watched.answer = lambda settlement: Settled.CHILDREN if isinstance(settlement.outcome, Completed) else None
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: pump.counts["failed"])
    assert (await watched.counts(QUEUE))["failed"] == 1


@pytest.mark.parametrize("settled", [Settled.LOCK_LOST, Settled.GONE])
async def test_a_refused_outcome_is_counted_and_not_tried_again(
    watched: Watched, handlers: Handlers, settled: Settled
) -> None:
    """P10."""
    await add(watched, handlers, 1)
    watched.answer = lambda _: settled
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        handlers.end()
        await until(lambda: pump.counts["refused"])
    assert [outcomes for outcomes, _ in watched.asked if outcomes] == [[Completed()]]


class BrokenExecutor(Executor):
    async def execute(self, fetched: FetchedJob, attempt: Attempt) -> Outcome:
        raise ZeroDivisionError("even so")


async def test_an_executor_that_raises_although_it_never_does_fails_the_job(
    watched: Watched, handlers: Handlers
) -> None:
    """P12, B10: nothing may leave a job running that no handler runs."""
    await add(watched, handlers, 1)
    with ThreadPoolExecutor(1) as threads:
        broken = BrokenExecutor(Registry([handlers.job]), make_context, threads)
        async with pumping(watched, handlers.job, 1, broken) as pump:
            await until(lambda: pump.counts["failed"])
    record = await watched.get(QUEUE, "1")
    assert record is not None
    assert record.failed_reason == "The worker failed on it: ZeroDivisionError: even so"


# ── taking back ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_job_that_is_taken_back_before_it_began_is_handed_back(
    watched: Watched, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9: a task that is cancelled before its first step never runs, and says nothing."""
    await add(watched, handlers, 2)
    take_all = Pump._take_all

    def take_and_take_back(self: Pump, jobs: Sequence[FetchedJob]) -> None:
        take_all(self, jobs)
        self.drain()
        self.running.take_back()

    monkeypatch.setattr(Pump, "_take_all", take_and_take_back)
    async with pumping(watched, handlers.job, 2) as pump:
        await until(lambda: pump.counts["handed_back"] == 2)
    assert handlers.running == {}
    assert (await watched.counts(QUEUE))["waiting"] == 2


async def test_jobs_that_arrive_after_it_was_told_to_drain_are_handed_back_unbegun(
    watched: Watched, handlers: Handlers
) -> None:
    """P22: nobody would be left to cancel them."""
    await add(watched, handlers, 3)
    watched.gate.clear()
    async with pumping(watched, handlers.job, 3) as pump:
        await until(lambda: watched.at_gate == 1)
        pump.drain()
        pump.running.take_back()
        watched.gate.set()
        await until(lambda: pump.idle and len(watched.asked) == 2)
        assert handlers.running == {}
    assert watched.asked[1] == ([HandedBack(begun=False)] * 3, 0)
    assert [job.id for job in await watched.list_jobs(QUEUE, "waiting", 0, 9)] == ["1", "2", "3"]


async def test_what_does_not_end_when_it_is_taken_back_is_abandoned_and_its_late_outcome_ignored(
    watched: Watched, handlers: Handlers
) -> None:
    """B20, P9."""
    over = asyncio.Event()
    told: list[str] = []

    @job("any", queue=QUEUE)
    async def stays(payload: NoPayload, ctx: Context[None]) -> None:
        told.append("started")
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                told.append("cancelled")

    await Producer(watched)(stays, NOTHING)
    async with pumping(watched, stays, 1) as pump:
        await until(lambda: told == ["started"])
        [running] = pump.running._by_token.values()
        pump.drain()
        pump.running.take_back()
        await until(lambda: told == ["started", "cancelled"])
        pump.running.abandon()
        over.set()
        await running.task
        await until(lambda: pump.counts["handed_back"])
        assert pump.idle
    assert pump.counts == {"handed_back": 1}
    assert [outcomes for outcomes, _ in watched.asked if outcomes] == [[HandedBack()]]


async def test_a_lock_that_was_lost_by_being_settled_does_not_cancel_the_next_job_of_its_token(
    watched: Watched, handlers: Handlers
) -> None:
    """P10: the renewal thread may ask just as an outcome is written, and BullMQ hands the token on."""
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        [running] = pump.running._by_token.values()
        pump.running.lost(replace(running.job, id="the one before"))
        await asyncio.sleep(0)
        handlers.end()
        await until(lambda: pump.counts["completed"])


async def test_locks_are_kept_from_the_fetch_until_the_outcome_is_written(watched: Watched, handlers: Handlers) -> None:
    """P10, B4."""
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        watched.failing = 3
        handlers.end()
        await until(lambda: watched.failing == 1)
        assert [job.id for job in pump.running._locks._held.values()] == ["1"]
        await until(lambda: pump.counts["completed"])
        assert pump.running._locks._held == {}


# ── listening ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_idle_pump_listens_and_asks_nobody(watched: Watched, handlers: Handlers) -> None:
    async with pumping(watched, handlers.job, 1):
        await until(lambda: watched.listening)
        await asyncio.sleep(0.05)
        assert watched.asked == [([], 1)]
    assert watched.listening == 0


async def test_a_pump_without_a_free_slot_does_not_listen(watched: Watched, handlers: Handlers) -> None:
    """B1: it would take the wake-ups that idle workers need, and their jobs would lie for seconds."""
    watched.deaf = True
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 2):
        await until(lambda: handlers.running and watched.listening)
        await add(watched, handlers, 2)  # which nobody tells it
        handlers.end("1")
        await until(lambda: set(handlers.running) == {"2", "3"})
        await until(lambda: not watched.listening)
        handlers.end("2")
        await until(lambda: watched.listening)


async def test_a_pump_listens_again_though_it_ceased_before_it_had_begun(watched: Watched, handlers: Handlers) -> None:
    """P2: an outcome was on its way, and a suspect came with the answer; what was added later lay for ever."""
    await add(watched, handlers, 1)
    await watched.exchange(QUEUE, [], 1, Lease("ghost", 1.0))
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 2):
        await until(lambda: "2" in handlers.running and watched.listening)
        watched.gate.clear()
        handlers.end("2")
        await until(lambda: watched.at_gate == 1)
        for _ in range(2):
            await watched.move_clock(6.0)
            await watched.recover_stalled(QUEUE, 5.0)
        await until(lambda: not watched.listening)
        watched.gate.set()
        await until(lambda: "1" in handlers.running)
        handlers.end("1")
        await until(lambda: watched.listening)
        await add(watched, handlers, 1)
        await until(lambda: "3" in handlers.running)


async def test_what_breaks_its_listening_ends_the_pump(watched: Watched, handlers: Handlers) -> None:
    """P12: else it would try again and again, without a rest."""

    asked: list[str] = []

    async def break_down(queue: str, *_: object) -> None:
        asked.append(queue)
        raise ZeroDivisionError

    watched.wait_for_jobs = break_down  # pyright: ignore[reportAttributeAccessIssue]

    async def work() -> None:
        async with pumping(watched, handlers.job, 1):
            await until(lambda: asked)

    with pytest.raises(ExceptionGroup, match="unhandled"):
        await work()


async def test_a_draining_pump_does_not_listen(watched: Watched, handlers: Handlers) -> None:
    watched.deaf = True
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 2) as pump:
        await until(lambda: handlers.running and watched.listening)
        pump.drain()
        await until(lambda: not watched.listening)
        handlers.end()


async def test_a_job_reaches_the_idle_one_of_two_workers_at_once(
    broker: BullMQBroker, valkey_url: str, queue_name: str
) -> None:
    """B1: whichever of the two was told of it."""
    busy, idle = Handlers(), Handlers()
    here, there = (replace_queue(handlers, queue_name) for handlers in (busy, idle))
    other = BullMQBroker(valkey_url)
    await other.open()
    enqueue = Producer(broker)
    async with pumping(broker, here, 1):
        await enqueue(here, NOTHING)
        await until(lambda: busy.running)
        async with pumping(other, there, 5):
            for n in range(1, 5):
                await enqueue(here, NOTHING)
                await until(lambda n=n: len(idle.running) == n, within_s=0.5)
            idle.end()
        busy.end()
    await other.close()


def replace_queue(handlers: Handlers, queue: str) -> Job[NoPayload, None, Any]:
    return replace(handlers.job, queue=queue)


async def test_an_outcome_on_its_way_when_the_pump_is_cancelled_is_kept(watched: Watched, handlers: Handlers) -> None:
    """P2: whether it was written is not known, and it is written again."""
    await add(watched, handlers, 1)
    async with pumping(watched, handlers.job, 1) as pump:
        await until(lambda: handlers.running)
        watched.gate.clear()
        settling = asyncio.create_task(
            pump._exchange([Settlement(next(iter(pump.running._by_token.values())).job, Completed())], 0)
        )
        await asyncio.sleep(0.02)
        settling.cancel()
        await asyncio.wait([settling])
        assert [settlement.outcome for settlement in pump._outbox] == [Completed()]
        assert not pump.idle
        pump._outbox.clear()
        watched.gate.set()
