"""What authors of apps test with."""

import dataclasses
import doctest
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from barback import App, Context, Fixed, NoPayload, Payload, RetryLater, Schedule, flow, job, no_services
from barback import testing as testing_room
from barback.answers import Created, Swallowed
from barback.broker import Completed, Failed, QueueLimits, Retry
from barback.errors import InvalidOptions
from barback.memory import broker as memory_broker_room
from barback.testing import Enqueued, InMemory, make_context


@dataclass
class Till:
    """The services of these tests."""

    sold: list[str] = field(default_factory=list[str])
    is_open: bool = True


class Order(Payload, frozen=True):
    drink: str
    cups: int = 1


class Recount(Payload, frozen=True):
    city: str

    def unique(self) -> str:
        return self.city


@job("sell", queue="bar", attempts=3, backoff=Fixed(10, jitter=0.5))
async def sell(payload: Order, ctx: Context[Till]) -> dict[str, Any]:
    await ctx.progress(50)
    await ctx.log(f"{payload.cups} {payload.drink}")
    if payload.drink == "milk":
        raise RuntimeError("no milk")
    if not ctx.services.is_open:
        raise RetryLater(60)
    ctx.services.sold.append(payload.drink)
    await ctx.enqueue(recount, Recount(city="berlin"), priority=3)
    return {"cups": payload.cups, "attempt": ctx.attempt}


@job("recount", queue="numbers")
def recount(payload: Recount, ctx: Context[Till]) -> str:
    ctx.log("counted")
    return payload.city


@job("close", queue="numbers")
async def close(payload: NoPayload, ctx: Context[Till]) -> list[str]:
    assert not ctx.cancelled.is_set()
    return sorted((await ctx.children()).values())


@job("again", queue="bar")
async def again(payload: NoPayload, ctx: Context[Till]) -> None:
    await ctx.enqueue(again, payload)


@asynccontextmanager
async def open_till() -> AsyncGenerator[Till]:
    yield Till()


APP = App(jobs=[sell, recount, close, again], services=open_till)


@pytest.mark.parametrize("room", [testing_room, memory_broker_room])
def test_the_examples_in_the_docstrings_run(room: ModuleType) -> None:
    results = doctest.testmod(room)
    assert results.failed == 0
    assert results.attempted


# ── a handler alone ─────────────────────────────────────────────────────────────────────────────────


async def test_a_handler_runs_without_a_broker_and_all_it_does_is_recorded() -> None:
    till = Till()
    ctx = make_context(till, attempt=2, attempts=3)
    assert await sell(Order(drink="tea", cups=2), ctx) == {"cups": 2, "attempt": 2}
    assert till.sold == ["tea"]
    assert ctx.reports == [50]
    assert ctx.lines == ["2 tea"]
    assert ctx.enqueued == [Enqueued(recount, Recount(city="berlin"), {"priority": 3})]


def test_a_plain_handler_needs_no_loop() -> None:
    ctx = make_context(Till())
    assert recount(Recount(city="berlin"), ctx) == "berlin"
    assert ctx.lines == ["counted"]


async def test_a_handler_is_given_the_results_of_children() -> None:
    ctx = make_context(Till(), children={"bar:1": "b", "bar:2": "a"})
    assert await close(NoPayload(), ctx) == ["a", "b"]


async def test_a_context_says_what_it_was_told_and_counts_starts_by_attempts() -> None:
    ctx = make_context(Till(), attempt=2, attempts=5, job_id="7", job_name="sell", queue="bar")
    assert (ctx.attempt, ctx.attempts, ctx.starts, ctx.job_id, ctx.job_name, ctx.queue) == (2, 5, 2, "7", "sell", "bar")
    assert make_context(Till(), starts=4).starts == 4
    plain = make_context(Till())
    assert (plain.attempt, plain.attempts, plain.starts) == (1, 1, 1)


