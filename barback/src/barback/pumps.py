"""All pumps of one worker as one: how they stop together, and when nothing is left for them.

stop: drain ──► grace ──► take back ──► abandon ──► give up      each step for what the one before did not end
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from barback.broker import Broker, FetchedJob
from barback.errors import BarbackError
from barback.pump import Pump
from barback.telemetry.meter import Outcomes

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.worker")

TAKE_BACK_S = 0.3
"""How long cancelled handlers have to end."""
WRITE_S = 0.2
"""How long the broker has to take what was handed back."""
DRAINED_CHECK_S = 0.05


class Pumps:
    """One a queue."""

    def __init__(self, pumps: Sequence[Pump]) -> None:
        self._by_queue: Mapping[str, Pump] = {pump.queue: pump for pump in pumps}
        self._all = tuple(pumps)

    @property
    def idle(self) -> bool:
        """Nothing runs, and nothing is left to be written."""
        return all(pump.idle for pump in self._all)

    @property
    def counts(self) -> Counter[Outcomes]:
        """What became of jobs so far."""
        return sum((pump.counts for pump in self._all), Counter[Outcomes]())

    def names(self) -> list[str]:
        """The jobs that run now, by name and id. May be called from any thread."""
        return [f"{job.name} {job.id}" for job in self.jobs()]

    def jobs(self) -> list[FetchedJob]:
        """The jobs that run now. May be called from any thread."""
        return [job for pump in self._all for job in pump.running.jobs()]

    def lost(self, job: FetchedJob) -> None:
        """Its lock is lost."""
        self._by_queue[job.queue].running.lost(job)

    def cancel(self, job: FetchedJob, reason: str) -> None:
        """Somebody wants it to end."""
        self._by_queue[job.queue].running.cancel(job, reason)

    def start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Run all, each until it is drained."""
        return [group.create_task(pump.run()) for pump in self._all]

    async def stop(self, grace_s: float, at_once: asyncio.Event, working: Sequence[asyncio.Task[None]]) -> None:
        """End all that `start` gave, within `grace_s` + 1; `at_once` cuts the grace short. Cancel it when they end."""
        for pump in self._all:
            pump.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await at_once.wait()
        for pump in self._all:
            pump.running.take_back()
        await asyncio.sleep(TAKE_BACK_S)
        for pump in self._all:
            pump.running.abandon()
        await asyncio.sleep(WRITE_S)
        log.error("stopped without writing every outcome: the broker does not answer")
        for one in working:
            one.cancel()

    async def leave(self) -> None:
        """Once they have ended, in whatever way: hand back what runs, and write it if the broker answers."""
        if self.idle:
            return
        for pump in self._all:
            pump.running.take_back()
        if any(pump.busy for pump in self._all):
            await asyncio.sleep(TAKE_BACK_S)
        for pump in self._all:
            pump.running.abandon()
        with contextlib.suppress(BarbackError, TimeoutError):
            async with asyncio.timeout(WRITE_S):
                for pump in self._all:
                    await pump.flush()

    async def wait_until_drained(self, broker: Broker) -> None:
        """Until no job of their queues waits, runs, or is delayed. Jobs of other workers and producers count too."""
        while not await self._drained(broker):  # noqa: ASYNC110 — nothing here could tell us of them
            await asyncio.sleep(DRAINED_CHECK_S)

    async def _drained(self, broker: Broker) -> bool:
        """No job is left, and none ended while the queues were counted: it may have added to one already counted."""
        ended_before = self.counts.total()
        nothing_left = self.idle and await _nothing_left(broker, tuple(self._by_queue))
        return nothing_left and ended_before == self.counts.total()


async def _nothing_left(broker: Broker, queues: Sequence[str]) -> bool:
    try:
        counts = [await broker.counts(queue) for queue in queues]
        scheduled = [len(await broker.schedules(queue)) for queue in queues]
    except BarbackError:
        return False
    # Each schedule always has one delayed job: the one of its next slot.
    return all(
        count["waiting"] + count["prioritized"] + count["active"] + max(0, count["delayed"] - due) == 0
        for count, due in zip(counts, scheduled, strict=True)
    )
