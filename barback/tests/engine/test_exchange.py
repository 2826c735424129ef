"""Our one script leaves what BullMQ's own leave, key for key (P2, P16, P17, P18). `test_any_exchange.py`: at random."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from barback.broker import Completed, Failed, NewFlow, NewJob, Outcome, Settled, Settlement
from barback.bullmq import BullMQBroker
from barback.bullmq.adding import add_flow, add_jobs
from barback.bullmq.connection import Call, Command
from barback.bullmq.keys import keys_of
from barback.bullmq.working import Exchanger
from barback.errors import BrokerError, BrokerUnavailable
from barback.options import Deduplication, JobOptions, Retention
from drills.servers import Valkey

from .twins import LEASE, Twins

ENDS = (Completed(), Failed("why"), Completed())


async def fetched(twins: Twins, count: int) -> list[int]:
    """Fetch so many; the places of all that are held."""
    await twins.exchange([], count)
    return list(range(len(twins.ours.held)))


async def test_hundreds_are_settled_and_fetched_as_one_by_one(twins: Twins) -> None:
    await twins.add_many([JobOptions(keep_completed=Retention(count=50))] * 400)
    places = await fetched(twins, 230)
    await twins.exchange([(place, Completed(str(place))) for place in places], 150)


@pytest.mark.parametrize("options", [JobOptions(), JobOptions(deduplicate=Deduplication.simple("key"))])
async def test_a_hundred_outcomes_and_the_next_hundred_jobs_take_one_call(
    options: JobOptions, twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B8: calls do not grow with the concurrency, nor for what is BullMQ's own."""
    await twins.add_many([JobOptions()] * 199 + [options])
    places = await fetched(twins, 100)
    connection = twins.ours.connection
    sent: list[int] = []

    async def count(calls: Sequence[Call], atomic: bool) -> list[list[Any]]:
        sent.append(len(calls))
        return await send(calls, atomic)

    async def count_script(command: Command) -> Any:
        sent.append(1)
        return await send_script(command)

    send, send_script = connection._send, connection._send_script
    monkeypatch.setattr(connection, "_send", count)
    monkeypatch.setattr(connection, "_send_script", count_script)
    settlements = [Settlement(twins.ours.held[place], Completed()) for place in places]
    exchange = await Exchanger(connection, twins.ours.keys, LEASE, twins.now).exchange(settlements, 100)
    last = [Settlement(job, Completed()) for job in exchange.jobs]
    await Exchanger(connection, twins.ours.keys, LEASE, twins.now).exchange(last, 100)
    assert len(exchange.jobs) == 100
    assert sent == [1, 1 if options.deduplicate is None else 3]


async def test_a_job_that_was_spoilt_in_the_middle_hurts_none_beside_it(twins: Twins) -> None:
    """P10, P11."""
    await twins.add_many([JobOptions()] * 30)
    places = await fetched(twins, 20)
    await twins.run(lambda keys: ("SET", keys.job("2") + ":lock", "somebody's"))
    await twins.run(lambda keys: ("DEL", keys.job("5") + ":lock"))
    await twins.run(lambda keys: ("DEL", keys.job("8")))
    await twins.run(lambda keys: ("LREM", keys["active"], 0, "11"))
    await twins.run(lambda keys: ("HSET", keys.job("14"), "atm", "many"))
    await twins.run(lambda keys: ("DEL", keys.job("17")))
    await twins.run(lambda keys: ("SET", keys.job("17"), "not a hash"))
    twins.late = twins.damaged = {"14", "17"}
    await twins.exchange([(place, Completed()) for place in places], 10)
    # A lock that ran out is taken up again.
    spoilt = {"2", "8", "11", "14", "17"}
    completed = await twins.ours.run("ZRANGE", twins.ours.keys["completed"], 0, -1)
    assert set(completed) == {str(n) for n in range(1, 21)} - spoilt
    assert await twins.ours.run("ZRANGE", twins.ours.keys["failed"], 0, -1) == ["14", "17"]


ONLY_TO_SETTLE, ONLY_TO_FETCH = ("stalled", "completed", "failed"), ("delayed", "pc")


