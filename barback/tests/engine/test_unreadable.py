"""Hashes that cannot be read, or on which BullMQ's scripts break half-way: each is failed, its neighbours run (P11)."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from barback.broker import Lease, NewFlow, NewJob
from barback.bullmq import BullMQBroker
from barback.bullmq.keys import Keys, keys_of
from barback.job import AnyJob, Context, job
from barback.options import JobOptions
from barback.payload import Payload
from barback.producer import Producer

from .eventually import eventually, until
from .working import working

CHECK_S = 0.3
LOCK_S = 1.0


class Numbered(Payload, frozen=True):
    number: int


@dataclass(frozen=True, slots=True)
class Damaging:
    """A queue whose hashes can be damaged by hand."""

    broker: BullMQBroker
    queue: str

    @property
    def keys(self) -> Keys:
        return keys_of("bull", self.queue)

    async def run(self, *command: Any) -> Any:
        return await self.broker._connection.run(*command)

    async def set(self, field: str, value: str) -> None:
        """In the hash of job 3."""
        await self.run("HSET", self.keys.job("3"), field, value)

    async def reason(self, job_id: str = "3") -> str | None:
        """Why it failed; None: it has not yet."""
        if not await self.run("ZSCORE", self.keys["failed"], job_id):
            return None
        return await self.run("HGET", self.keys.job(job_id), "failedReason")


@pytest.fixture
async def damaging(valkey_url: str, queue_name: str) -> AsyncGenerator[Damaging]:
    broker = BullMQBroker(valkey_url)
    await broker.open()
    yield Damaging(broker, queue_name)
    await broker.close()


async def broken_options(d: Damaging) -> None:
    await d.set("opts", "{")


async def deep_options(d: Damaging) -> None:
    await d.set("opts", "[" * 100_000)


async def deep_data(d: Damaging) -> None:
    await d.set("data", "[" * 100_000)


async def text_for_attempts(d: Damaging) -> None:
    await d.set("atm", "many")


async def text_for_starts(d: Damaging) -> None:
    await d.set("ats", "many")


async def text_for_stalls(d: Damaging) -> None:
    await d.set("stc", "many")


async def text_for_the_time(d: Damaging) -> None:
    await d.set("timestamp", "yesterday")


async def broken_parent(d: Damaging) -> None:
    await d.set("parent", "{")


async def leading_zeros(d: Damaging) -> None:
    await d.set("atm", "007")


async def too_many_digits(d: Damaging) -> None:
    await d.set("ats", "9" * 20)


async def parent_of_no_name(d: Damaging) -> None:
    await d.set("parent", "{}")


async def parent_that_is_a_number(d: Damaging) -> None:
    await d.set("parent", "5")


async def no_hash(d: Damaging) -> None:
    await d.run("DEL", d.keys.job("3"))


async def no_data(d: Damaging) -> None:
    await d.run("HDEL", d.keys.job("3"), "data")


async def text_for_a_hash(d: Damaging) -> None:
    await d.run("DEL", d.keys.job("3"))
    await d.run("SET", d.keys.job("3"), "not a hash")


DAMAGES: list[tuple[Callable[[Damaging], Any], str]] = [
    (broken_options, "its field 'opts' is not JSON"),
    (deep_options, "its field 'opts' is not JSON"),
    (deep_data, "does not fit"),
    (text_for_attempts, "its field 'atm' is not a whole number"),
    (text_for_starts, "its field 'ats' is not a whole number"),
    (text_for_stalls, "its field 'stc' is not a whole number"),
    (text_for_the_time, "its field 'timestamp' is not a whole number"),
    (broken_parent, "its field 'parent' names no parent"),
    (leading_zeros, "its field 'atm' is not a whole number"),
    (too_many_digits, "its field 'ats' is not a whole number"),
    (parent_of_no_name, "its field 'parent' names no parent"),
    (parent_that_is_a_number, "its field 'parent' names no parent"),
    (no_hash, "its field 'name' is missing"),
    (no_data, "its field 'data' is missing"),
    (text_for_a_hash, "its key holds a string in place of a hash"),
]
by_name = pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])


def works(queue: str, ran: list[int]) -> AnyJob:
    @job("any", queue=queue, attempts=3)
    async def any_job(payload: Numbered, ctx: Context[None]) -> None:
        ran.append(payload.number)

    return any_job


async def fill(d: Damaging, of: AnyJob) -> None:
    await Producer(d.broker).many(of, [Numbered(number=n) for n in range(1, 6)])


@by_name
async def test_it_is_failed_with_the_reason_and_its_neighbours_run_at_once(
    damaging: Damaging, damage: Callable[[Damaging], Any], told: str
) -> None:
    """P11: as soon as a worker meets it, however many it fetches with it."""
    ran: list[int] = []
    any_job = works(damaging.queue, ran)
    await fill(damaging, any_job)
    await damage(damaging)
    async with working(damaging.broker, any_job, lock_s=30.0, stalled_check_s=30.0) as beside:
        await until(lambda: len(ran) == 4)
        reason: str | None = await eventually(damaging.reason)
        report = await beside.stopped()
    assert reason is not None
    assert told in reason
    assert sorted(ran) == [1, 2, 4, 5]
    assert report.completed == 4
    assert await damaging.broker.counts(damaging.queue) == counts_of(failed=1, completed=4)


@by_name
async def test_one_that_a_dead_worker_left_is_failed_within_two_checks_and_its_neighbours_are_put_back(
    damaging: Damaging, damage: Callable[[Damaging], Any], told: str
) -> None:
    """P11, P2: BullMQ's own check breaks on some of them, and loses what comes behind."""
    ran: list[int] = []
    any_job = works(damaging.queue, ran)
    await fill(damaging, any_job)
    assert len((await damaging.broker.exchange(damaging.queue, [], 5, Lease("dies", 0.05))).jobs) == 5
    await damage(damaging)
    async with working(damaging.broker, any_job, lock_s=LOCK_S, stalled_check_s=CHECK_S):
        reason: str | None = await eventually(damaging.reason, within_s=4 * CHECK_S + 1)
        await until(lambda: len(ran) == 4)
    assert reason is not None
    assert told in reason
    assert sorted(ran) == [1, 2, 4, 5]
    assert await damaging.broker.counts(damaging.queue) == counts_of(failed=1, completed=4)


