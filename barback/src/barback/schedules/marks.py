"""What barback writes down of a schedule beside BullMQ's own record: whose it is, and what BullMQ has no word for."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from barback.schedule import Missed, Overlap

NoteT = TypeVar("NoteT")

MARK, RELEASE, RUN, SKIP, HAND = "mark:", "release:", "run:", "skip:", "hand:"
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


def mark_note(schedule_id: str, mark: Mark | None) -> dict[str, str | None]:
    """The note that says so; None: there is none."""
    return {MARK + schedule_id: None if mark is None else json.dumps(asdict(mark))}


def nothing_noted(schedule_id: str) -> dict[str, str | None]:
    """All notes of a schedule, taken back."""
    return {kind + schedule_id: None for kind in (MARK, RUN, SKIP, HAND)}


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
