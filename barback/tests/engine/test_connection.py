"""The way to Redis: what goes wrong on it is told in time, and what can go on goes on."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
from structlog.testing import capture_logs

from barback.broker import Completed, FetchedJob, Lease, Loss, NewJob, Settled, Settlement
from barback.bullmq import BullMQBroker
from barback.bullmq.connection import LONGEST_BLOCK_S, OPEN_WITHIN_S, Call, Connection, client_name
from barback.bullmq.keys import keys_of
from barback.errors import BrokerError, BrokerUnavailable, UsageError
from barback.options import JobOptions
from drills.servers import Valkey, black_hole, free_port

from .eventually import until

WITHIN_S = 5.0
LEASE = Lease("tester", lock_s=30.0)
START = Callable[..., Valkey]


@asynccontextmanager
async def opened(url: str, db: int = 1) -> AsyncGenerator[Connection]:
    connection = Connection(url, db)
    try:
        await connection.open()
        yield connection
    finally:
        await connection.close()


async def refusal(url: str) -> str:
    """What opening says, which must fail in time."""
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable) as refused:
        async with opened(url):
            pytest.fail("it opened")
    assert time.monotonic() - started < WITHIN_S
    assert refused.value.exit_code == 2
    return str(refused.value)


# ── it cannot be reached ────────────────────────────────────────────────────────────────────────────────


async def test_a_refused_port_says_what_to_check_and_not_the_password() -> None:
    port = free_port()
    told = await refusal(f"redis://user:s3cret@127.0.0.1:{port}")
    assert told.startswith(f"Redis at redis://user:***@127.0.0.1:{port} cannot be reached (")
    assert told.endswith("Is it running, and is REDIS_URL right?")
    assert "s3cret" not in told


async def test_a_host_without_an_address_says_what_to_check() -> None:
    assert "Is it running, and is REDIS_URL right?" in await refusal("redis://no-such-host.invalid:6379")


async def test_a_port_that_never_answers_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OPEN_WITHIN_S < WITHIN_S
    monkeypatch.setattr("barback.bullmq.connection.OPEN_WITHIN_S", 0.5)
    with black_hole() as port:
        async with asyncio.timeout(2):
            told = await refusal(f"redis://:s3cret@127.0.0.1:{port}")
    assert f"Redis at redis://:***@127.0.0.1:{port} cannot be reached (" in told
    assert "REDIS_URL" in told
    assert "s3cret" not in told


async def test_a_socket_that_is_not_there_says_what_to_check(tmp_path: Path) -> None:
    assert "Is it running, and is REDIS_URL right?" in await refusal(f"unix://{tmp_path}/none.sock")


async def test_tls_to_a_server_without_it_says_what_to_check(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barback.bullmq.connection.CONNECT_TIMEOUT_S", 0.3)
    assert "Is it running, and is REDIS_URL right?" in await refusal(valkey_url.replace("redis://", "rediss://"))


@pytest.mark.parametrize("place", ["host:s3cret", "[s3cret", ":s3cret/@127.0.0.1:6379", ":s3?cret@127.0.0.1:6379"])
def test_an_address_that_is_none_says_how_one_looks_and_not_the_password(place: str) -> None:
    with pytest.raises(UsageError) as refused:
        Connection(f"redis://{place}", 1)
    assert "redis://user:password@host:port" in str(refused.value)
    assert "s3" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


# ── it refuses us ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("login", [":wr0ng@", "nobody:wr0ng@", ""])
async def test_a_wrong_or_missing_password_says_so_and_never_shows_it(start_valkey: START, login: str) -> None:
    server = start_valkey("--requirepass", "s3cret")
    told = await refusal(f"redis://{login}127.0.0.1:{server.port}")
    assert "refused the password or user. Check REDIS_URL" in told
    assert "wr0ng" not in told
    async with opened(f"redis://:s3cret@127.0.0.1:{server.port}") as connection:
        assert await connection.run("PING") is True


async def test_a_user_who_may_not_do_what_is_needed_is_told_what_is_forbidden(start_valkey: START) -> None:
    server = start_valkey("--user", "default", "on", "nopass", "~*", "+@all", "-script")
    told = await refusal(server.url)
    assert "does not allow the user of REDIS_URL what is needed" in told
    assert "'script" in told


async def test_these_rights_are_enough_to_add_and_work(start_valkey: START, queue_name: str) -> None:
    rights = "+@read +@write +@connection +@scripting +@blocking +@transaction -@dangerous +client|setname +info"
    server = start_valkey("--user", "default", "on", "nopass", "~bull:*", *rights.split())
    broker = BullMQBroker(server.url)
    await broker.open()
    await broker.add([NewJob(queue_name, "any", "{}")])
    [job] = (await broker.exchange(queue_name, [], 1, LEASE)).jobs
    assert broker.extend_locks(queue_name, [job], 30.0).lost == []
    await broker.wait_for_jobs(queue_name, broker.now() + 0.01)
    await broker.close()


async def test_a_replica_says_that_it_is_one(start_valkey: START) -> None:
    with black_hole() as port:
        server = start_valkey("--replicaof", "127.0.0.1", str(port), "--replica-serve-stale-data", "yes")
        connection = Connection(server.url, 1)
        with pytest.raises(BrokerUnavailable, match=r"is a read-only replica\. Point REDIS_URL at the master"):
            await connection.run("SET", "bull:x", "1")
        await connection.close()


async def test_a_command_that_redis_cannot_do_is_an_error_but_not_an_outage(valkey_url: str) -> None:
    async with opened(valkey_url) as connection:
        with pytest.raises(BrokerError, match=r"Redis at redis://127.0.0.1:\d+ answered: .*unknown command"):
            await connection.run("BREW", "coffee")
        with pytest.raises(BrokerError, match="unknown command"):
            connection.run_in_thread([("BREW", "coffee")], 1.0)


async def test_closing_what_was_never_open_or_never_answers_ends(valkey_url: str) -> None:
    """B20."""
    with black_hole() as port:
        connections = [Connection(f"redis://127.0.0.1:{port}", 1), Connection(valkey_url, 1)]
        waiting = asyncio.create_task(connections[0].wait_for_marker("bull:q:marker", "bull:cQ=="))
        await asyncio.sleep(0)
        async with asyncio.timeout(WITHIN_S):
            for connection in connections:
                await connection.close()
        waiting.cancel()
        with pytest.raises((asyncio.CancelledError, BrokerUnavailable)):
            await waiting


# ── it goes on ──────────────────────────────────────────────────────────────────────────────────────────


async def work_one(broker: BullMQBroker, queue: str) -> None:
    """Everything that runs a script: adding, fetching, renewing from a thread."""
    await broker.add([NewJob(queue, "any", "{}"), NewJob(queue, "any", "{}")])
    [job] = (await broker.exchange(queue, [], 1, LEASE)).jobs
    assert (await asyncio.to_thread(broker.extend_locks, queue, [job], 30.0)).lost == []


async def test_flushed_scripts_are_loaded_again(start_valkey: START, queue_name: str) -> None:
    broker = BullMQBroker(start_valkey().url)
    await broker.open()
    for _ in range(2):
        await broker._connection.run("SCRIPT", "FLUSH")
        await work_one(broker, queue_name)
    [job] = (await broker.exchange(queue_name, [], 1, LEASE)).jobs
    await broker._connection.run("SCRIPT", "FLUSH")
    assert (await asyncio.to_thread(broker.extend_locks, queue_name, [job], 30.0)).lost == []
    await broker.close()


async def test_every_job_is_added_once_when_scripts_are_flushed(start_valkey: START, queue_name: str) -> None:
    broker = BullMQBroker(start_valkey().url)
    await broker.open()
    await broker._connection.run("SCRIPT", "FLUSH")
    answers = await broker.add([NewJob(queue_name, "any", "{}") for _ in range(450)])
    assert len(set(answers)) == 450
    assert (await broker.counts(queue_name))["waiting"] == 450
    await broker.close()


async def test_a_restarted_redis_is_used_again_with_all_that_was_durable(start_valkey: START, queue_name: str) -> None:
    """P1."""
    server = start_valkey()
    broker = BullMQBroker(server.url)
    await broker.open()
    await work_one(broker, queue_name)
    waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
    server.stop()
    with pytest.raises(BrokerUnavailable, match="cannot be reached"):
        await broker.add([NewJob(queue_name, "any", "{}")])
    with pytest.raises(BrokerUnavailable, match="cannot be reached"):
        await waiting
    server.start()
    await work_one(broker, queue_name)
    await broker.wait_for_jobs(queue_name, broker.now() + 0.01)
    counts = await broker.counts(queue_name)
    assert (counts["active"], counts["waiting"]) == (2, 2)
    await broker.close()


async def test_bytes_that_are_no_text_are_shown_and_break_nothing(valkey_url: str, queue_name: str) -> None:
    async with opened(valkey_url) as connection:
        await connection.run("SET", f"bull:{queue_name}:x", b"caf\xe9 \xff")
        assert await connection.run("GET", f"bull:{queue_name}:x") == "caf\\xe9 \\xff"
        assert connection.run_in_thread([("GET", f"bull:{queue_name}:x")], 1.0) == ["caf\\xe9 \\xff"]
        assert await connection.run("ECHO", "still here") == "still here"


async def test_a_lone_surrogate_leaves_as_json_writes_it(valkey_url: str, queue_name: str) -> None:
    async with opened(valkey_url) as connection:
        await connection.run("SET", f"bull:{queue_name}:x", "caf\udce9")
        assert await connection.run("GET", f"bull:{queue_name}:x") == "caf\\udce9"


async def test_errors_are_told_apart_from_the_answers_beside_them(valkey_url: str, queue_name: str) -> None:
    """One call that Redis cannot do keeps nobody else's from being answered."""
    key = f"bull:{queue_name}:x"
    calls = [Call([("SET", key, "1")]), Call([("LPUSH", key, "2")]), Call([("GET", key)])]
    async with opened(valkey_url) as connection:
        first, second, third = await connection.run_all(calls, atomic=True, errors_as_answers=True)
        assert (first, third) == ([True], ["1"])
        assert isinstance(second[0], BrokerError)
        with pytest.raises(BrokerError, match="WRONGTYPE"):
            await connection.run_all(calls, atomic=True)


