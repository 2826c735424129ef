"""Whatever is added, our script leaves what BullMQ's own leave, key for key, and answers the same (P1, P5, P17, P18).

Seeded: the seed is in the name of a test.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from barback.options import JobOptions, Retention
from barback.retry import Custom, Exponential, Fixed

from .twins import Twins

STEPS = 25


@dataclass(slots=True)
class Play:
    """What happens to both, by dice."""

    twins: Twins
    dice: random.Random

    async def step(self) -> None:
        operations: list[Callable[[], Awaitable[None]]] = [self.add, self.add, self.add, self.change, self.exchange]
        operation = self.dice.choice(operations)
        await operation()
        if operation != self.exchange:  # which compares
            await self.twins.compare()

    def options(self) -> JobOptions:
        dice = self.dice
        return JobOptions(
            job_id=dice.choice([None] * 4 + ["mine", "ours", "ä☕", "x" * 200, "007x"]),
            priority=dice.choice([0, 0, 0, 1, 5, 2_097_151]),
            delay_s=dice.choice([0, 0, 0, 0.001, 1.5, 10**9]),
            attempts=dice.choice([1, 3]),
            backoff=dice.choice([None, Fixed(1.5, 0.25), Exponential(), Custom(lambda attempt, error: 1.0)]),
            lifo=dice.random() < 0.3,
            keep_completed=dice.choice([Retention(), Retention(count=0), Retention(count=3, age_s=2)]),
            on_failure=dice.choice([None, "ignore", "fail-parent"]),
            keep_logs=dice.choice([7, 1_000]),
        )

    async def add(self) -> None:
        count = self.dice.choice([1, 1, 2, 30, 150])
        few = [self.options() for _ in range(3)]
        options = [self.dice.choice(few) if self.dice.random() < 0.8 else self.options() for _ in range(count)]
        data = self.dice.choice(["{}", '{"ä": "\\u0000☕\u2028"}', f'"{"x" * self.dice.choice([63, 64, 3_000])}"'])
        await self.twins.add_many(options, data, self.dice.choice(["any", "größer"]))

    async def change(self) -> None:
        """Something on which it depends where a job goes, and who is told."""
        twins, dice = self.twins, self.dice
        limit = dice.choice([0, 1, 1_000])
        changes: list[Callable[[], Awaitable[None]]] = [
            lambda: twins.run(lambda keys: ("HSET", keys["meta"], "paused", 1)),
            lambda: twins.run(lambda keys: ("HDEL", keys["meta"], "paused")),
            lambda: twins.run(lambda keys: ("HSET", keys["meta"], "concurrency", limit)),
            lambda: twins.run(lambda keys: ("HDEL", keys["meta"], "concurrency")),
            lambda: twins.run(lambda keys: ("HSET", keys["meta"], "version", "bullmq:5.81.5")),
            lambda: twins.run(lambda keys: ("HSET", keys["meta"], "version", "bullmq:6.7.0")),
            lambda: twins.run(lambda keys: ("LPUSH", keys["paused"], "an-old-one")),
            lambda: twins.run(lambda keys: ("DEL", keys["marker"])),
            lambda: twins.run(lambda keys: ("DEL", keys.job("mine"))),
        ]
        await dice.choice(changes)()
        twins.now += dice.choice([0, 0.001, 2.0])

    async def exchange(self) -> None:
        await self.twins.exchange([], self.dice.choice([1, 3]))


@pytest.mark.parametrize("seed", range(12))
async def test_any_jobs_are_added_as_one_by_one(seed: int, twins: Twins) -> None:
    play = Play(twins, random.Random(seed))
    for _ in range(STEPS):
        await play.step()
