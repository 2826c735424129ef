"""Pausing schedules and having them run by hand: each is remembered, whatever is deployed meanwhile (P15)."""

from dataclasses import replace

import structlog

from barback.broker import Broker
from barback.errors import BrokerError
from barback.schedules.marks import Mark, mark_note, read_marks
from barback.schedules.ticker import find_schedule

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")


async def pause(broker: Broker, queue: str, schedule_id: str) -> None:
    """Make no more jobs of it until it is resumed, whatever is deployed meanwhile.

    :raises BrokerError: barback did not put it.
    """
    while True:
        mark = await _mark(broker, queue, schedule_id)
        stored = await find_schedule(broker, queue, schedule_id)
        made = mark.made
        if stored is not None:
            # Its job to come goes with it.
            made = stored.made - (await broker.state(queue, stored.job_id) == "delayed")
        if await _note(broker, queue, schedule_id, mark, replace(mark, paused=True, made=made)):
            break
    await broker.remove_schedule(queue, schedule_id)
    log.info("schedule paused", queue=queue, schedule=schedule_id)


async def resume(broker: Broker, queue: str, schedule_id: str) -> None:
    """End a pause: whoever declares it puts it back, a worker within half a minute.

    :raises BrokerError: barback did not put it.
    """
    while True:
        mark = await _mark(broker, queue, schedule_id)
        if await _note(broker, queue, schedule_id, mark, replace(mark, paused=False)):
            break
    log.info("schedule resumed", queue=queue, schedule=schedule_id)


async def _note(broker: Broker, queue: str, schedule_id: str, known: Mark, mark: Mark) -> bool:
    return await broker.set_notes(queue, mark_note(schedule_id, mark), expected=mark_note(schedule_id, known))


async def _mark(broker: Broker, queue: str, schedule_id: str) -> Mark:
    mark = read_marks(await broker.notes(queue)).get(schedule_id)
    if mark is None:
        raise BrokerError(f"Schedule '{schedule_id}' of '{queue}' was not put by barback: only its maker can stop it.")
    return mark