async def test_database_and_password_are_those_of_the_settings(start_valkey: START) -> None:
    server = start_valkey("--requirepass", "s3cret")
    async with opened(f"redis://:s3cret@127.0.0.1:{server.port}", db=7) as connection:
        await connection.run("SET", "bull:x", "1")
        assert connection.run_in_thread([("GET", "bull:x")], 1.0) == ["1"]
    async with opened(f"redis://:s3cret@127.0.0.1:{server.port}", db=1) as connection:
        assert await connection.run("GET", "bull:x") is None


# ── the marker ──────────────────────────────────────────────────────────────────────────────────────────


async def timed(wait: Awaitable[None]) -> float:
    started = time.monotonic()
    await wait
    return time.monotonic() - started


@pytest.mark.parametrize("block_s", [0.02, 0.15, 0.33])
async def test_a_wait_ends_on_time_to_fractions_of_a_second(
    broker: BullMQBroker, queue_name: str, block_s: float
) -> None:
    """B7."""
    await broker.wait_for_jobs(queue_name, broker.now() + 0.001)  # connected
    late_s = [await timed(broker.wait_for_jobs(queue_name, broker.now() + block_s)) - block_s for _ in range(3)]
    assert -0.005 < min(late_s) < 0.05


async def test_a_wait_until_a_moment_that_has_passed_asks_nobody(queue_name: str) -> None:
    nowhere = BullMQBroker(f"redis://127.0.0.1:{free_port()}")
    await nowhere.wait_for_jobs(queue_name, nowhere.now() - 1)


