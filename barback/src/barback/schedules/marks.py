"""What barback writes down of a schedule beside BullMQ's own record: whose it is, and what BullMQ has no word for."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from barback.schedule import Missed, Overlap

MARK, RELEASE, RUN = "mark:", "release:", "run:"
"""How the names of notes begin."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`fingerprint`: of all that was declared when it was put. `paused`: a person has stopped it."""

    app: str
    fingerprint: str
    missed: Missed = "once"
    overlap: Overlap = "allow"
    paused: bool = False


def mark_note(schedule_id: str, mark: Mark) -> dict[str, str | None]:
    """The note that says so."""
    return {MARK + schedule_id: json.dumps(asdict(mark))}


def nothing_noted(schedule_id: str) -> dict[str, str | None]:
    """All notes of a schedule, taken back."""
    return {MARK + schedule_id: None, RUN + schedule_id: None}


def read_marks(notes: Mapping[str, str]) -> dict[str, Mark]:
    """By schedule id. What cannot be read is not ours."""
    marks: dict[str, Mark] = {}
    for name, text in notes.items():
        if name.startswith(MARK):
            try:
                marks[name.removeprefix(MARK)] = Mark(**json.loads(text))
            except (ValueError, TypeError):
                continue
    return marks
