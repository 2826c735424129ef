"""Our one script leaves what BullMQ's own leave, key for key, whatever is done to a queue (P2, P16, P17, P18).

Seeded: the seed is in the name of a test.
"""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from barback.broker import Completed, Failed, HandedBack, NewJob, Outcome, Retry, Settled, Settlement
from barback.bullmq import BullMQBroker
from barback.bullmq.adding import add_jobs
from barback.bullmq.batch import LONGEST_VALUE
from barback.bullmq.working import Exchanger
from barback.errors import BrokerUnavailable
from barback.options import Deduplication, JobOptions, OnFailure, Retention
from drills.servers import Valkey

from .twins import LEASE, Twin, Twins

STEPS = 60
RETENTIONS = [
    Retention(),
    Retention(),
    Retention(count=0),
    Retention(count=2),
    Retention(count=1_000, age_s=24 * 3600),
    Retention(age_s=2),
    Retention(count=3, age_s=2),
]
ON_FAILURE: list[OnFailure | None] = [None, "ignore", "fail-parent", "continue-parent", "remove"]


@pytest.fixture
def twins(broker: BullMQBroker, queue_name: str) -> Twins:
    connection = broker._connection
    return Twins(Twin(connection, f"{queue_name}-theirs"), Twin(connection, f"{queue_name}-ours"))


@dataclass(slots=True)
class Play:
    """What happens to both, by dice."""

    twins: Twins
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter[str])

    def operations(self) -> list[tuple[int, Callable[[], Awaitable[None]]]]:
        return [
            (10, self.add),
            (20, self.exchange),
            (4, self.let_pass),
            (2, self.add_family),
            (3, self.limit),
            (3, self.pause),
            (5, self.spoil_a_held_one),
            (2, self.spoil_a_waiting_one),
            (1, self.spoil_a_finished_one),
            (1, self.hear_of_node_5),
        ]

    async def step(self) -> None:
        weights, operations = zip(*self.operations(), strict=True)
        [operation] = self.dice.choices(operations, weights)
        self.done[operation.__name__] += 1
        await operation()

    def options(self) -> JobOptions:
        dice = self.dice
        return JobOptions(
            job_id=dice.choice([None] * 6 + ["mine", "ours"]),
            priority=dice.choice([0, 0, 0, 1, 5]),
            delay_s=dice.choice([0, 0, 0, 0.001, 1.5]),
            attempts=dice.choice([1, 1, 3]),
            lifo=dice.random() < 0.2,
            deduplicate=dice.choice([None] * 5 + [Deduplication.simple("a"), Deduplication.keep_last("b")]),
            keep_completed=dice.choice(RETENTIONS),
            keep_failed=dice.choice(RETENTIONS),
            keep_stacktraces=dice.choice([0, 2, 10]),
        )

    def outcome(self) -> Outcome:
        return self.dice.choice(
            [
                Completed(),
                Completed('{"täglich": "1\\u0000"}'),
                Completed(f'"{"x" * LONGEST_VALUE}"' if self.dice.random() < 0.1 else '"short"'),
                Failed("no milk", "Traceback: no milk\n  at line 1"),
                Failed(""),
                Retry(0, "again", "Traceback: again"),
                Retry(1.0, "later", "Traceback: later"),
                HandedBack(),
            ]
        )

    async def add(self) -> None:
        for _ in range(self.dice.choice([1, 1, 5])):
            await self.twins.add(self.options())

    async def add_family(self) -> None:
        on_failure = self.dice.choice(ON_FAILURE)
        name = f"family-{self.done['add_family']}"
        await self.twins.add_family(name, JobOptions(on_failure=on_failure, keep_failed=self.dice.choice(RETENTIONS)))

    async def exchange(self) -> None:
        held = list(range(len(self.twins.ours.held)))
        places = self.dice.sample(held, self.dice.randint(0, len(held)))
        settle = [(place, self.outcome()) for place in places]
        await self.twins.exchange(settle, self.dice.choice([0, 1, 3, 10]))

    async def let_pass(self) -> None:
        self.twins.now += self.dice.choice([0.001, 1.0, 3.0])

    async def limit(self) -> None:
        name, value = self.dice.choice([("concurrency", 2), ("concurrency", 0), ("max", 2)])
        if self.dice.random() < 0.7:
            await self.twins.run(lambda keys: ("HDEL", keys["meta"], "concurrency", "max"))
        else:
            await self.twins.run(lambda keys: ("HSET", keys["meta"], name, value, "duration", 600_000))

    async def pause(self) -> None:
        if self.dice.random() < 0.3:
            await self.twins.run(lambda keys: ("HSET", keys["meta"], "paused", 1))
        else:
            await self.twins.run(lambda keys: ("HDEL", keys["meta"], "paused"))

    async def hear_of_node_5(self) -> None:
        await self.twins.run(lambda keys: ("HSET", keys["meta"], "version", "bullmq:5.81.5"))

    async def spoil_a_held_one(self) -> None:
        if not self.twins.ours.held:
            return
        job_id = self.dice.choice(self.twins.ours.held).id
        spoils: list[Callable[[], Awaitable[None]]] = [
            lambda: self.twins.run(lambda keys: ("SET", keys.job(job_id) + ":lock", "somebody's")),
            lambda: self.twins.run(lambda keys: ("DEL", keys.job(job_id) + ":lock")),
            lambda: self.remove_hash(job_id),
            lambda: self.twins.run(lambda keys: ("LREM", keys["active"], 0, job_id)),
            lambda: self.twins.run(lambda keys: ("SADD", keys["stalled"], job_id)),
            lambda: self.twins.run(lambda keys: ("SADD", keys.job(job_id) + ":dependencies", "a child")),
            lambda: self.twins.run(lambda keys: ("ZADD", keys.job(job_id) + ":unsuccessful", 1, "a child")),
            lambda: self.make_unique(job_id),
            lambda: self.twins.run(lambda keys: ("HSET", keys.job(job_id), "defa", "a child failed")),
            lambda: self.damage(job_id),
            lambda: self.replace(job_id),
        ]
        await self.dice.choice(spoils)()

    async def damage(self, job_id: str) -> None:
        # One that is gone, or that BullMQ's scripts do more with than with most, is another matter.
        if await self.is_plain(job_id):
            self.twins.late.add(job_id)
            self.twins.damaged.add(job_id)
            await self.write(job_id, "atm")

    async def make_unique(self, job_id: str) -> None:
        if await self.is_plain(job_id):
            self.twins.late.add(job_id)
            await self.twins.run(lambda keys: ("HSET", keys.job(job_id), "deid", "a"))

    async def replace(self, job_id: str) -> None:
        if await self.is_plain(job_id):
            self.twins.late.add(job_id)
            self.twins.damaged.add(job_id)
            await self.remove_hash(job_id)
            await self.twins.run(lambda keys: ("SET", keys.job(job_id), "not a hash"))

    async def is_plain(self, job_id: str) -> bool:
        ours = self.twins.ours
        key = ours.keys.job(job_id)
        if await ours.run("TYPE", key) != "hash" or await ours.run("EXISTS", f"{key}:dependencies"):
            return False
        return not any(await ours.run("HMGET", key, "parentKey", "deid"))

    async def spoil_a_waiting_one(self) -> None:
        waiting = await self.twins.ours.run("LRANGE", self.twins.ours.keys["wait"], 0, -1)
        waiting += await self.twins.ours.run("ZRANGE", self.twins.ours.keys["prioritized"], 0, -1)
        for job_id in waiting[:1]:
            if self.dice.random() < 0.3:
                await self.remove_hash(job_id)
            elif await self.is_plain(job_id):
                self.twins.ordered = False
                await self.write(job_id, "ats")

    async def spoil_a_finished_one(self) -> None:
        for job_id in await self.twins.ours.run("ZRANGE", self.twins.ours.keys["completed"], 0, 0):
            await self.remove_hash(job_id)

    async def remove_hash(self, job_id: str) -> None:
        await self.twins.run(lambda keys: ("DEL", keys.job(job_id)))

    async def write(self, job_id: str, name: str) -> None:
        await self.twins.run(lambda keys: ("HSET", keys.job(job_id), name, "many"))


