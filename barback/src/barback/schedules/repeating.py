"""`enqueue(…, repeat=Timing(…))`: a schedule that nobody declared, put where the program says so."""

import asyncio
import random
from dataclasses import replace

from barback.answers import Answer, Created, Swallowed
from barback.broker import Broker, NewJob, StoredSchedule
from barback.cron import Timing
from barback.errors import BrokerError, DeclarationError, InvalidOptions
from barback.schedules.marks import NO_APP, read_mark
from barback.schedules.plan import Wanted, is_same, kind_of, mark_as
from barback.schedules.putting import Putter
from barback.schedules.ticker import Ticker

TRIES, LONGEST_PAUSE_S = 100, 0.05


async def put_repeat(broker: Broker, job: NewJob, timing: Timing) -> Answer:
    """Have that job made at each slot, under the id of its options, else under its name.

    One of that id that was put so before is changed. `Swallowed`, nothing being changed: by the next job of the same
    one; by the last job of another one, which waits; or by a person's pause (`by` is its id, the state unknown).

    :raises InvalidOptions: the timing has no slots to come, or cannot be used; the one of that id has made all jobs of
        its limit; an app or another program has a schedule of that id.
    """
    schedule_id = job.options.job_id or job.name
    _check(timing, schedule_id, broker.now())
    schedule = StoredSchedule(schedule_id, job.name, timing, job.data, 0.0, replace(job.options, job_id=None))
    wanted = mark_as(NO_APP, schedule)
    for _ in range(TRIES):
        if (answer := await _try(broker, job.queue, wanted)) is not None:
            return answer
        # Somebody else puts one of that id at the same moment.
        await asyncio.sleep(random.random() * LONGEST_PAUSE_S)  # noqa: S311
    raise BrokerError(f"Schedule '{schedule_id}' of '{job.queue}' was not put: others put it all the time.")


async def _try(broker: Broker, queue: str, wanted: Wanted) -> Answer | None:
    """None: somebody was faster."""
    schedule_id = wanted.stored.id
    stored = await broker.schedule(queue, schedule_id) or await _repeatable(broker, queue, schedule_id)
    mark = await read_mark(broker, queue, schedule_id)
    match kind_of(NO_APP, wanted, stored, mark):
        case "taken":
            raise InvalidOptions(
                f"repeat: '{queue}' has a schedule '{schedule_id}' that was put elsewhere. Give this one a job_id."
            )
        case "add" | "change":
            if not await Putter(broker, Ticker(broker, [queue])).put(queue, wanted, stored, mark):
                return None
            stored = await broker.schedule(queue, schedule_id)
            if stored is not None and is_same(wanted, stored):
                return Created(stored.job_id)
        case _:
            pass
    if stored is None and not (mark is not None and mark.paused):
        raise InvalidOptions(
            f"repeat: '{schedule_id}' has made all jobs of its limit. Give this one a higher limit, or another job_id."
        )
    return await _swallowed(broker, queue, stored, schedule_id)


async def _repeatable(broker: Broker, queue: str, schedule_id: str) -> StoredSchedule | None:
    return next((one for one in await broker.repeatables(queue) if one.id == schedule_id), None)


async def _swallowed(broker: Broker, queue: str, by: StoredSchedule | None, schedule_id: str) -> Swallowed:
    """By what is stored, or by a pause."""
    return (
        Swallowed(schedule_id, "unknown") if by is None else Swallowed(by.job_id, await broker.state(queue, by.job_id))
    )


def _check(timing: Timing, schedule_id: str, now: float) -> None:
    try:
        timing.check()
    except DeclarationError as error:
        raise InvalidOptions(f"repeat: {error}") from None
    if ":" in schedule_id:
        raise InvalidOptions(f"repeat: id {schedule_id!r} cannot be used: expected a job_id without ':'.")
    if timing.next_after(now) is None:
        raise InvalidOptions(f"repeat: '{schedule_id}' has no slot to come.")