async def test_what_stood_in_place_of_a_hash_is_kept(damaging: Damaging) -> None:
    ran: list[int] = []
    any_job = works(damaging.queue, ran)
    await fill(damaging, any_job)
    await text_for_a_hash(damaging)
    async with working(damaging.broker, any_job):
        await eventually(damaging.reason)
    assert await damaging.run("GET", damaging.keys.job("3") + ":unreadable") == "not a hash"


async def test_a_unique_job_that_cannot_be_read_does_not_swallow_later_ones(damaging: Damaging) -> None:
    """P4."""

    class One(Payload, frozen=True):
        def unique(self) -> str:
            return "one"

    ran = asyncio.Event()

    @job("unique", queue=damaging.queue)
    async def unique(payload: One, ctx: Context[None]) -> None:
        ran.set()

    await Producer(damaging.broker)(unique, One())
    await damaging.run("HSET", damaging.keys.job("1"), "atm", "many")
    async with working(damaging.broker, unique):
        await eventually(lambda: damaging.reason("1"))
        await Producer(damaging.broker)(unique, One())
        await ran.wait()


def counts_of(**counts: int) -> dict[str, int]:
    states = ("waiting", "prioritized", "delayed", "active", "completed", "failed", "waiting-children")
    return {state: counts.get(state, 0) for state in states}


async def test_a_parent_is_told_of_a_child_that_cannot_be_read(damaging: Damaging) -> None:
    """BullMQ's script fails what it would not break on."""
    child = NewJob(damaging.queue, "any", '{"number": 1}', JobOptions(job_id="child", on_failure="fail-parent"))
    parent = NewJob(damaging.queue, "any", '{"number": 2}', JobOptions(job_id="parent"))
    await damaging.broker.add_flow(NewFlow(parent, [NewFlow(child)]))
    await damaging.run("HSET", damaging.keys.job("child"), "opts", "{")
    async with working(damaging.broker, works(damaging.queue, [])):
        reason = await eventually(lambda: damaging.reason("parent"))
    assert reason is not None
    assert "child" in reason


async def test_what_becomes_unreadable_while_it_runs_is_failed_when_it_ends(damaging: Damaging) -> None:
    """B10: BullMQ's script takes the lock away before it breaks."""
    running, go_on = asyncio.Event(), asyncio.Event()
    starts: list[int] = []

    @job("any", queue=damaging.queue, attempts=3)
    async def waits(payload: Numbered, ctx: Context[None]) -> None:
        starts.append(ctx.starts)
        running.set()
        await go_on.wait()

    await Producer(damaging.broker)(waits, Numbered(number=1))
    async with working(damaging.broker, waits, lock_s=LOCK_S, stalled_check_s=CHECK_S) as beside:
        await running.wait()
        await damaging.run("HSET", damaging.keys.job("1"), "parent", "5")
        go_on.set()
        assert await eventually(lambda: damaging.reason("1"))
        await beside.stopped()
    assert starts == [1]