async def test_a_context_is_cancelled_by_hand() -> None:
    ctx = make_context(Till())
    ctx.cancel()
    with pytest.raises(AssertionError):
        await close(NoPayload(), ctx)


async def test_enqueued_jobs_are_answered_and_checked_as_a_broker_would() -> None:
    ctx = make_context(Till())
    assert await ctx.enqueue(close, NoPayload()) == Created("1")
    assert await ctx.enqueue(close, NoPayload()) == Created("2")
    with pytest.raises(InvalidOptions):
        await ctx.enqueue(close, NoPayload(), job_id="5")


@job("tell", queue="bar")
def tell(payload: Order, ctx: Context[Till]) -> list[Any]:
    assert threading.current_thread() is not threading.main_thread()
    children = sorted(ctx.children().result().values())
    first = ctx.enqueue(recount, Recount(city=payload.drink)).result()
    ctx.enqueue(recount, Recount(city=payload.drink))
    try:
        ctx.enqueue(recount, Recount(city="cologne"), attempts=0)
    except InvalidOptions as error:
        ctx.log(str(error))
    assert isinstance(first, Created)
    return [children, first.job_id]


async def test_a_handler_in_a_thread_enqueues_and_reads_children_without_awaiting() -> None:
    """P1, P5: what it enqueued is in when the call returns; what is not allowed is raised there."""
    async with InMemory(dataclasses.replace(APP, jobs=[recount, tell])) as h:
        await h.enqueue.flow(flow(tell, Order(drink="tea"), children=[flow(recount, Recount(city="bonn"))]))
        worked = {w.name: w.outcome for w in await h.drain()}
        assert worked["tell"] == Completed('[["bonn"],"2"]')
        assert (await h.broker.counts("numbers"))["completed"] == 2
        assert await h.broker.logs("bar", "1") == ["attempts: expected 1 or more, got 0."]


async def test_a_plain_handler_alone_has_its_answers_at_once() -> None:
    def plain(ctx: Context[Till]) -> tuple[Any, Any]:
        return ctx.enqueue(recount, Recount(city="bonn")).result(), ctx.children().result()

    assert plain(make_context(Till(), children={"bar:1": "b"})) == (Created("1"), {"bar:1": "b"})


# ── a whole app ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_app_is_worked_until_nothing_is_ready() -> None:
    async with InMemory(APP) as h:
        assert await h.enqueue(sell, Order(drink="tea")) == Created("1")
        worked = await h.drain()
        assert [(w.name, w.job_id, w.attempt) for w in worked] == [("sell", "1", 1), ("recount", "1", 1)]
        assert worked[0].outcome == Completed('{"cups":1,"attempt":1}')
        assert h.services.sold == ["tea"]
        record = await h.broker.get("bar", "1")
        assert record is not None
        assert (record.state, record.progress, record.result) == ("completed", "50", '{"cups":1,"attempt":1}')
        assert await h.broker.logs("bar", "1") == ["1 tea"]
        assert await h.broker.logs("numbers", "1") == ["counted"]
        assert await h.drain() == []


async def test_unique_payloads_are_swallowed_as_they_are_in_redis() -> None:
    """P4."""
    async with InMemory(APP) as h:
        await h.enqueue(recount, Recount(city="berlin"))
        assert await h.enqueue(recount, Recount(city="berlin")) == Swallowed("1", "waiting")
        assert len(await h.drain()) == 1


async def test_a_failed_attempt_runs_again_when_the_clock_says_so() -> None:
    """P7."""
    async with InMemory(APP) as h:
        await h.enqueue(sell, Order(drink="milk"))
        [first] = await h.drain()
        assert isinstance(first.outcome, Retry)
        assert first.outcome.after_s == 10
        await h.move_clock(9.9)
        assert await h.drain() == []
        await h.move_clock(0.1)
        [second] = await h.drain()
        await h.move_clock(10)
        [third] = await h.drain()
        assert [w.attempt for w in (first, second, third)] == [1, 2, 3]
        assert isinstance(third.outcome, Failed)
        assert "no milk" in third.outcome.reason


