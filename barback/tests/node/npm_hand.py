"""npm `bullmq` settling and fetching by hand what barback does in one exchange, in barback's order.

That order is: outcomes that only BullMQ's scripts can write, the others, the fetch; and then what our script found out
only when it looked (it is BullMQ's, or broken, or its lock ran out), and once more a fetch if slots are left. Where
barback means to leave something else in Redis than BullMQ does, that is done here to Node's queue, and said why.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from barback.broker import Completed, FetchedJob, Settled, Settlement
from barback.bullmq.batch import fits

from .keyspace import Keyspace
from .side import NodeQueue
from .steps import DAMAGE, Later, Step, call_of

LOCK_MS = 600_000
NOT_ACTIVE = -3
_SETTLED = {
    0: Settled.WRITTEN,
    -1: Settled.GONE,
    -2: Settled.LOCK_LOST,
    NOT_ACTIVE: Settled.LOCK_LOST,
    -4: Settled.CHILDREN,
    -6: Settled.LOCK_LOST,
    -9: Settled.CHILDREN,
    None: Settled.BROKEN,
}
"""By the `code` of the error that BullMQ throws; None: it threw one of Redis's."""


@dataclass(slots=True)
class Held:
    """A job that both hold."""

    token: str
    """Node's."""
    job: FetchedJob


@dataclass(frozen=True, slots=True)
class Part:
    """One job of a batch."""

    held: Held
    step: Step
    settlement: Settlement

    @property
    def fits(self) -> bool:
        return fits(self.settlement)


@dataclass(slots=True, repr=False)
class NpmHand:
    """Node's queue, and how it lies in Redis."""

    queue: NodeQueue
    stored: Keyspace
    tokens: int = 0
    fetched: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """By the last exchange: `job` (None: there was none), `nextAt` in milliseconds, `limited`."""
    lost: list[str] = field(default_factory=list[str])
    """The jobs of the last batch on which BullMQ's script would have broken; ours is asked first and fails them."""

    async def exchange(self, parts: Sequence[Part], fetch: int, at_ms: int, *, chained: bool) -> list[Settled]:
        """The answers for a batch; what it fetched is in `fetched`.

        `chained`: it fetches the first job in the call that completes the last one.
        """
        self.fetched = []
        told: dict[int, Settled] = {}
        chained = chained and fetch > 0
        fitting = [i for i, part in enumerate(parts) if part.fits]
        others = [i for i, part in enumerate(parts) if not part.fits]
        for i in others:
            chains = chained and not fitting and i == others[-1] and await self._may_chain(parts[i])
            told[i] = await self._settle(parts[i], at_ms, chains=chains)
        # Only now: one of the others may have been the last child of one of these.
        late = [i for i in fitting if await self._is_seen_late(parts[i])]
        lost = [i for i in fitting if parts[i].step.spoil in DAMAGE and i not in late]
        self.lost = [parts[i].held.job.id for i in lost]
        in_time = [i for i in fitting if i not in (*late, *lost)]
        for i in in_time:
            chains = chained and i == in_time[-1] and await self._may_chain(parts[i])
            told[i] = await self._settle(parts[i], at_ms, chains=chains)
        if len(parts) > fetch:
            await self.wake()
        # Where there is a rate limit BullMQ's script fetches for us, too, after everything else.
        if not await self._is_limited():
            await self._fetch(fetch)
        for i in sorted((*late, *lost)):
            told[i] = await (self._settle if i in late else self._fail_lost)(parts[i], at_ms)
        unlocked = [i for i in told if parts[i].step.spoil == "lock ran out" and told[i] == Settled.LOCK_LOST]
        for i in sorted(unlocked):
            await self._lock_again(parts[i].held)
            told[i] = await self._settle(parts[i], at_ms)
        if late or lost or unlocked:
            self.fetched = [one for one in self.fetched if one["job"]]
        await self._fetch(fetch)
        for job_id in self.lost:
            await self.stored.remove_job(job_id)
        return [told[i] for i in range(len(parts))]

    async def wake(self) -> None:
        """Ours tells other workers when it frees a slot that it does not take, fails a job, or sets a limit."""
        await self.stored.run("ZADD", self.stored.key("marker"), 0, "0")

    async def _is_seen_late(self, part: Part) -> bool:
        key = self.stored.key(part.held.job.id)
        has_children = await self.stored.run("EXISTS", f"{key}:dependencies", f"{key}:unsuccessful")
        if has_children and isinstance(part.settlement.outcome, Completed):
            return True
        return part.step.spoil not in DAMAGE and bool(await self.stored.run("HEXISTS", key, "deid"))

    async def _may_chain(self, part: Part) -> bool:
        """Where jobs are delayed or held back, BullMQ says nothing of `drained` if it fetches in one call.

        It does in two, which is what ours stands for.
        """
        if part.step.spoil or not isinstance(part.settlement.outcome, Completed):
            return False
        held_back = await self.stored.run("HMGET", self.stored.key("meta"), "paused", "concurrency", "max")
        return not any(held_back) and not await self.stored.run("EXISTS", self.stored.key("delayed"))

    async def _is_limited(self) -> bool:
        return bool(await self.stored.run("HEXISTS", self.stored.key("meta"), "max"))

    async def _settle(self, part: Part, at_ms: int, *, chains: bool = False) -> Settled:
        how = call_of(part.step.ending, at_ms)
        answer = await self.queue.call("settle", token=part.held.token, fetchNext=chains, **how)
        if isinstance(part.step.ending, Later) and answer["code"] in (0, NOT_ACTIVE):
            # Ours says why it was put off. (BullMQ's script writes that before it looks whether the job is active.)
            traces = json.dumps(list(part.held.job.stacktraces))
            why = ("failedReason", "later", "stacktrace", traces)
            await self.stored.run("HSET", self.stored.key(part.held.job.id), *why)
        if answer["next"]:
            self.fetched.append({"job": answer["next"], "nextAt": None, "limited": False})
        return _SETTLED[answer["code"]]

    async def _fail_lost(self, part: Part, at_ms: int) -> Settled:
        """As far as others are concerned: it makes room, and is counted among the failed ones that are kept."""
        await self.stored.remove_job(part.held.job.id)
        await self.stored.run("ZADD", self.stored.key("failed"), at_ms, part.held.job.id)
        await self.wake()
        return Settled.WRITTEN

    async def _lock_again(self, held: Held) -> None:
        """Ours takes a lock up again that ran out in an outage; in Node nothing does."""
        await self.stored.run("SET", self.stored.key(f"{held.job.id}:lock"), held.token, "PX", LOCK_MS)
        await self.stored.run("SREM", self.stored.key("stalled"), held.job.id)

    async def _fetch(self, count: int) -> None:
        while len(self.fetched) < count and all(one["job"] for one in self.fetched):
            self.tokens += 1
            self.fetched.append(await self.queue.call("fetch", token=f"npm:{self.tokens}", lockDuration=LOCK_MS))
