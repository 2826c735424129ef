"""What barback writes down of a schedule beside BullMQ's own record: whose it is, and what BullMQ has no word for."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from barback.broker import Broker, StoredSchedule
from barback.schedule import Missed, Overlap

NoteT = TypeVar("NoteT")

MARK, RELEASE, RUN, SKIP, HAND, KEPT = "mark:", "release:", "run:", "skip:", "hand:", "kept:"
"""How the names of notes begin."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`fingerprint`: of all that was declared when it was put. `paused`: a person has stopped it. `over`: declared so,
    it has no slot to come; nothing is stored. `made`: how many jobs it had made when it was put or stopped.
    """

    app: str
    fingerprint: str
    missed: Missed = "once"
    overlap: Overlap = "allow"
    paused: bool = False
    over: bool = False
    made: int = 0


NO_APP = ""
"""The app in the marks of schedules that no app declares: no deploy removes them."""
SKIPS_KEPT = 20
PUTTING = "putting"
"""The fingerprint while it is being put: should that be interrupted, it is put again."""


def mark_note(schedule_id: str, mark: Mark | None) -> dict[str, str | None]:
    """The note that says so; None: there is none."""
    return {MARK + schedule_id: None if mark is None else json.dumps(asdict(mark))}


def nothing_noted(schedule_id: str) -> dict[str, str | None]:
    """All notes of a schedule, taken back."""
    return {kind + schedule_id: None for kind in (MARK, RUN, SKIP, HAND, KEPT)}


async def read_mark(broker: Broker, queue: str, schedule_id: str) -> Mark | None:
    """Of one schedule; None: it is not ours."""
    return read_marks(await broker.notes(queue, MARK + schedule_id)).get(schedule_id)


def read_marks(notes: Mapping[str, str]) -> dict[str, Mark]:
    """By schedule id. What cannot be read is not ours."""
    return read_notes(notes, MARK, Mark)


def read_notes(notes: Mapping[str, str], kind: str, make: Callable[..., NoteT]) -> dict[str, NoteT]:
    """Those whose names begin with `kind`, by schedule id; without those that cannot be read."""
    read: dict[str, NoteT] = {}
    for name, text in notes.items():
        if name.startswith(kind):
            with contextlib.suppress(ValueError, TypeError):
                read[name.removeprefix(kind)] = make(**json.loads(text))
    return read


async def note_skip(broker: Broker, queue: str, schedule: StoredSchedule, by: str, *, skipped: bool) -> None:
    """That its slot is left out, as ticker `by` says, or that this one does not say so any more.

    The slot's job may be fetched before it is taken back: whoever is about to run it looks here. The next slots may be
    missed meanwhile, so that some are kept; and a ticker that was not the first takes back its own word only.
    """
    name, slot = SKIP + schedule.id, f"{schedule.next_at}@{by}"
    while True:
        known = (await broker.notes(queue, name)).get(name)
        others = [one for one in (known or "").split(",") if one and one != slot]
        told = ",".join([*others, slot][-SKIPS_KEPT:] if skipped else others) or None
        if told == known or await broker.set_notes(queue, {name: told}, expected={name: known}):
            return


async def is_skipped(broker: Broker, queue: str, schedule_id: str, slot: float) -> bool:
    """Whether that slot is left out."""
    name = SKIP + schedule_id
    noted = (await broker.notes(queue, name)).get(name, "")
    return any(one.partition("@")[0] == str(slot) for one in noted.split(","))


_STORED = TypeAdapter(StoredSchedule)


def kept_note(schedule: StoredSchedule) -> dict[str, str | None]:
    """A schedule that no code declares, as it was when it was paused: nobody else could put it back."""
    return {KEPT + schedule.id: json.dumps(_STORED.dump_python(schedule))}


async def read_kept(broker: Broker, queue: str, schedule_id: str) -> StoredSchedule | None:
    """None: there is none, or it cannot be read."""
    text = (await broker.notes(queue, KEPT + schedule_id)).get(KEPT + schedule_id)
    with contextlib.suppress(ValueError):
        return None if text is None else _STORED.validate_python(json.loads(text))
    return None
