"""P28: results and progress as the generated client tells of them, over both BullMQs."""

import asyncio
import contextlib
import time
from typing import Any

import pytest

from barback import App, Context, Worker, WorkerOptions, job, no_services
from barback.answers import Created
from barback.broker import Completed, Failed, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.options import JobOptions
from drills.proxy import Proxy

from ..pair import eventually, stays
from ..process import NodeError
from .conftest import Client
from .samples import LEASE, SCALARS, fetch, fetch_any
from .torture import Keyed

EVENTLESS_S = 5.0
"""How long the client waits for an event before it looks."""


async def test_a_result_and_the_progress_until_it_come_back(client: Client, broker: BullMQBroker) -> None:
    """P28."""
    seen = asyncio.Event()

    @job("keyed", queue="torture")
    async def work(payload: Keyed, ctx: Context[None]) -> None:
        step = 0
        while not seen.is_set():
            step += 1
            await ctx.progress({"step": step})
            await asyncio.sleep(0.02)

    job_id = await client.enqueue("keyed", {})
    worker = Worker(App([work], no_services), broker, WorkerOptions(schedules=False))
    working = asyncio.create_task(worker.run(until_drained=True))
    # By looks alone, five seconds apart, it would take longer.
    told = await client.call("progress", job="keyed", id=job_id, most=4, timeout_s=9.0)
    assert [one["step"] for one in told] == sorted({one["step"] for one in told})
    result = asyncio.create_task(client.call("result", job="keyed", id=job_id, timeoutMs=10_000))
    seen.set()
    assert await result is None
    [last] = await client.call("progress", job="keyed", id=job_id)
    assert last["step"] >= told[-1]["step"]
    await working


async def test_a_job_that_fails_is_told_with_its_reason_and_what_is_gone_is_told_too(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""

    @job("keyed", queue="torture")
    async def work(payload: Keyed, ctx: Context[None]) -> None:
        raise ValueError("the till is empty")

    job_id = await client.enqueue("keyed", {})
    await Worker(App([work], no_services), broker, WorkerOptions(schedules=False)).run(until_drained=True)
    with pytest.raises(NodeError, match=r"^JobFailed: ValueError: the till is empty$"):
        await client.call("result", job="keyed", id=job_id, timeoutMs=5_000)
    assert await client.call("progress", job="keyed", id=job_id) == []
    with pytest.raises(NodeError, match=r"^JobGone: There is no job gone in torture: nothing is kept of it"):
        await client.call("result", job="keyed", id="gone", timeoutMs=5_000)


# ── ends without an event, and events without an end ────────────────────────────────────────────────────


async def test_an_end_of_which_no_event_came_is_found_by_looking(client: Client, server: Any) -> None:
    """P28. Events are lost while a connection is made anew."""
    job_id = await client.enqueue("keyed", {})
    base = f"{client.prefix}:torture"
    await server.hset(f"{base}:{job_id}", "progress", "1")
    await client.call("follow", job="keyed", id=job_id)
    await eventually(lambda: told(client, job_id, [1]))
    async with server.pipeline(transaction=True) as transaction:
        transaction.lrem(f"{base}:wait", 0, job_id)
        transaction.hset(f"{base}:{job_id}", mapping={"finishedOn": 1, "returnvalue": '"late"', "progress": "2"})
        transaction.zadd(f"{base}:completed", {job_id: 1})
        await transaction.execute()
    await eventually(lambda: ended(client, job_id))
    assert await told(client, job_id, [1, 2])


async def test_a_job_that_is_removed_is_told_of_at_once(client: Client, broker: BullMQBroker, server: Any) -> None:
    """P28. Before the client would look again."""
    job_id = await client.enqueue("scalars", SCALARS)
    await server.hset(f"{client.prefix}:torture:{job_id}", "progress", "1")
    await client.call("follow", job="scalars", id=job_id)
    await eventually(lambda: told(client, job_id, [1]))
    removed_at = time.monotonic()
    await broker.remove("torture", job_id)
    await eventually(lambda: ended(client, job_id))
    assert time.monotonic() - removed_at < EVENTLESS_S - 1


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [([], [60], [50, 60]), ([60], [], [60]), ([60], [70], [60, 70])],
    ids=["after it read", "before it read", "both"],
)
async def test_of_reports_while_one_looks_none_is_told_after_a_newer_one(
    before: list[int], after: list[int], reported: list[int], client: Client
) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    await client.call("follow", job="keyed", id=job_id)
    arguments = {"job": "keyed", "id": job_id, "most": len(reported)}
    assert await client.call("progressWhileLooking", before=[], after=[50], **{**arguments, "most": 1}) == [50]
    assert await client.call("progressWhileLooking", before=before, after=after, **arguments) == reported
    await client.call("unfollow", id=job_id)
    await eventually(lambda: ended(client, job_id))


