"""Schedules: each slot has its job, though workers die all the time."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence

import psycopg

from drills.app import slot_number
from drills.drill import Drills, Finding
from drills.world import Settings, World, until

drills = Drills()
SETTLED_WITHIN_S = 150.0
WORKERS, CONCURRENCY = 3, 5
MADE_UP, ONCE, SKIPPED = (0, 1), 2, 3
"""Places of schedules: missed slots are all made up for, or by one job, or by none."""
GAP_SLOTS = 10
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
    "schedules of a second each, a period and patterns, three workers killed at random; then none for ten slots",
    promise="P3, P13, P14",
    passes="one job for each slot; extra starts at most the concurrency of each worker killed; "
    "each effect guarded by once exactly once; the gap as `missed` says",
)
async def slots_under_kills(world: World, full: bool) -> Finding:
    """Full: five minutes of kills; short: 20 s."""
    lasting_s = 300 if full else 20
    server, database = await world.server(), await world.database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table effects (slot bigint not null)")
    settings = {**SETTINGS, "DRILLS_DATABASE": database}
    workers = await world.workers(WORKERS, server.url, settings)
    kills = 0
    end = time.monotonic() + lasting_s
    while time.monotonic() < end:
        await asyncio.sleep(random.uniform(0.5, 1.5))
        victim = random.randrange(WORKERS)
        await workers[victim].kill()
        workers[victim] = await world.start_worker(server.url, settings)
        kills += 1
    for worker in workers:
        await worker.kill()
    gap_at = time.time()
    await asyncio.sleep(GAP_SLOTS + 1)
    gap_end_at = time.time()
    await world.workers(WORKERS, server.url, settings)
    last = int(time.time())
    # What was running in a killed worker runs alone, each in its turn.
    settled_s = SETTLED_WITHIN_S
    with contextlib.suppress(TimeoutError):
        settled_s = await until(lambda: not _missing(world, last), SETTLED_WITHIN_S)
    kills += WORKERS
    missing, duplicates = _missing(world, last), world.ledger.duplicates()
    wrong = _wrong_after_gap(world, gap_at, gap_end_at) + _wrong_effects(world, database)
    said = (
        f"{len(world.ledger.ended())} slots in {lasting_s} s and a gap of {GAP_SLOTS}, {kills} kills, "
        f"at most {kills * CONCURRENCY} extra starts allowed; the last done {settled_s:.0f} s after the last kill"
    )
    if missing:
        begun = [number for number in missing if number in world.ledger.starts()]
        said += f"; {len(missing)} missing, of which {len(begun)} had begun: {', '.join(map(str, missing[:5]))}"
    said = "; ".join([said, *wrong])
    return Finding(not missing and not wrong and duplicates <= kills * CONCURRENCY, said, len(missing), duplicates)


def _missing(world: World, last: int) -> Sequence[int]:
    """The numbers of slots without a job that ended, from the first that had one to the last that was due."""
    ended = world.ledger.ended()
    missing: list[int] = []
    for place in MADE_UP:
        of_place = [number // 10 for number in ended if number % 10 == place]
        first = min(of_place, default=last)
        numbers = [slot_number(place, slot) for slot in range(first, last + 1)]
        missing += [number for number in numbers if number not in ended]
    return missing


def _wrong_after_gap(world: World, gap_at: float, gap_end_at: float) -> list[str]:
    """How many of the slots at which no worker was there were made up for.

    The one job for all of them is that of the first one, which may be there already when the last worker dies.
    """
    starts = {number: lines[0].at for number, lines in world.ledger.starts().items()}
    made_up = [number for number in starts if gap_at < number // 10 <= gap_end_at - 1]
    ran = Counter(number % 10 for number in made_up)
    wrong = [f"{ran[place]} of missed='all' for the gap" for place in MADE_UP if ran[place] < GAP_SLOTS]
    wrong += [f"{ran[SKIPPED]} of missed='skip' for the gap"] if ran[SKIPPED] else []
    once = [number for number, at in starts.items() if at > gap_end_at >= number // 10 and number % 10 == ONCE]
    return wrong + ([f"{ran[ONCE]} and {len(once)} of missed='once' for the gap"] if ran[ONCE] > 1 or not once else [])


def _wrong_effects(world: World, database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        effects = Counter(int(slot) for (slot,) in connection.execute("select slot from effects"))
    twice = [slot for slot, times in effects.items() if times > 1]
    without = world.ledger.ended() - effects.keys()
    wrong = [f"{len(twice)} effects done twice: {twice[:5]}"] if twice else []
    return wrong + ([f"{len(without)} slots without their effect: {sorted(without)[:5]}"] if without else [])