async def test_after_a_wait_of_any_length_the_next_one_is_woken_at_once(
    broker: BullMQBroker, queue_name: str, beside: Any
) -> None:
    """B1: redis-py's own read timeout, 5 s, cut the wait off and made the next ones late."""
    assert LONGEST_BLOCK_S - 0.1 < await timed(broker.wait_for_jobs(queue_name, None)) < LONGEST_BLOCK_S + 0.5
    waiting = asyncio.create_task(timed(broker.wait_for_jobs(queue_name, None)))
    await blocked(beside, queue_name)
    await broker.add([NewJob(queue_name, "any", "{}")])
    assert await waiting < 0.5


@pytest.fixture
def beside(valkey_url: str) -> Generator[Any]:
    """A client that answers before the event loop goes on."""
    with closing(cast("Any", redis.Redis)(port=urlsplit(valkey_url).port, db=1)) as client:
        yield client


def clients(beside: Any, queue: str) -> list[str]:
    """The connections that bear the queue's name; what each is doing."""
    return [client["cmd"] for client in beside.client_list() if client["name"] == client_name("bull", queue)]


async def blocked(beside: Any, queue: str) -> None:
    """Until one waits for jobs of the queue, as Redis sees it."""
    await until(lambda: clients(beside, queue) == ["bzpopmin"])


