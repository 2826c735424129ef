"""Node 5, Node 6 and Python do anything at all to one queue, and no job is ever in no list or in two (P6).

Seeded: the seed is in the name of a test or printed by it. What counts is what lies in Redis afterwards.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from barback.broker import Completed, Failed, Lease, Retry, Settlement
from barback.bullmq import BullMQBroker
from barback.errors import BrokerError
from barback.options import JobOptions
from barback.retry import Fixed

from .python import PythonQueue
from .side import NodeQueue
from .stored import Stored

STEPS = 200
LEASE = Lease("python", lock_s=60)
KINDS: list[JobOptions] = [
    JobOptions(),
    JobOptions(),
    JobOptions(lifo=True),
    JobOptions(priority=2),
    JobOptions(delay_s=0.001),
    JobOptions(attempts=2),
    JobOptions(attempts=3, backoff=Fixed(0.001)),
]


class Hand(Protocol):
    """A side that works by hand, one step a call."""

    async def enqueue(self, name: str, data: object, options: JobOptions | None = None) -> str: ...
    async def take(self) -> str | None: ...
    async def finish(self, job_id: str, *, error: str | None = None) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def remove(self, job_id: str) -> bool: ...


@dataclass(slots=True)
class PythonHand(PythonQueue):
    """Python's side by hand, in the broker's own terms."""

    taken: dict[str, Settlement] = field(default_factory=dict[str, Settlement])

    async def take(self) -> str | None:
        for fetched in (await self.broker.exchange(self.name, [], 1, LEASE)).jobs:
            self.taken[fetched.id] = Settlement(fetched, Completed())
            return fetched.id
        return None

    async def finish(self, job_id: str, *, error: str | None = None) -> None:
        fetched = self.taken.pop(job_id).job
        if error is None:
            outcome = Completed()
        elif fetched.attempt < fetched.options.attempts:
            outcome = Retry(
                fetched.options.backoff.after(1) if isinstance(fetched.options.backoff, Fixed) else 0, error
            )
        else:
            outcome = Failed(error)
        await self.broker.exchange(self.name, [Settlement(fetched, outcome)], 0, LEASE)


@dataclass(slots=True)
class Play:
    """One queue, those who play with it, and what they did."""

    hands: Sequence[Hand]
    stored: Stored
    broker: BullMQBroker
    dice: random.Random
    held: list[tuple[Hand, str]] = field(default_factory=list[tuple[Hand, str]])
    added: set[str] = field(default_factory=set[str])
    removed: set[str] = field(default_factory=set[str])
    done: Counter[str] = field(default_factory=Counter[str])

    def operations(self) -> list[tuple[int, Callable[[Hand], Awaitable[None]]]]:
        """What a hand may do next, each with its weight."""
        return [
            (8, self.add),
            (6, self.take),
            (6, self.finish),
            (2, self.pause),
            (2, self.resume),
            (2, self.remove),
            (1, self.crash),
            (1, self.recover),
        ]

    async def step(self, hand: Hand) -> None:
        """One operation."""
        weights, operations = zip(*self.operations(), strict=True)
        [operation] = self.dice.choices(operations, weights)
        self.done[operation.__name__] += 1
        await operation(hand)

    async def add(self, hand: Hand) -> None:
        self.added.add(await hand.enqueue("any", {}, self.dice.choice(KINDS)))

    async def take(self, hand: Hand) -> None:
        job_id = await hand.take()
        if job_id is not None:
            self.held.append((hand, job_id))

    async def finish(self, hand: Hand) -> None:
        for one in [one for one in self.held if one[0] is hand][:1]:
            self.held.remove(one)
            await hand.finish(one[1], error=self.dice.choice([None, None, "on purpose"]))

    async def pause(self, hand: Hand) -> None:
        await hand.pause()

    async def resume(self, hand: Hand) -> None:
        await hand.resume()

    async def remove(self, hand: Hand) -> None:
        choice = sorted(self.added - self.removed - {job_id for _, job_id in self.held})
        if choice:
            job_id = self.dice.choice(choice)
            # Another hand may just have taken it: then it stays.
            with suppress(BrokerError):
                if await hand.remove(job_id):
                    self.removed.add(job_id)

    async def crash(self, hand: Hand) -> None:
        """A worker dies: what it holds loses its lock, and it is heard of no more."""
        for one in [one for one in self.held if one[0] is hand][:1]:
            self.held.remove(one)
            await self.stored.run("DEL", self.stored.key(f"{one[1]}:lock"))

    async def recover(self, hand: Hand) -> None:
        await self.broker.recover_stalled(self.stored.queue, 0.001)

    async def end(self) -> list[str]:
        """Finish what is held, resume, recover, repair; what repair put back."""
        while self.held:
            await self.finish(self.held[0][0])
        await self.dice.choice(self.hands).resume()
        for _ in range(3):
            await self.stored.run("DEL", self.stored.key("stalled-check"))
            await self.broker.recover_stalled(self.stored.queue, 0.001)
        return await self.broker.repair(self.stored.queue)

    async def work_all(self) -> None:
        """Work by all hands in turn until nothing is left that ever comes."""
        deadline = time.monotonic() + 15
        while any([await self.stored.ids(name) for name in ("wait", "paused", "prioritized", "delayed", "active")]):
            assert time.monotonic() < deadline, await self.stored.misplaced()
            for hand in self.hands:
                job_id = await hand.take()
                if job_id is not None:
                    await hand.finish(job_id)

    async def check(self) -> None:
        """The invariant, and that nothing is missing."""
        assert await self.stored.misplaced() == {}
        assert await self.stored.hashes() == self.added - self.removed


@pytest.fixture
def hands(node5: NodeQueue, node6: NodeQueue, broker: BullMQBroker) -> Sequence[Hand]:
    return [node5, node6, PythonHand(broker, node5.name)]


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_operations_of_all_three_and_a_repair_every_job_has_its_place_and_can_be_worked(
    seed: int, hands: Sequence[Hand], stored: Stored, broker: BullMQBroker
) -> None:
    play = Play(hands, stored, broker, random.Random(seed))
    for _ in range(STEPS):
        await play.step(play.dice.choice(hands))
        twice = {job_id: where for job_id, where in (await stored.places()).items() if len(where) > 1}
        assert twice == {}, "no job is in two places at any time"
    await play.end()
    await play.check()
    await play.work_all()
    await play.check()
    assert play.done.keys() == {operation.__name__ for _, operation in play.operations()}


@pytest.mark.parametrize("seed", range(4))
async def test_node_5_and_python_alone_never_leave_a_job_without_a_place(
    seed: int, hands: Sequence[Hand], stored: Stored, broker: BullMQBroker
) -> None:
    play = Play([hands[0], hands[2]], stored, broker, random.Random(seed))
    for _ in range(STEPS):
        await play.step(play.dice.choice(play.hands))
        assert await stored.misplaced() == {}
    assert await play.end() == []
    await play.check()
    await play.work_all()


@pytest.mark.parametrize("all_three", [True, False], ids=["all-three", "node-5-and-python"])
async def test_at_the_same_time_they_lose_nothing_that_a_repair_does_not_find(
    all_three: bool, hands: Sequence[Hand], stored: Stored, broker: BullMQBroker
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    play = Play(hands if all_three else [hands[0], hands[2]], stored, broker, random.Random(seed))

    async def go_on(hand: Hand) -> None:
        for _ in range(STEPS):
            await play.step(hand)

    await asyncio.gather(*(go_on(hand) for hand in play.hands for _ in range(2)))
    repaired = await play.end()
    assert all_three or repaired == [], "without Node 6 there is nothing to find"
    await play.check()
    await play.work_all()
    await play.check()
