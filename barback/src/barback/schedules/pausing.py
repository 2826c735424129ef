"""Pausing schedules and having them run by hand: each is remembered, whatever is deployed meanwhile (P15)."""

from dataclasses import replace

import structlog

from barback.broker import Broker
from barback.errors import BrokerError
from barback.schedules.marks import NO_APP, Mark, kept_note, mark_note, read_kept, read_mark
from barback.schedules.plan import Wanted
from barback.schedules.putting import Putter
from barback.schedules.ticker import Ticker

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.schedules")


async def pause(broker: Broker, queue: str, schedule_id: str) -> None:
    """Make no more jobs of it until it is resumed, whatever is deployed meanwhile.

    :raises BrokerError: barback did not put it.
    """
    while True:
        mark = await _mark(broker, queue, schedule_id)
        stored = await broker.schedule(queue, schedule_id)
        made = mark.made
        kept: dict[str, str | None] = {}
        if stored is not None:
            # Its job to come goes with it.
            made = stored.made - (await broker.state(queue, stored.job_id) == "delayed")
            kept = kept_note(stored) if mark.app == NO_APP else {}
        paused = {**mark_note(schedule_id, replace(mark, paused=True, made=made)), **kept}
        if await broker.set_notes(queue, paused, expected=mark_note(schedule_id, mark)):
            break
    await broker.remove_schedule(queue, schedule_id)
    log.info("schedule paused", queue=queue, schedule=schedule_id)


async def resume(broker: Broker, queue: str, schedule_id: str) -> None:
    """End a pause: whoever declares it puts it back, a worker within half a minute; what nobody declares, this does.

    :raises BrokerError: barback did not put it.
    """
    while True:
        mark = await _mark(broker, queue, schedule_id)
        resumed = replace(mark, paused=False)
        kept = await read_kept(broker, queue, schedule_id) if mark.app == NO_APP else None
        if await broker.set_notes(queue, mark_note(schedule_id, resumed), expected=mark_note(schedule_id, mark)):
            break
    if kept is not None and mark.paused:
        wanted = Wanted(replace(kept, next_at=0.0, made=1), resumed)
        await Putter(broker, Ticker(broker, [queue])).put(queue, wanted, None, resumed)
    log.info("schedule resumed", queue=queue, schedule=schedule_id)


async def _mark(broker: Broker, queue: str, schedule_id: str) -> Mark:
    mark = await read_mark(broker, queue, schedule_id)
    if mark is None:
        raise BrokerError(f"Schedule '{schedule_id}' of '{queue}' was not put by barback: only its maker can stop it.")
    return mark
