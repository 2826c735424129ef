"""Schedules: each slot has its job, though workers die all the time."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence

from drills.app import SCHEDULES, slot_number
from drills.drill import Drills, Finding
from drills.world import Settings, World, until

drills = Drills()
SETTLED_WITHIN_S = 150.0
WORKERS, CONCURRENCY = 3, 5
SETTINGS: Settings = {
    "WORKER_CONCURRENCY": CONCURRENCY,
    "BARBACK_LOCK_S": 1.5,
    "BARBACK_STALLED_CHECK_S": 0.4,
    # Killed from outside, and again while they run alone: that is no fault of theirs.
    "BARBACK_CRASH_LIMIT": 50,
    "DRILLS_SCHEDULES": 1,
}


@drills.drill(
    "D23",
    "two schedules of a second each, a period and a pattern, three workers killed at random",
    promise="P13, P14",
    passes="one job for each slot; extra starts at most the concurrency of each worker killed",
)
async def slots_under_kills(world: World, full: bool) -> Finding:
    """Full: five minutes; short: 20 s. `missed="all"`."""
    server = await world.server()
    workers = await world.workers(WORKERS, server.url, SETTINGS)
    kills = 0
    end = time.monotonic() + (300 if full else 20)
    while time.monotonic() < end:
        await asyncio.sleep(random.uniform(0.5, 1.5))
        victim = random.randrange(WORKERS)
        await workers[victim].kill()
        workers[victim] = await world.start_worker(server.url, SETTINGS)
        kills += 1
    last = int(time.time())
    # What was running in a killed worker runs alone, each in its turn.
    settled_s = SETTLED_WITHIN_S
    with contextlib.suppress(TimeoutError):
        settled_s = await until(lambda: not _missing(world, last), SETTLED_WITHIN_S)
    missing = _missing(world, last)
    duplicates = world.ledger.duplicates()
    slots = len(world.ledger.ended())
    said = (
        f"{slots} slots in {300 if full else 20} s, {kills} kills, at most {kills * CONCURRENCY} extra starts allowed; "
    )
    said += f"the last done {settled_s:.0f} s after the last kill"
    if missing:
        begun = [number for number in missing if number in world.ledger.starts()]
        said += f"; {len(missing)} missing, of which {len(begun)} had begun: {', '.join(map(str, missing[:5]))}"
    return Finding(not missing and duplicates <= kills * CONCURRENCY, said, len(missing), duplicates)


def _missing(world: World, last: int) -> Sequence[int]:
    """The numbers of slots without a job that ended, from the first that had one to the last that was due."""
    ended = world.ledger.ended()
    missing: list[int] = []
    for place in range(len(SCHEDULES)):
        of_place = [number // 10 for number in ended if number % 10 == place]
        first = min(of_place, default=last)
        numbers = [slot_number(place, slot) for slot in range(first, last + 1)]
        missing += [number for number in numbers if number not in ended]
    return missing
