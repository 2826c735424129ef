"""`enqueue(…, repeat=Timing(…))`: a schedule that nobody declared, put where the program says so."""

from dataclasses import replace

from barback.answers import Answer, Created, Swallowed
from barback.broker import Broker, NewJob, StoredSchedule
from barback.cron import Timing
from barback.errors import DeclarationError, InvalidOptions
from barback.schedules.marks import read_marks
from barback.schedules.plan import is_same, kind_of, mark_as
from barback.schedules.putting import Putter
from barback.schedules.ticker import Ticker, find_schedule

NO_APP = ""
"""The app in the marks of schedules that no app declares: no deploy removes them."""


async def put_repeat(broker: Broker, job: NewJob, timing: Timing) -> Answer:
    """Have that job made at each slot, under the id of its options, else under its name.

    One of that id that was put so before is changed. `Swallowed`, nothing being changed: by the next job of the same
    one; by the last job of another one, which waits; or by a person's pause (`by` is its id, the state unknown).

    :raises InvalidOptions: the timing has no slots to come, or cannot be used; an app or another program has a schedule
        of that id.
    """
    schedule_id = job.options.job_id or job.name
    _check(timing, schedule_id, broker.now())
    schedule = StoredSchedule(schedule_id, job.name, timing, job.data, 0.0, replace(job.options, job_id=None))
    wanted = mark_as(NO_APP, schedule)
    stored = await find_schedule(broker, job.queue, schedule_id)
    mark = read_marks(await broker.notes(job.queue)).get(schedule_id)
    match kind_of(NO_APP, wanted, stored, mark):
        case "taken":
            raise InvalidOptions(
                f"repeat: '{job.queue}' has a schedule '{schedule_id}' that was put elsewhere. Give this one a job_id."
            )
        case "add" | "change":
            await Putter(broker, Ticker(broker, [job.queue])).put(job.queue, wanted, stored, mark)
            stored = await find_schedule(broker, job.queue, schedule_id)
            if stored is not None and is_same(wanted, stored):
                return Created(stored.job_id)
        case _:
            pass
    return await _swallowed(broker, job.queue, stored, schedule_id)


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