@pytest.mark.parametrize(
    "name", ["wait", "active", "prioritized", "events", "meta", "marker", *ONLY_TO_SETTLE, *ONLY_TO_FETCH]
)
async def test_a_queue_with_a_broken_key_is_left_as_it_is_until_that_is_mended(name: str, twins: Twins) -> None:
    """P2: BullMQ's scripts would end half-way, with jobs in no list."""
    twin = twins.ours
    await twins.add_many([JobOptions()] * 5 + [JobOptions(priority=3, delay_s=1.0)])
    jobs = [twin.held[place] for place in await fetched(twins, 3)]
    twins.now += 2
    settlements = [Settlement(job, outcome) for job, outcome in zip(jobs, ENDS, strict=True)]
    exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
    calls: dict[str, tuple[list[Settlement], int]] = {
        "both": (settlements, 2),
        "settle": (settlements, 0),
        "fetch": ([], 2),
    }
    calls.pop("fetch" if name in ONLY_TO_SETTLE else "settle" if name in ONLY_TO_FETCH else "none", None)
    await twin.run(*(("RPUSH", twin.keys["broken"], "x") if name == "pc" else ("SET", twin.keys["broken"], "x")))
    there = await twin.run("EXISTS", twin.keys[name])
    if there:
        await twin.run("RENAME", twin.keys[name], twin.keys["aside"])
    await twin.run("RENAME", twin.keys["broken"], twin.keys[name])
    before = await twin.stored()
    for settle, fetch in calls.values():
        with pytest.raises(BrokerError, match=rf"BROKENQUEUE .*:{name} holds a"):
            await exchanger.exchange(settle, fetch)
    assert await twin.stored() == before
    await twin.run("DEL", twin.keys[name])
    if there:
        await twin.run("RENAME", twin.keys["aside"], twin.keys[name])
    exchange = await exchanger.exchange(settlements, 2)
    assert (list(exchange.settled), len(exchange.jobs)) == ([Settled.WRITTEN] * 3, 2)


async def test_a_broken_events_key_is_seen_though_no_outcome_can_be_written(twins: Twins) -> None:
    """P2: jobs that come due with that fetch would be in no list."""
    twin = twins.ours
    await twins.add_many([JobOptions()] * 2 + [JobOptions(delay_s=1.0)] * 5)
    await fetched(twins, 2)
    twins.now += 2
    await twin.run("DEL", *(f"{twin.keys.job(job.id)}:lock" for job in twin.held))
    await twin.run("DEL", twin.keys["active"])
    await twin.run("SET", twin.keys["events"], "x")
    before = await twin.stored()
    exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
    with pytest.raises(BrokerError, match=r"BROKENQUEUE .*:events holds a"):
        await exchanger.exchange([Settlement(job, Completed()) for job in twin.held], 5)
    assert await twin.stored() == before


async def test_a_broken_key_that_a_call_does_not_need_holds_nobody_up(twins: Twins) -> None:
    twin = twins.ours
    await twins.add_many([JobOptions()] * 3)
    await fetched(twins, 1)
    job = twin.held[0]
    for name in ("failed", "pc", "paused"):
        await twin.run("RPUSH" if name != "paused" else "SADD", twin.keys[name], "x")
    exchange = await Exchanger(twin.connection, twin.keys, LEASE, twins.now).exchange([Settlement(job, Completed())], 2)
    assert (list(exchange.settled), len(exchange.jobs)) == ([Settled.WRITTEN], 2)