async def test_a_waiting_worker_is_seen_under_the_name_that_node_looks_for(
    broker: BullMQBroker, queue_name: str, beside: Any
) -> None:
    """B18."""
    waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
    await blocked(beside, queue_name)
    await broker.add([NewJob(queue_name, "any", "{}")])
    await waiting


async def test_a_cancelled_wait_passes_the_marker_on(broker: BullMQBroker, queue_name: str, beside: Any) -> None:
    """B1: of two workers one stops waiting just as it is told of a job; the other must hear of it."""
    marker = keys_of("bull", queue_name)["marker"]
    for _ in range(5):
        waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
        await blocked(beside, queue_name)
        beside.zadd(marker, {"0": 0})
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await until(lambda: beside.zcard(marker) == 1)
        await broker.wait_for_jobs(queue_name, None)


async def test_a_marker_taken_in_the_moment_of_the_cancelling_is_passed_on(
    broker: BullMQBroker, queue_name: str, beside: Any
) -> None:
    """B1: the blocking call has ended, and whoever waited for it is cancelled before it hears of that."""
    marker = keys_of("bull", queue_name)["marker"]
    waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
    await blocked(beside, queue_name)
    call = broker._waiting[queue_name]._call
    assert call is not None
    call.add_done_callback(lambda _: waiting.cancel())
    beside.zadd(marker, {"0": 0})
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert beside.zcard(marker) == 1


async def test_a_marker_taken_while_nobody_waits_is_passed_on(
    broker: BullMQBroker, queue_name: str, beside: Any
) -> None:
    """A worker whose slots are full must not keep the wake-ups that idle ones need."""
    marker = keys_of("bull", queue_name)["marker"]
    await broker.wait_for_jobs(queue_name, broker.now() + 0.05)
    await blocked(beside, queue_name)
    beside.zadd(marker, {"0": 0})
    await until(lambda: beside.zcard(marker) == 0)
    await until(lambda: beside.zcard(marker) == 1)


async def test_closing_passes_on_what_was_taken_just_then(valkey_url: str, queue_name: str, beside: Any) -> None:
    marker = keys_of("bull", queue_name)["marker"]
    closing_one = BullMQBroker(valkey_url)
    await closing_one.open()
    await closing_one.wait_for_jobs(queue_name, closing_one.now() + 0.05)
    await blocked(beside, queue_name)
    beside.zadd(marker, {"0": 0})
    await closing_one.close()
    assert beside.zcard(marker) == 1


async def test_after_a_cancelled_wait_the_next_one_works(broker: BullMQBroker, queue_name: str, beside: Any) -> None:
    waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
    await blocked(beside, queue_name)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert 0.1 < await timed(broker.wait_for_jobs(queue_name, broker.now() + 0.15)) < 0.5
    await broker.add([NewJob(queue_name, "any", "{}")])
    assert await timed(broker.wait_for_jobs(queue_name, None)) < 0.5


async def test_waits_do_not_cost_a_connection_each(broker: BullMQBroker, queue_name: str, beside: Any) -> None:
    await broker.wait_for_jobs(queue_name, broker.now() + 0.05)
    before = beside.info("stats")["total_connections_received"]
    for _ in range(20):
        waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, None))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert beside.info("stats")["total_connections_received"] - before <= 1


