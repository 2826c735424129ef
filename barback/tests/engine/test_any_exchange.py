"""Whatever is done to a queue, our one script leaves what BullMQ's own leave, key for key (P2, P16, P17, P18).

Seeded: the seed is in the name of a test.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from barback.broker import Completed, Failed, HandedBack, Outcome, Retry
from barback.bullmq.batch import LONGEST_VALUE
from barback.options import Deduplication, JobOptions, OnFailure, Retention

from .twins import Twins

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


@dataclass(slots=True)
class Play:
    """What happens to both, by dice."""

    twins: Twins
    dice: random.Random
    spoilt: set[str] = field(default_factory=set[str])
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
        # Each once: what two spoils together do depends on the order in which they are met.
        whole = [job.id for job in self.twins.ours.held if job.token not in self.spoilt]
        if not whole:
            return
        job_id = self.dice.choice(whole)
        self.spoilt |= {job.token for job in self.twins.ours.held if job.id == job_id}
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
