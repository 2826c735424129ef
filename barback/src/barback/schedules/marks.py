"""What barback writes down of a schedule beside BullMQ's own record: whose it is, and what BullMQ has no word for."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from barback.schedule import Missed, Overlap

MARK, RELEASE = "mark:", "release:"


@dataclass(frozen=True, slots=True)
class Mark:
    """`fingerprint`: of all that was declared when it was put. `paused`: a person has stopped it."""

    app: str
    fingerprint: str
    missed: Missed = "once"
    overlap: Overlap = "allow"
    paused: bool = False


def mark_note(schedule_id: str, mark: Mark | None) -> dict[str, str | None]:
    """The note that says so; None: that says nothing of it any more."""
    return {MARK + schedule_id: None if mark is None else json.dumps(asdict(mark))}


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
