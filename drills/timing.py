"""Jobs start when they should."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

from barback.bullmq import BullMQBroker
from barback.options import JobOptions
from barback.retry import Exponential
from drills.drill import Drills, Finding
from drills.world import World, until

drills = Drills()
PICKED_UP_WITHIN_S = 0.1
MEDIAN_WITHIN_S = 0.05
WORST_WITHIN_S = 0.15
BACKOFF = Exponential(first_s=0.5)


@drills.drill("D10", "a job is added to an idle worker", promise="P2", passes="started within 100 ms", alone=True)
async def after_idling(world: World, full: bool) -> Finding:
    """After idling for less and for more than a blocking call lasts; full: for a minute too."""
    server = await world.server()
    broker = await world.broker(server.url)
    await world.worker(server.url)
    idle_s = (0.5, 4.95, 10.1, 61.0) if full else (5.5,)
    picked_up_s: list[float] = []
    for number, seconds in enumerate(idle_s):
        await asyncio.sleep(seconds)
        added_at = time.time()
        await world.add(broker, [number])
        await until(lambda number=number: number in world.ledger.ended(), 30)
        picked_up_s.append(world.ledger.starts()[number][0].at - added_at)
    counts = await world.finished(broker, len(idle_s), 10)
    slowest_s, jobs = max(picked_up_s), len(idle_s)
    passed = slowest_s < PICKED_UP_WITHIN_S and counts == {"completed": jobs}
    said = f"started after {slowest_s * 1000:.0f} ms at most, having been idle for {max(idle_s):g} s at most"
    return Finding(passed, said, jobs - len(world.ledger.ended()), world.ledger.duplicates(), recoveries_s=picked_up_s)


@drills.drill(
    "D11",
    "delayed jobs on an idle queue, and retries that wait twice as long each time",
    promise="P2, P7",
    passes="late by less than 50 ms in the median and 150 ms at worst, never early",
    alone=True,
)
async def on_time(world: World, full: bool) -> Finding:
    """Full: delays of 0.3, 1, 5.5 and 12 s, three times, and four retries."""
    server = await world.server()
    broker = await world.broker(server.url)
    await world.worker(server.url)
    delays_s = (0.3, 1.0, 5.5, 12.0) * 3 if full else (0.3, 1.0)
    late_s = [await _late_s(world, broker, number, delay_s) for number, delay_s in enumerate(delays_s)]
    late_s += await _late_retries_s(world, broker, number=len(delays_s), retries=4 if full else 2)
    jobs = len(delays_s) + 1
    counts = await world.finished(broker, jobs, 10)
    median_s, worst_s, first_s = statistics.median(late_s), max(late_s), min(late_s)
    # BullMQ counts in whole milliseconds.
    on_time = median_s < MEDIAN_WITHIN_S and worst_s < WORST_WITHIN_S and first_s > -0.002
    said = f"{len(late_s)} starts late by {median_s * 1000:.0f} ms in the median, {first_s * 1000:.0f} ms to "
    said += f"{worst_s * 1000:.0f} ms"
    passed = on_time and counts == {"completed": jobs}
    return Finding(passed, said, jobs - len(world.ledger.ended()), recoveries_s=late_s)


async def _late_s(world: World, broker: BullMQBroker, number: int, delay_s: float) -> float:
    added_at = time.time()
    await world.add(broker, [number], options=JobOptions(delay_s=delay_s))
    await until(lambda: number in world.ledger.ended(), delay_s + 20)
    return world.ledger.starts()[number][0].at - added_at - delay_s


async def _late_retries_s(world: World, broker: BullMQBroker, *, number: int, retries: int) -> Sequence[float]:
    """Each attempt fails as it starts, so that the times between starts are the waits."""
    options = JobOptions(attempts=retries + 1, backoff=BACKOFF)
    await world.add(broker, [number], "fail", times=retries, options=options)
    await until(lambda: number in world.ledger.ended(), 2**retries + 20)
    starts = [line.at for line in world.ledger.starts()[number]]
    waits_s = [after - before for before, after in pairwise(starts)]
    return [wait_s - BACKOFF.after(attempt) for attempt, wait_s in enumerate(waits_s, start=1)]
