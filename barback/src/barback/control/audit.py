"""Who did what: each action of a person, kept in Redis and shown on a page of its own."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from barback.board import Board

JOURNAL = "audit"
KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did. `subject`: a job's id, a query, a schedule, or nothing, the queue being meant.

    `refused`: to how many it could not be done. `jobs`: the ids with which `subject` begins, if that names jobs, as a
    text of several of them cannot be read back. Payloads are never part of it.
    """

    who: str
    did: str
    queue: str
    subject: str = ""
    count: int = 1
    refused: int = 0
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """An action, and when it was done. `id` leads to the older ones."""

    id: str
    at: float
    action: Action


async def record(board: Board, action: Action) -> None:
    """Write it down."""
    await board.append(JOURNAL, json.dumps(asdict(action)), KEPT)


async def recorded(board: Board, count: int, before: str | None = None) -> Sequence[Recorded]:
    """The newest first; with `before` those older than the one of that id. What cannot be read is left out.

    :raises BrokerError: `before` is no id.
    """
    entries = await board.entries(JOURNAL, count, before)
    found = [(entry, _read(entry.text)) for entry in entries]
    return [Recorded(entry.id, entry.at, action) for entry, action in found if action is not None]


_ACTION = TypeAdapter(Action)


def _read(text: str) -> Action | None:
    try:
        return _ACTION.validate_json(text, strict=True)
    except ValidationError:
        return None