async def test_a_job_that_asks_to_run_later_uses_up_no_attempt() -> None:
    """P7."""
    async with InMemory(APP) as h:
        h.services.is_open = False
        await h.enqueue(sell, Order(drink="tea"))
        await h.drain()
        h.services.is_open = True
        await h.move_clock(60)
        worked = await h.drain()
        assert [(w.name, w.attempt) for w in worked] == [("sell", 1), ("recount", 1)]


async def test_a_parent_is_worked_after_its_children() -> None:
    async with InMemory(APP) as h:
        children = [flow(recount, Recount(city=city)) for city in ("leipzig", "berlin")]
        await h.enqueue.flow(flow(close, NoPayload(), children=children))
        worked = await h.drain()
        assert [w.name for w in worked] == ["recount", "recount", "close"]
        assert worked[-1].outcome == Completed('["berlin","leipzig"]')


async def test_every_slot_of_a_schedule_makes_its_job_however_far_the_clock_is_moved() -> None:
    """P13."""
    daily = Schedule("daily", recount, "0 3 * * *", "Europe/Berlin", Recount(city="berlin"))
    app = dataclasses.replace(APP, schedules=(daily,))
    async with InMemory(app) as h:
        assert await h.drain() == []
        await h.move_clock(3 * 24 * 3600)
        worked = await h.drain()
        assert [w.name for w in worked] == ["recount"] * 3
        assert worked[0].job_id == "repeat:daily:1767232800000"
        assert h.broker.now() == h.now + 3 * 24 * 3600


async def test_the_limits_of_the_app_hold() -> None:
    app = dataclasses.replace(APP, limits={"bar": QueueLimits(rate=(1, 60))})
    async with InMemory(app) as h:
        await h.enqueue.many(sell, [Order(drink="tea"), Order(drink="tea")])
        assert [w.name for w in await h.drain()] == ["sell", "recount"]
        await h.move_clock(60)
        assert [w.name for w in await h.drain()] == ["sell", "recount"]


async def test_jobs_that_go_on_for_ever_are_stopped() -> None:
    async with InMemory(APP) as h:
        await h.enqueue(again, NoPayload())
        with pytest.raises(RuntimeError, match=r"still not drained after 20 attempts; the last was .*'again'"):
            await h.drain(at_most=20)
        assert (await h.broker.counts("bar"))["completed"] == 20


async def test_time_does_not_run_backwards() -> None:
    async with InMemory(APP) as h:
        with pytest.raises(ValueError, match="expected 0 s or more"):
            await h.move_clock(-1)


async def test_the_services_of_an_app_are_opened_once_and_closed() -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def services() -> AsyncGenerator[Till]:
        opened.append("opened")
        yield Till()
        opened.append("closed")

    async with InMemory(dataclasses.replace(APP, services=services)) as h:
        await h.enqueue(sell, Order(drink="tea"))
        await h.drain()
        assert opened == ["opened"]
    assert opened == ["opened", "closed"]


async def test_a_parent_that_cannot_complete_fails_as_it_would_on_a_worker() -> None:
    @job("child", queue="numbers", on_failure="continue-parent")
    async def child(payload: NoPayload, ctx: Context[None]) -> None:
        raise RuntimeError("no")

    @job("parent", queue="numbers")
    async def parent(payload: NoPayload, ctx: Context[None]) -> None: ...

    async with InMemory(App(jobs=[child, parent], services=no_services)) as h:
        nodes = [flow(child, NoPayload()), flow(child, NoPayload(), delay_s=60)]
        await h.enqueue.flow(flow(parent, NoPayload(), children=nodes))
        worked = await h.drain()
        assert [w.name for w in worked] == ["child", "parent"]
        assert worked[-1].outcome == Failed("It cannot complete: a child job is still pending, or has failed.")
        assert (await h.broker.counts("numbers"))["failed"] == 2
