"""What a worker refuses before it starts: each on a real server, and the command ends with one line and exit code 2."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from barback.app import App
from barback.bullmq import BullMQBroker
from barback.bullmq.checks import MOST_SKEW_S, _foreign, _too_far_apart, _too_old
from barback.bullmq.keys import keys_of
from barback.errors import BrokerUnavailable, BrokerUnfit
from barback.job import Context, job
from barback.memory import MemoryBroker
from barback.payload import NoPayload
from barback.worker import Worker
from drills.servers import Valkey

START = Callable[..., Valkey]


class Watch(BullMQBroker):
    """Its clock goes wrong by so much."""

    fast_s = 0.0

    def now(self) -> float:
        return time.time() + self.fast_s


@asynccontextmanager
async def opened(url: str, db: int = 1) -> AsyncGenerator[Watch]:
    broker = Watch(url, db)
    try:
        await broker.open()
        yield broker
    finally:
        await broker.close()


async def refusal(broker: BullMQBroker, *queues: str) -> str:
    with pytest.raises(BrokerUnfit) as refused:
        await broker.check(queues or ("q",))
    assert refused.value.exit_code == 2
    return str(refused.value)


async def test_a_server_that_is_set_up_as_it_should_be_is_taken(valkey_url: str, queue_name: str) -> None:
    with capture_logs() as told:
        async with opened(valkey_url) as broker:
            await broker.check([queue_name, f"{queue_name}-second"])
    assert told == []


async def test_a_second_kind_of_server_is_taken(redis_url: str) -> None:
    async with opened(redis_url) as broker:
        await broker.check(["q"])


async def test_a_worker_checks_before_anything_of_the_app_is_opened(start_valkey: START) -> None:
    @job("any", queue="q")
    async def runs(payload: NoPayload, ctx: Context[None]) -> None: ...

    @asynccontextmanager
    async def services() -> AsyncGenerator[None]:
        pytest.fail("opened")
        yield

    async with opened(start_valkey("--maxmemory-policy", "allkeys-lru").url) as broker:
        with pytest.raises(BrokerUnfit, match="maxmemory-policy"):
            await Worker(App(jobs=[runs], services=services), broker).run()


async def test_in_memory_there_is_nothing_to_refuse() -> None:
    await MemoryBroker().check(["q"])


# ── the server ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_database_that_the_server_does_not_have_is_named(valkey_url: str) -> None:
    with pytest.raises(BrokerUnavailable, match=r"Redis at redis://.* has no database 99\. Set REDIS_DB to one that"):
        async with opened(valkey_url, db=99):
            pytest.fail("it opened")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_may_drop_jobs_is_refused_by_workers(start_valkey: START, policy: str) -> None:
    """B23. A producer is only warned: it may not be the one who can change it."""
    async with opened(start_valkey("--maxmemory-policy", policy).url) as broker:
        told = await refusal(broker)
    assert told.startswith("Redis at redis://127.0.0.1:")
    assert f"its maxmemory-policy is '{policy}'" in told
    assert told.endswith("Set it to noeviction.")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"redis_version": "6.0.20"}, "Redis 6.0.20, and BullMQ's scripts need Redis 6.2 or newer"),
        ({"redis_version": "5.0.14"}, "Redis 5.0.14"),
        ({"redis_version": "2.8"}, "Redis 2.8"),
        ({"redis_version": "7.2.4", "valkey_version": "7.1.0"}, "Valkey 7.1.0, and BullMQ's scripts need Valkey 7.2"),
    ],
)
def test_a_server_that_is_too_old_says_what_was_found(server: dict[str, Any], told: str) -> None:
    """Its answer is made up here: no server so old can be had."""
    problem = _too_old(server)
    assert problem is not None
    assert told in problem


@pytest.mark.parametrize("version", ["6.2.0", "6.10.1", "7.0.15", "10.0.1", "unstable", None])
def test_a_version_that_is_new_enough_or_says_nothing_is_taken(version: str | None) -> None:
    assert _too_old({"redis_version": version}) is None
    assert _too_old({"redis_version": "7.2.4", "valkey_version": "9.1.2"}) is None
    assert _too_old({}) is None


@pytest.mark.parametrize("options", [["--appendonly", "no"], ["--appendonly", "no", "--save", "60 1"], []])
async def test_a_server_that_keeps_nothing_on_disk_is_warned_about_once(
    start_valkey: START, options: list[str]
) -> None:
    with capture_logs() as told:
        async with opened(start_valkey(*options).url) as broker:
            await broker.check(["one", "two"])
    forgets = options == ["--appendonly", "no"]
    assert ["appendonly" in entry["event"] for entry in told] == [True] * forgets


async def test_what_a_user_with_few_rights_cannot_ask_is_let_pass(start_valkey: START) -> None:
    rights = "+@read +@write +@connection +@scripting +@blocking -@dangerous"
    options = ["--user", "default", "on", "nopass", "~bull:*", *rights.split()]
    async with opened(start_valkey(*options, "--maxmemory-policy", "allkeys-lru").url) as broker:
        assert await broker._connection.ask([("INFO", "memory")]) == [None]
        await broker.check(["q"])


async def test_a_user_who_would_lose_jobs_is_refused(start_valkey: START) -> None:
    """P25, P44. A script that is stopped half-way leaves jobs in no list."""
    options = ["--user", "default", "on", "nopass", "~*", "+@all", "-zcount", "-psetex"]
    async with opened(start_valkey(*options).url) as broker:
        with pytest.raises(BrokerUnfit, match="may not do what a worker must: PSETEX bull:q:wait, ZCOUNT bull:q:wait"):
            await broker.check(["q"])


async def test_a_server_that_is_gone_is_told_apart_from_one_that_does_not_tell(start_valkey: START) -> None:
    server = start_valkey()
    async with opened(server.url) as broker:
        server.stop()
        with pytest.raises(BrokerUnavailable, match="cannot be reached"):
            await broker.check(["q"])


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("fast_s", "where"), [(3.0, "ahead of"), (-3.0, "behind")])
async def test_a_clock_that_is_wrong_is_refused(valkey_url: str, fast_s: float, where: str) -> None:
    async with opened(valkey_url) as broker:
        broker.fast_s = fast_s
        told = await refusal(broker)
    # Redis's own, read in thousandths of a second, was taken in between.
    assert f"our clock is 3.0 s {where} its own" in told or f"our clock is 2.9 s {where} its own" in told
    assert told.endswith("Set both by NTP.")


async def test_a_clock_that_is_a_little_wrong_is_taken(valkey_url: str) -> None:
    async with opened(valkey_url) as broker:
        broker.fast_s = MOST_SKEW_S - 0.5
        await broker.check(["q"])


@given(
    skew_s=st.floats(-10, 10),
    there_s=st.floats(0, 60),
    back_s=st.floats(0, 60),
)
def test_a_slow_answer_makes_no_right_clock_wrong(skew_s: float, there_s: float, back_s: float) -> None:
    """Whatever the way takes: only what it cannot explain is held against a clock."""
    theirs = 1_000_000.0
    time = (int(theirs), 0)
    problem = _too_far_apart(theirs + skew_s - there_s, time, theirs + skew_s + back_s)
    if abs(skew_s) <= MOST_SKEW_S:
        assert problem is None
    if abs(skew_s) > MOST_SKEW_S + max(there_s, back_s) + 0.001:
        assert problem is not None


# ── queues of other libraries ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("bullmq:7.0.0", "was last written by 'bullmq:7.0.0', and BullMQ 5 and 6 are understood here"),
        ("bullmq:4.18.2", "was last written by 'bullmq:4.18.2'"),
        ("bullmq:60.0.0", "was last written by 'bullmq:60.0.0'"),
        ("bullmq-pro:7.43.0", "is worked by BullMQ Pro (bullmq-pro:7.43.0), whose groups and batches are not"),
        ("else:1.0", "was last written by 'else:1.0'"),
    ],
)
async def test_a_queue_of_a_version_that_is_not_understood_is_refused(
    valkey_url: str, queue_name: str, version: str, told: str
) -> None:
    """P18."""
    async with opened(valkey_url) as broker:
        await broker._connection.run("HSET", keys_of("bull", queue_name)["meta"], "version", version)
        message = await refusal(broker, f"{queue_name}-other", queue_name)
    assert f"queue '{queue_name}' {told}" in message
    assert "BARBACK_PREFIX" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("version", ["bullmq:5.81.5", "bullmq:6.7.0", None])
def test_the_versions_that_are_understood_are_taken(version: str | None) -> None:
    """P18."""
    assert _foreign("q", version) is None


async def test_all_that_is_wrong_is_told_at_once_one_line_each(start_valkey: START) -> None:
    async with opened(start_valkey("--maxmemory-policy", "allkeys-lru").url) as broker:
        for queue in ("one", "two"):
            await broker._connection.run("HSET", keys_of("bull", queue)["meta"], "version", "bullmq:7.0.0")
        broker.fast_s = 10.0
        told = await refusal(broker, "one", "two")
    lines = told.splitlines()
    assert [line.startswith(f"Redis at {broker._connection.address}: ") for line in lines] == [True] * 4


async def test_a_queue_whose_keys_are_no_ones_is_no_reason(valkey_url: str, queue_name: str) -> None:
    """What cannot be read as BullMQ's is told when it is worked, not here."""
    async with opened(valkey_url) as broker:
        await broker._connection.run("SET", keys_of("bull", queue_name)["meta"], "text")
        await broker.check([queue_name])