async def test_a_failed_job_that_is_retried_while_one_looks_has_no_result_yet(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    await broker.exchange("torture", [Settlement(await fetch(broker), Failed("the till is empty"))], 0, LEASE)
    with pytest.raises(NodeError, match=r"^JobUnfinished: "):
        await client.call("resultWhileRetried", job="keyed", id=job_id, timeoutMs=500)


async def test_of_a_failed_job_that_is_retried_and_ends_while_one_looks_the_new_result_is_given(
    client: Client, broker: BullMQBroker
) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    await broker.exchange("torture", [Settlement(await fetch(broker), Failed("the till is empty"))], 0, LEASE)
    result = asyncio.create_task(client.call("resultWhileRetried", job="keyed", id=job_id, until="completed"))
    running = await eventually(lambda: fetch_any(broker))
    await broker.exchange("torture", [Settlement(running, Completed('"at last"'))], 0, LEASE)
    assert await result == "at last"


async def test_a_result_that_was_told_is_given_though_nothing_is_kept_of_the_job(client: Client) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    assert await client.call("resultWhileRemoved", job="keyed", id=job_id, result={"a": 1}) == {"a": 1}


async def test_a_job_of_another_name_is_refused(client: Client, broker: BullMQBroker) -> None:
    """P28, P29. One of a former name is not."""
    job_id = await client.enqueue("told", {"email": "a"}, unique=None)
    for call in ("result", "progress", "opts"):
        with pytest.raises(NodeError, match=rf"^TypeError: Job {job_id} of torture is a 'told', no 'words'\.$"):
            await client.call(call, job="words", id=job_id)
    [former] = await broker.add([NewJob("torture", "phrases", "{}", JobOptions(attempts=3))])
    assert isinstance(former, Created)
    assert (await client.call("opts", job="words", id=former.job_id))["attempts"] == 3


# ── how long ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_wait_ends_with_its_time_and_progress_with_its_signal(client: Client) -> None:
    """P28. And leaves nothing behind."""
    job_id = await client.enqueue("keyed", {})
    with pytest.raises(NodeError, match=rf"^JobUnfinished: Job {job_id} of torture has not ended within 20\.5 ms\.$"):
        await client.call("result", job="keyed", id=job_id, timeoutMs=20.5)
    assert await client.call("progress", job="keyed", id=job_id, timeoutMs=20) == []
    assert await client.call("listeners") == [0, 0, 0, 0]


@pytest.mark.parametrize("timeout_ms", [2**31, 2**40, "Infinity"])
async def test_a_time_that_no_timer_holds_is_for_ever(timeout_ms: Any, client: Client, broker: BullMQBroker) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    result = asyncio.create_task(client.call("result", job="keyed", id=job_id, timeoutMs=timeout_ms))
    await eventually(lambda: listens(client))
    with pytest.raises(NodeError, match="JobUnfinished"):
        await client.call("result", job="keyed", id=job_id, timeoutMs=50)
    await broker.exchange("torture", [Settlement(await fetch(broker), Completed('"done"'))], 0, LEASE)
    assert await result == "done"
    assert await client.call("warnings") == []


async def test_many_can_be_followed_at_a_time(client: Client, broker: BullMQBroker) -> None:
    """P28. Node warns of more than ten listeners."""
    ids = await client.call("enqueueMany", job="keyed", payloads=[{}] * 20, options={"unique": None})
    results = asyncio.create_task(client.call("results", job="keyed", ids=ids))
    await eventually(lambda: listens(client, 20))
    for _ in ids:
        await broker.exchange("torture", [Settlement(await fetch(broker), Completed("1"))], 0, LEASE)
    assert await results == [1] * 20
    assert await client.call("listeners") == [0, 0, 0, 0]
    assert await client.call("warnings") == []


@pytest.mark.parametrize("is_fresh", [True, False], ids=["fresh", "connected"])
async def test_a_wait_ends_in_time_while_redis_cannot_be_reached(
    is_fresh: bool, client: Client, server: Any, valkey_url: str
) -> None:
    """P28. Whether the client was connected before or not."""
    async with Proxy(valkey_url) as proxy:
        behind = Client(client.node, client.version, client.prefix, int(proxy.url.rpartition(":")[2]))
        job_id = await client.enqueue("keyed", {})
        await server.hset(f"{client.prefix}:torture:{job_id}", "progress", "1")
        if not is_fresh:
            assert await behind.call("progress", job="keyed", id=job_id, most=1) == [1]
        proxy.refuse()
        with pytest.raises(NodeError, match="JobUnfinished"):
            await behind.call("result", job="keyed", id=job_id, timeoutMs=100)
        assert await behind.call("progress", job="keyed", id=job_id, timeoutMs=100) == []
        assert await behind.call("listeners") == [0, 0, 0, 0]
        proxy.let_pass()
        # BullMQ 5 ends the process if it is closed while it connects.
        await behind.call("opts", job="keyed", id=job_id)
        await behind.call("close")


@pytest.mark.parametrize("is_fresh", [True, False])
async def test_enqueueing_fails_within_seconds_while_redis_is_away_and_goes_on_after_it(
    is_fresh: bool, client: Client, valkey_url: str
) -> None:
    """P28. Whether the client was connected before or not."""
    async with Proxy(valkey_url) as proxy:
        behind = Client(client.node, client.version, client.prefix, int(proxy.url.rpartition(":")[2]))
        if not is_fresh:
            assert await behind.enqueue("keyed", {}) == "1"
        proxy.refuse()
        async with asyncio.timeout(25):
            for _ in range(2):
                with pytest.raises(NodeError, match=r"max retries per request limit|Command timed out"):
                    await behind.enqueue("keyed", {}, unique=None)
        proxy.let_pass()
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(NodeError):
                    job_id = await behind.enqueue("keyed", {}, unique=None)
                    # What was on its way as the connection went is done after all.
                    assert job_id in (["1"] if is_fresh else ["2", "3"])
                    break
        await behind.call("close")


async def test_a_client_closes_whatever_it_waits_for_and_whether_redis_is_there_or_not(
    client: Client, valkey_url: str
) -> None:
    """P28."""
    async with Proxy(valkey_url) as proxy:
        behind = Client(client.node, client.version, client.prefix, int(proxy.url.rpartition(":")[2]))
        job_id = await behind.enqueue("keyed", {})
        for is_away in (False, True):
            waiting = asyncio.create_task(behind.call("result", job="keyed", id=job_id))
            await eventually(lambda: listening(behind))
            if is_away:
                proxy.refuse()
            async with asyncio.timeout(15):
                await behind.call("close")
                with pytest.raises(NodeError, match=r"JobUnfinished: .* has not ended before the client was closed"):
                    await waiting


async def listening(client: Client) -> bool:
    return await client.call("listeners") == [1, 1, 1, 1]


async def test_a_job_that_is_only_found_connects_nothing(client: Client, server: Any) -> None:
    async def connections() -> int:
        return (await server.info("stats"))["total_connections_received"]

    async def are_as_before() -> bool:
        return await connections() == before

    before = await connections()
    await client.call("find", job="keyed", id="1")
    assert await stays(are_as_before)


async def test_a_client_that_is_closed_listens_no_more(client: Client, server: Any) -> None:
    """P28."""
    job_id = await client.enqueue("keyed", {})
    with pytest.raises(NodeError, match="JobUnfinished"):
        await client.call("result", job="keyed", id=job_id, timeoutMs=1)
    await eventually(lambda: is_connected(client, server))
    await client.call("close")
    # What a client closes the server may notice a moment later.
    await eventually(lambda: is_not_connected(client, server))


# ── what is awaited ─────────────────────────────────────────────────────────────────────────────────────


async def told(client: Client, job_id: str, reports: list[Any]) -> bool:
    """Whether what is followed has told these."""
    return (await client.call("followed", id=job_id))["told"] == reports


async def ended(client: Client, job_id: str) -> bool:
    return (await client.call("followed", id=job_id))["ended"]


async def listens(client: Client, jobs: int = 1) -> bool:
    """Whether so many jobs are followed."""
    return await client.call("listeners") == [jobs] * 4


async def is_connected(client: Client, server: Any) -> bool:
    """Whether it has a connection for events: only these have names."""
    return any(one["name"].startswith(client.prefix) for one in await server.client_list())


async def is_not_connected(client: Client, server: Any) -> bool:
    return not await is_connected(client, server)