async def test_if_redis_fails_before_the_last_outcomes_what_was_fetched_is_told_all_the_same(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2: what is fetched and told to nobody would stall."""
    twin = twins.ours
    await twins.add_many([JobOptions()] * 5)
    held = [twin.held[place] for place in await fetched(twins, 3)]
    # Unknown to our script until it looks: BullMQ's is to settle it, by a call of its own.
    await twin.run("HSET", twin.keys.job(held[1].id), "deid", "since then")

    async def fail(*_: object, **__: object) -> list[list[Any]]:
        raise BrokerUnavailable("cut")

    monkeypatch.setattr(twin.connection, "run_all", fail)
    exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
    exchange = await exchanger.exchange([Settlement(job, Completed()) for job in held], 2)
    assert list(exchange.settled) == [Settled.WRITTEN, Settled.UNTRIED, Settled.WRITTEN]
    assert [job.id for job in exchange.jobs] == ["4", "5"]


async def test_if_redis_fails_before_a_lock_is_taken_up_again_the_outcome_is_not_given_up(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P2, P20: just after an outage, longer than the lock, the next call may meet another connection that is dead."""
    twin = twins.ours
    await twins.add_many([JobOptions()])
    [place] = await fetched(twins, 1)
    job = twin.held[place]
    await twin.run("DEL", twin.keys.job(job.id) + ":lock")
    exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
    send = twin.connection._send_script
    fails = [False, True]

    async def fail_once(command: Command) -> Any:
        if fails and fails.pop(0):
            raise BrokerUnavailable("cut")
        return await send(command)

    monkeypatch.setattr(twin.connection, "_send_script", fail_once)
    settlement = Settlement(job, Completed())
    assert list((await exchanger.exchange([settlement], 0)).settled) == [Settled.UNTRIED]
    assert list((await exchanger.exchange([settlement], 0)).settled) == [Settled.WRITTEN]


async def test_a_queue_that_kept_everything_is_cleared_in_steps_that_redis_can_bear(twins: Twins) -> None:
    """P16: of a million finished jobs of Node's it would remove all but a thousand in one call."""
    twin = twins.ours
    await twins.add_many([JobOptions(keep_completed=Retention(count=10))] * 4)
    places = await fetched(twins, 4)
    for first in range(0, 25_000, 1_000):
        old = [part for n in range(first, first + 1_000) for part in (n + 1, f"old-{n}")]
        await twin.run("ZADD", twin.keys["completed"], *old)
    left: list[int] = []
    for place in places:
        exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
        await exchanger.exchange([Settlement(twin.held[place], Completed())], 0)
        left.append(await twin.run("ZCARD", twin.keys["completed"]))
    assert left == [15_001, 5_002, 10, 10]
    assert await twin.run("ZRANGE", twin.keys["completed"], 0, 0) == ["old-24994"]


async def test_no_more_delayed_jobs_than_redis_can_bear_are_made_to_wait_in_one_call(twins: Twins) -> None:
    twin = twins.ours
    for first in range(0, 25_000, 1_000):
        due = [part for n in range(first, first + 1_000) for part in (n * 0x1000, f"due-{n}")]
        await twin.run("ZADD", twin.keys["delayed"], *due)
    exchanger = Exchanger(twin.connection, twin.keys, LEASE, twins.now)
    exchange = await exchanger.exchange([], 100)
    assert [job.id for job in exchange.jobs] == [f"due-{n}" for n in range(100)]
    assert await twin.run("ZCARD", twin.keys["delayed"]) == 15_000


async def test_more_delayed_jobs_come_due_than_are_made_to_wait_at_once(twins: Twins) -> None:
    kinds = [JobOptions(delay_s=1 + n / 1000, priority=n % 3) for n in range(1_300)]
    await twins.add_many(kinds)
    twins.now += 10
    await twins.exchange([], 7)
    await twins.exchange([(0, Completed()), (1, Completed())], 5)


@pytest.mark.parametrize("count", [None, 900, 1_500])
async def test_more_finished_jobs_are_too_old_than_are_removed_at_once(twins: Twins, count: int | None) -> None:
    """P16."""
    old = [part for n in range(2_300) for part in (int((twins.now - 10 + n / 1000) * 1000), f"old-{n}")]
    await twins.run(lambda keys: ("ZADD", keys["completed"], *old))
    await twins.add_many([JobOptions(keep_completed=Retention(count=count, age_s=5))] * 3)
    await fetched(twins, 3)
    await twins.exchange([(0, Completed()), (1, Completed())], 0)
    await twins.exchange([(0, Completed())], 0)


async def test_events_are_kept_to_about_the_number_that_is_set(twins: Twins) -> None:
    await twins.run(lambda keys: ("HSET", keys["meta"], "opts.maxLenEvents", 20))
    await twins.add_many([JobOptions()] * 600)
    for twin in (twins.ours, twins.theirs):
        for _ in range(7):
            held, twin.held = twin.held, []
            settlements = [Settlement(job, Completed()) for job in held]
            exchange = await Exchanger(twin.connection, twin.keys, LEASE, twins.now).exchange(settlements, 100)
            assert set(exchange.settled) <= {Settled.WRITTEN}
            twin.held = list(exchange.jobs)
        assert await twin.run("XLEN", twin.keys["events"]) <= 20 + 200 + 100


@pytest.mark.parametrize("count", [0, 1])
async def test_all_that_hangs_on_a_job_goes_with_it(twins: Twins, count: int) -> None:
    await twins.add_many([JobOptions(keep_completed=Retention(count=count), keep_failed=Retention(count=count))] * 6)
    places = await fetched(twins, 6)
    for job in twins.ours.held:
        await twins.add_beside(job.id)
    await twins.exchange([(place, [Completed(), Failed("no milk", "Traceback")][place % 2]) for place in places], 0)


async def test_jobs_that_are_kept_by_different_rules_follow_each_its_own(twins: Twins) -> None:
    """P16."""
    await twins.add_many([JobOptions(keep_completed=Retention())] * 8)
    for _ in range(8):
        await fetched(twins, 1)
        await twins.exchange([(0, Completed())], 0)
        twins.now += 1
    ages = [6.0, 6.0, 2.0, 6.0, 4.0]
    await twins.add_many([JobOptions(keep_completed=Retention(age_s=age)) for age in ages])
    await twins.exchange([(place, Completed()) for place in await fetched(twins, 5)], 0)


@pytest.mark.parametrize("paused", [False, True])
async def test_a_failed_child_that_is_removed_for_others_lets_its_parent_go_on(twins: Twins, paused: bool) -> None:
    """P16."""
    await twins.add_family("parent", JobOptions(keep_failed=Retention()))
    await twins.exchange([(place, Failed("no milk")) for place in await fetched(twins, 2)], 0)
    twins.now += 1
    await twins.add_many([JobOptions(keep_failed=Retention(count=1))] * 2)
    places = await fetched(twins, 2)
    await twins.run(lambda keys: ("DEL", keys["marker"]))
    if paused:
        await twins.run(lambda keys: ("HSET", keys["meta"], "paused", 1))
    await twins.exchange([(place, Failed("no milk")) for place in places], 2)
    assert [job.id for job in twins.ours.held] == ([] if paused else ["parent"])


@pytest.mark.parametrize("prefix", ["bull", "b*"])
async def test_many_failed_children_that_are_removed_at_once_let_their_parents_go_on(
    broker: BullMQBroker, queue_name: str, prefix: str
) -> None:
    """P16: their parents are asked for in one call, if the prefix of the keys is no pattern."""
    connection, keys = broker._connection, keys_of(prefix, queue_name)
    options = JobOptions(keep_failed=Retention())
    families = [
        NewFlow(
            NewJob(queue_name, "parent", "{}", JobOptions(job_id=f"p{n}")),
            [NewFlow(NewJob(queue_name, "child", "{}", options))],
        )
        for n in range(8)
    ]
    for family in families:
        await add_flow(connection, prefix, family, time.time())
    exchanger = Exchanger(connection, keys, LEASE, time.time())
    children = (await exchanger.exchange([], 8)).jobs
    await exchanger.exchange([Settlement(job, Failed("no milk")) for job in children], 0)
    last = [NewJob(queue_name, "any", "{}", JobOptions(keep_failed=Retention(count=1)))]
    await add_jobs(connection, prefix, last, time.time())
    later = Exchanger(connection, keys, LEASE, time.time() + 1)
    jobs = (await later.exchange([], 1)).jobs
    exchange = await later.exchange([Settlement(job, Failed("no milk")) for job in jobs], 20)
    assert sorted(job.id for job in exchange.jobs) == [f"p{n}" for n in range(8)]


async def test_what_older_versions_left_in_the_waiting_list_is_no_job(twins: Twins) -> None:
    await twins.add_many([JobOptions()] * 3)
    await twins.run(lambda keys: ("RPUSH", keys["wait"], "0:0"))
    await twins.exchange([], 2)
    assert [job.id for job in twins.ours.held] == ["1", "2"]


async def test_a_full_redis_takes_outcomes_all_the_same(start_valkey: Callable[..., Valkey], queue_name: str) -> None:
    """P20: else nothing would ever make room."""
    broker = BullMQBroker(start_valkey().url)
    await broker.open()
    await add_jobs(broker._connection, "bull", [NewJob(queue_name, "any", "{}")] * 3, time.time())
    jobs = (await broker.exchange(queue_name, [], 2, LEASE)).jobs
    await broker._connection.run("CONFIG", "SET", "maxmemory", 1)
    outcomes: list[Outcome] = [Failed("no milk"), Completed()]
    settlements = [Settlement(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]
    for settlement in settlements:
        assert (await broker.exchange(queue_name, [settlement], 0, LEASE)).settled == [Settled.WRITTEN]
    with pytest.raises(BrokerUnavailable, match="takes no writes"):
        await broker.exchange(queue_name, [], 1, LEASE)
    await broker.close()