async def test_a_closed_broker_leaves_no_connection_behind(valkey_url: str, queue_name: str, beside: Any) -> None:
    closing = BullMQBroker(valkey_url)
    await closing.open()
    await closing.wait_for_jobs(queue_name, closing.now() + 0.01)
    await blocked(beside, queue_name)
    before = open_files()
    await closing.close()
    await until(lambda: not clients(beside, queue_name))
    await until(lambda: open_files() < before)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# ── what it warns about ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("policy", "warned"), [("allkeys-lru", True), ("volatile-ttl", True), ("noeviction", False)])
async def test_a_redis_that_may_drop_jobs_is_warned_about_when_it_is_opened(
    start_valkey: START, policy: str, warned: bool
) -> None:
    """B23."""
    server = start_valkey("--maxmemory-policy", policy)
    with capture_logs() as told:
        async with opened(server.url):
            pass
    assert [entry["policy"] for entry in told if entry["log_level"] == "warning"] == [policy] * warned


# ── many at a time, and a server that refuses everybody ─────────────────────────────────────────────────


async def test_many_more_calls_than_connections_wait_their_turn(valkey_url: str) -> None:
    async with opened(valkey_url) as connection:
        answers = await asyncio.gather(*(connection.run("ECHO", str(i)) for i in range(500)))
    assert answers == [str(i) for i in range(500)]


async def test_an_outcome_that_a_full_redis_refuses_is_kept_and_written_later(start_valkey: START) -> None:
    """P10, P12: what the server refuses everybody is no fault of the job."""
    server = start_valkey()
    broker = BullMQBroker(server.url)
    await broker.open()
    await broker.add([NewJob("queue", "any", "{}")])
    job = (await broker.exchange("queue", [], 1, LEASE)).jobs[0]
    settlement = Settlement(job, Completed())
    with closing(cast("Any", redis.Redis)(port=server.port, db=1)) as admin:
        admin.config_set("min-replicas-to-write", 1)
        with pytest.raises(BrokerUnavailable, match="takes no writes for now"):
            await broker.exchange("queue", [settlement], 0, LEASE)
        admin.config_set("min-replicas-to-write", 0)
    assert (await broker.exchange("queue", [settlement], 0, LEASE)).settled == [Settled.WRITTEN]
    await broker.close()


async def test_renewal_gives_a_silent_server_up_long_before_the_lock_runs_out() -> None:
    """P10."""
    with black_hole() as port:
        broker = BullMQBroker(f"redis://127.0.0.1:{port}")
        held = FetchedJob("queue", "1", "token", "any", "{}", JobOptions())
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await asyncio.to_thread(broker.extend_locks, "queue", [held], 1.0)
        assert time.monotonic() - started < 0.6
        await broker.close()


async def test_a_wait_interrupted_before_it_began_does_not_keep_later_ones_from_waiting(
    broker: BullMQBroker, queue_name: str
) -> None:
    """P20."""
    waiting = asyncio.create_task(broker.wait_for_jobs(queue_name, broker.now() + 5))
    await asyncio.sleep(0)
    broker._waiting[queue_name].interrupt()
    with pytest.raises(BrokerUnavailable):
        await waiting
    await broker.wait_for_jobs(queue_name, broker.now() + 0.01)


async def test_a_user_who_may_not_ask_for_info_has_no_outage(start_valkey: START, queue_name: str) -> None:
    """P20, P21: what cannot be known is let pass."""
    rights = "+@read +@write +@connection +@scripting +@blocking +@transaction -@dangerous"
    server = start_valkey("--user", "default", "on", "nopass", "~bull:*", *rights.split())
    broker = BullMQBroker(server.url)
    await broker.open()
    assert await broker.pulse([queue_name]) == Loss()
    await broker.close()


async def test_the_first_call_after_a_restart_does_not_meet_the_connection_of_before(
    start_valkey: START, queue_name: str
) -> None:
    """P20: a web process that enqueues now and then would fail at every restart."""
    server = start_valkey()
    broker = BullMQBroker(server.url)
    await broker.open()
    await broker.add([NewJob(queue_name, "any", "{}")])
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    await broker.add([NewJob(queue_name, "any", "{}")])
    assert (await broker.counts(queue_name))["waiting"] == 2
    await broker.close()