@pytest.mark.parametrize("seed", range(20))
async def test_any_sequence_of_operations_leaves_the_same_keys_values_and_events(seed: int, twins: Twins) -> None:
    play = Play(twins, random.Random(seed))
    for _ in range(STEPS):
        await play.step()
    assert play.done["exchange"] > 10


async def fetched(twins: Twins, count: int) -> list[int]:
    """Fetch so many; the places of all that are held."""
    await twins.exchange([], count)
    return list(range(len(twins.ours.held)))


async def test_hundreds_are_settled_and_fetched_as_one_by_one(twins: Twins) -> None:
    await twins.add_many([JobOptions(keep_completed=Retention(count=50))] * 400)
    places = await fetched(twins, 230)
    await twins.exchange([(place, Completed(str(place))) for place in places], 150)


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
    spoilt = {"2", "5", "8", "11", "14", "17"}
    completed = await twins.ours.run("ZRANGE", twins.ours.keys["completed"], 0, -1)
    assert set(completed) == {str(n) for n in range(1, 21)} - spoilt
    assert await twins.ours.run("ZRANGE", twins.ours.keys["failed"], 0, -1) == ["14", "17"]


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


async def test_a_failed_child_that_is_removed_for_others_lets_its_parent_go_on(twins: Twins) -> None:
    """P16."""
    await twins.add_family("parent", JobOptions(keep_failed=Retention()))
    await twins.exchange([(place, Failed("no milk")) for place in await fetched(twins, 2)], 0)
    twins.now += 1
    await twins.add_many([JobOptions(keep_failed=Retention(count=1))] * 2)
    await twins.exchange([(place, Failed("no milk")) for place in await fetched(twins, 2)], 1)
    assert [job.id for job in twins.ours.held] == ["parent"]


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
