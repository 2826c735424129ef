"""One queue twice: npm `bullmq` works the one, through its public methods, and barback's broker the other.

Both stand at the same time, which the test moves, so that what they store of moments must be equal.
"""

import difflib
import pprint
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from barback.broker import Exchange, FetchedJob, Lease, NewFlow, NewJob, QueueLimits, Settlement
from barback.bullmq import BullMQBroker
from barback.bullmq.batch import fits
from barback.options import JobOptions

from .keyspace import Keyspace
from .npm_hand import LOCK_MS, Held, NpmHand, Part
from .side import NodeQueue
from .steps import DAMAGE, SPOILS, Step, outcome_of
from .wire import opts_of

LEASE = Lease("twin", lock_s=LOCK_MS / 1000)
START_AT_MS = 1_700_000_000_000


class BrokerAt(BullMQBroker):
    """Stands at a time that is set."""

    at_ms = START_AT_MS

    def now(self) -> float:
        return self.at_ms / 1000


@dataclass(slots=True, repr=False)
class NpmTwins:
    """Both queues, and their clock."""

    hand: NpmHand
    broker: BrokerAt
    ours: Keyspace
    held: list[Held] = field(default_factory=list[Held])
    holders: dict[str, Held] = field(default_factory=dict[str, Held])
    """Who fetched each job last."""
    families: int = 0

    @property
    def npm(self) -> NodeQueue:
        return self.hand.queue

    @property
    def queue(self) -> str:
        return self.ours.queue

    async def start(self) -> None:
        """Both empty, as BullMQ leaves a queue that it has opened."""
        self.held.clear()
        self.holders.clear()
        self.families = 0
        for keyspace in (self.hand.stored, self.ours):
            await keyspace.empty()
        await self.npm.call("forget")
        await self.let_pass(START_AT_MS - self.broker.at_ms)

    async def let_pass(self, ms: int) -> None:
        self.broker.at_ms += ms
        await self.npm.call("setClock", at=self.broker.at_ms)

    # ── the same for both ───────────────────────────────────────────────────────────────────────────────────────────

    async def both(self, command: Callable[[Keyspace], Sequence[Any]]) -> None:
        for keyspace in (self.hand.stored, self.ours):
            await keyspace.run(*command(keyspace))

    async def add(self, options: Sequence[JobOptions]) -> None:
        await self.npm.add_bulk([{"name": "any", "data": {"n": 1}, "opts": opts_of(one)} for one in options])
        await self.broker.add([NewJob(self.queue, "any", '{"n":1}', one) for one in options])

    async def add_by_npm(self, opts: Sequence[dict[str, Any]]) -> None:
        """To both queues, with options as they are written in Node."""
        for queue in (self.npm, NodeQueue(self.npm.node, self.npm.version, self.queue)):
            await queue.add_bulk([{"name": "any", "data": {}, "opts": one} for one in opts])

    async def add_family(self, parent: JobOptions, children: Sequence[JobOptions]) -> None:
        """With ids of its own: automatic ones of a flow are random."""
        self.families += 1
        name = f"family-{self.families}"
        children = [replace(one, job_id=f"{name}-{n}") for n, one in enumerate(children)]
        parent = replace(parent, job_id=name)
        add_to: dict[str, Any] = {"data": {}, "queueName": self.npm.name}
        wire = [{"name": "child", "opts": opts_of(one), **add_to} for one in children]
        await self.npm.add_flow({"name": "parent", "opts": opts_of(parent), "children": wire, **add_to})
        flows = [NewFlow(NewJob(self.queue, "child", "{}", one)) for one in children]
        await self.broker.add_flow(NewFlow(NewJob(self.queue, "parent", "{}", parent), flows))

    async def pause(self) -> None:
        await self.npm.pause()
        await self.broker.pause(self.queue)

    async def resume(self) -> None:
        await self.npm.resume()
        await self.broker.resume(self.queue)

    async def limit(self, concurrency: int | None, rate: int | None) -> None:
        """`rate` is jobs in a time that a test does not see the end of; `end_limit` ends it."""
        await self.npm.call("setConcurrency", concurrency=concurrency)
        await self.npm.call("setRate", max=rate, duration=LOCK_MS)
        await self.broker.set_limits(self.queue, QueueLimits(concurrency, (rate, LOCK_MS / 1000) if rate else None))
        await self.hand.wake()

    async def end_limit(self) -> None:
        await self.both(lambda at: ("DEL", at.key("limiter")))

    async def log(self, place: int, line: str) -> None:
        """Of a held job; nothing, if there is none."""
        if not self.held:
            return
        job = self.held[place % len(self.held)].job
        if await self.ours.run("TYPE", self.ours.key(job.id)) == "hash":
            await self.npm.call("log", id=job.id, line=line, keep=job.options.keep_logs)
            await self.broker.add_log(self.queue, job.id, line, job.options.keep_logs)

    # ── an exchange ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def exchange(self, steps: Sequence[Step], fetch: int, *, chained: bool = False) -> Exchange:
        """Settle a batch, fetch, and compare answers and all that is left in Redis. `chained`: see `NpmHand`."""
        parts = await self._take(steps)
        told = await self.hand.exchange(parts, fetch, self.broker.at_ms, chained=chained)
        exchange = await self.broker.exchange(self.queue, [part.settlement for part in parts], fetch, LEASE)
        for job_id in self.hand.lost:
            await self._forget_failure(job_id)
        same("settled", list(exchange.settled), told)
        self._hold(exchange)
        await self.compare()
        return exchange

    async def compare(self) -> None:
        """Everything in Redis."""
        theirs = await self.hand.stored.read({job_id: held.token for job_id, held in self.holders.items()})
        ours = await self.ours.read({job_id: held.job.token for job_id, held in self.holders.items()})
        for name in sorted(theirs.keys() | ours.keys()):
            same(name, ours.get(name), theirs.get(name))

    async def _take(self, steps: Sequence[Step]) -> list[Part]:
        """The held jobs that are meant, each once, and spoilt."""
        chosen = {step.place % len(self.held): step for step in steps} if self.held else {}
        batch = [(self.held[place], _possible(self.held[place], step)) for place, step in chosen.items()]
        self.held = [held for place, held in enumerate(self.held) if place not in chosen]
        for held, step in batch:
            for keyspace in (self.hand.stored, self.ours) if step.spoil else ():
                for command in SPOILS[step.spoil or ""](keyspace, held.job.id):
                    await keyspace.run(*command)
        return [Part(held, step, Settlement(held.job, outcome_of(held.job, step.ending))) for held, step in batch]

    def _hold(self, exchange: Exchange) -> None:
        fetched = self.hand.fetched
        came: list[dict[str, Any]] = [one["job"] for one in fetched if one["job"]]
        same("jobs", [_shown(job) for job in exchange.jobs], [one | {"token": ""} for one in came])
        last = fetched[-1] if fetched else {"nextAt": None, "limited": False}
        same("next_at", exchange.next_at and round(exchange.next_at * 1000), last["nextAt"] and round(last["nextAt"]))
        same("limited", exchange.limited_until is not None, last["limited"])
        new = [Held(one["token"], job) for one, job in zip(came, exchange.jobs, strict=True)]
        self.held += new
        self.holders |= {held.job.id: held for held in new}

    async def _forget_failure(self, job_id: str) -> None:
        """Ours fails what BullMQ's script would lose: seen that it tells so, it is as if it had never been there."""
        await self.ours.remove_job(job_id)
        events = await self.ours.run("XRANGE", self.ours.key("events"), "-", "+")
        failures = [event_id for event_id, told in events if (told["event"], told.get("jobId")) == ("failed", job_id)]
        await self.ours.run("XDEL", self.ours.key("events"), failures[-1])


def same(what: str, ours: Any, theirs: Any) -> None:
    """Fail with the lines that differ."""
    if ours != theirs:
        differing = difflib.ndiff(_lines(theirs), _lines(ours))
        pytest.fail(f"{what}: - theirs + ours\n" + "\n".join(line for line in differing if line[0] != " "))


def _possible(held: Held, step: Step) -> Step:
    """BullMQ's scripts break on damage, ours too where it asks them, and so do adds that meet the same id again."""
    is_apart = held.job.id.isdigit() and fits(Settlement(held.job, outcome_of(held.job, step.ending)))
    return step if is_apart or step.spoil not in DAMAGE else replace(step, spoil=None)


def _shown(job: FetchedJob) -> dict[str, Any]:
    return {"id": job.id, "name": job.name, "attempt": job.attempt, "starts": job.starts, "token": ""}


def _lines(value: Any) -> list[str]:
    return pprint.pformat(value, width=160).splitlines()
