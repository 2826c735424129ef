"""An outage is told in few lines, whoever meets it (P20); what a server has lost is told in any case (P21)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import EventDict

from barback.broker import Loss, NewJob
from barback.bullmq import BullMQBroker
from barback.bullmq.server_state import ServerState, find_loss
from barback.errors import BrokerError, BrokerUnavailable
from barback.job import AnyJob, Context, job
from barback.memory import MemoryBroker
from barback.outage import Outage
from barback.payload import Payload
from barback.producer import Producer
from drills.proxy import Proxy
from drills.servers import Valkey

from .eventually import eventually, until
from .working import working

START = Callable[..., Valkey]
RESUMES_WITHIN_S = 3.0


class Numbered(Payload, frozen=True):
    number: int


@pytest.fixture
def logged() -> Any:
    with structlog.testing.capture_logs() as events:
        yield events


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────


GONE = BrokerUnavailable("gone")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_told_after_half_a_second_then_every_few_and_when_it_is_over(logged: list[EventDict]) -> None:
    clock = Clock()
    outage = Outage(clock)
    assert outage.over
    told_at: list[float] = []
    for tenth in range(82):
        clock.now = 100 + tenth / 10
        outage.failed("exchange", GONE, queue="a")
        outage.failed("pulse", GONE)
        told_at += [tenth / 10] * (len(logged) - len(told_at))
    assert not outage.over
    outage.end()
    outage.end()
    assert told_at == [0.5, 5.5]
    assert [event["event"] for event in logged] == ["broker failed", "broker failed", "broker is back"]
    assert (logged[0]["what"], logged[0]["queue"], logged[0]["failures"]) == ("exchange", "a", 11)
    assert (logged[2]["lasted_s"], logged[2]["failures"]) == (8.1, 164)


def test_a_short_outage_is_one_line_at_its_end(logged: list[EventDict]) -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.failed("exchange", GONE)
    clock.now += 0.3
    outage.end()
    assert [(event["event"], event["error"]) for event in logged] == [("broker failed for a moment", "exchange: gone")]


@given(steps=st.lists(st.tuples(st.floats(0, 2), st.booleans()), max_size=200))
def test_however_it_comes_and_goes_there_is_at_most_one_line_a_second(steps: list[tuple[float, bool]]) -> None:
    """P20: as when a full Redis refuses some calls and takes others."""
    clock = Clock()
    outage = Outage(clock)
    told_at: list[float] = []
    with structlog.testing.capture_logs() as events:
        for passes_s, fails in steps:
            clock.now += passes_s
            if fails:
                outage.failed("exchange", GONE)
            else:
                outage.end()
            told_at += [clock.now] * (len(events) - len(told_at))
    assert all(later - earlier >= 1 for earlier, later in pairwise(told_at))


def test_what_is_no_outage_neither_begins_nor_hides_in_one(logged: list[EventDict]) -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.failed("exchange", GONE)
    clock.now += 1
    outage.failed("exchange", GONE)
    clock.now += 1
    outage.failed("advance schedules", BrokerError("no such script"))
    assert [event["what"] for event in logged] == ["exchange", "advance schedules"]
    clock.now += 1
    outage.end()
    outage.failed("advance schedules", BrokerError("no such script"))
    assert outage.over


# ── a proxy between the worker and Redis ────────────────────────────────────────────────────────────────


@asynccontextmanager
async def behind_proxy(valkey_url: str) -> AsyncGenerator[tuple[BullMQBroker, Proxy]]:
    async with Proxy(valkey_url) as proxy:
        broker = BullMQBroker(proxy.url)
        await broker.open()
        try:
            yield broker, proxy
        finally:
            await broker.close()


def works(queue: str, ran: list[int]) -> AnyJob:
    @job("any", queue=queue)
    async def any_job(payload: Numbered, ctx: Context[None]) -> None:
        ran.append(payload.number)

    return any_job


@pytest.mark.parametrize("how", ["refuse", "swallow"])
async def test_an_idle_worker_resumes_within_3_s_of_the_end_and_says_little(
    how: str, valkey_url: str, broker: BullMQBroker, queue_name: str, logged: list[EventDict]
) -> None:
    """P20: refused with a reset, or swallowed without a word (no reset ever comes)."""
    ran: list[int] = []
    any_job = works(queue_name, ran)
    async with behind_proxy(valkey_url) as (proxied, proxy), working(proxied, any_job, lock_s=2.0):
        await Producer(broker)(any_job, Numbered(number=1))
        await until(lambda: ran == [1])
        getattr(proxy, how)()
        # A black hole is noticed when an answer is overdue: the outage lasts until the worker told of it.
        await until(lambda: any(event["event"] == "broker failed" for event in logged))
        await Producer(broker)(any_job, Numbered(number=2))
        # Whoever tells the worker of it tells the dead connection.
        assert ran == [1]
        proxy.let_pass()
        ended = time.monotonic()
        await until(lambda: ran == [1, 2])
        assert time.monotonic() - ended < RESUMES_WITHIN_S
        # Not in the same second as the line before it.
        await until(lambda: any(event["event"] == "broker is back" for event in logged))
    lines = [event for event in logged if event["event"].startswith("broker")]
    assert 2 <= len(lines) <= 4
    assert lines[-1]["event"] == "broker is back"


async def test_an_enqueue_into_a_black_hole_fails_in_a_bounded_time(valkey_url: str, queue_name: str) -> None:
    """P20: also those that wait for their turn behind others."""
    async with behind_proxy(valkey_url) as (proxied, proxy):
        proxy.swallow()
        started = time.monotonic()
        adds = [proxied.add([NewJob(queue_name, "any", "{}")]) for _ in range(200)]
        errors = await asyncio.gather(*adds, return_exceptions=True)
        assert time.monotonic() - started < 6
        assert all(isinstance(error, BrokerUnavailable) for error in errors)
        proxy.let_pass()
        await proxied.add([NewJob(queue_name, "any", "{}")])


async def test_a_master_that_became_a_replica_is_left_for_the_new_one(
    start_valkey: START, valkey_url: str, queue_name: str
) -> None:
    """P20: the address names another server by then."""
    old = start_valkey()
    ran: list[int] = []
    any_job = works(queue_name, ran)
    async with behind_proxy(old.url) as (proxied, proxy), working(proxied, any_job):
        await Producer(proxied)(any_job, Numbered(number=1))
        await until(lambda: ran == [1])
        proxy.lead_to(valkey_url)  # new connections only
        await asyncio.to_thread(old.command, "REPLICAOF", "127.0.0.1", valkey_url.rpartition(":")[2])
        demoted = time.monotonic()
        other = BullMQBroker(valkey_url)
        await other.open()
        await Producer(other)(any_job, Numbered(number=2))
        await until(lambda: ran == [1, 2])
        assert time.monotonic() - demoted < RESUMES_WITHIN_S + 1  # the worker hears of it from its next write
        await other.close()


# ── what is lost ────────────────────────────────────────────────────────────────────────────────────────

BEFORE = ServerState("a", "h1", 1000, "", -1, {"mail": 50})


def test_the_same_server_has_lost_nothing_whatever_its_counters_say() -> None:
    """A person may have removed the queue."""
    assert find_loss(BEFORE, ServerState("a", "h1", 1200, "", -1, {"mail": 0})) == Loss()


@pytest.mark.parametrize(
    ("now", "certain", "possible"),
    [
        (ServerState("b", "h2", 950, "h1", 900, {"mail": 50}), ["lacked the last 100 bytes"], []),
        (
            ServerState("b", "h2", 950, "h1", 900, {"mail": 48}),
            ["counted 50 of them, and now only 48", "100 bytes"],
            [],
        ),
        (ServerState("b", "h2", 1100, "h1", 1000, {"mail": 50}), [], ["failed over to a replica"]),
        (ServerState("b", "h9", 0, "", -1, {"mail": 50}), [], ["was restarted or replaced"]),
        (ServerState("b", "h9", 0, "", -1, {}), ["counted 50 of them, and now only 0"], []),
    ],
)
def test_another_server_is_told_of_with_all_that_is_known(
    now: ServerState, certain: list[str], possible: list[str]
) -> None:
    """P21: never silent."""
    loss = find_loss(BEFORE, now)
    assert len(loss.certain) == len(certain)
    assert len(loss.possible) == len(possible)
    for line, part in zip([*loss.certain, *loss.possible], [*certain, *possible], strict=True):
        assert part in line


async def test_a_promoted_replica_that_lacks_writes_is_reported(
    start_valkey: START, queue_name: str, logged: list[EventDict], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """P21: jobs that were acknowledged and are gone."""
    master = start_valkey()
    replica = Valkey(tmp_path_factory.mktemp("replica"), "--replicaof", "127.0.0.1", str(master.port))
    replica.start()
    try:
        async with behind_proxy(master.url) as (proxied, proxy):
            ran: list[int] = []
            any_job = works(queue_name, ran)
            await Producer(proxied)(any_job, Numbered(number=1))

            async def copied() -> bool:
                return b"1" in await asyncio.to_thread(replica.command, "EXISTS", f"bull:{queue_name}:1", db=1)

            await eventually(copied)
            await asyncio.to_thread(replica.command, "CLIENT", "PAUSE", "60000", "WRITE")
            await asyncio.to_thread(master.command, "CLIENT", "KILL", "TYPE", "replica")
            await asyncio.to_thread(replica.command, "REPLICAOF", "127.0.0.1", "1")  # a master it cannot reach
            await Producer(proxied).many(any_job, [Numbered(number=n) for n in range(2, 12)])
            await proxied.pulse([queue_name])
            master.stop()
            await asyncio.to_thread(replica.command, "CLIENT", "UNPAUSE")
            await asyncio.to_thread(replica.command, "REPLICAOF", "NO", "ONE")
            proxy.lead_to(replica.url)

            async def lost() -> Loss | None:
                try:
                    return await proxied.pulse([queue_name])
                except BrokerUnavailable:
                    return None

            loss = await eventually(lost)
            assert loss is not None
            assert any("has lost acknowledged jobs" in line and "11" in line for line in loss.certain)
            assert any("lacked the last" in line for line in loss.certain)
    finally:
        replica.stop()


async def test_a_worker_says_what_was_lost(logged: list[EventDict]) -> None:
    class Forgetful(MemoryBroker):
        async def pulse(self, queues: Any) -> Loss:
            return Loss(["ten jobs are gone"], ["and maybe more"])

    async with working(Forgetful(), works("any", [])):
        await until(lambda: len(logged) >= 2)
    assert (logged[0]["event"], logged[0]["log_level"], logged[0]["reason"]) == (
        "jobs lost", "error", "ten jobs are gone"
    )  # fmt: skip
    assert (logged[1]["event"], logged[1]["log_level"]) == ("jobs may be lost", "warning")
