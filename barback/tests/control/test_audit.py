"""Who did what is written down, and read again."""

import json

import pytest

from barback.control.audit import JOURNAL, Action, record, recorded
from barback.memory import MemoryBroker


@pytest.fixture
async def broker() -> MemoryBroker:
    broker = MemoryBroker()
    await broker.open()
    return broker


async def test_actions_are_read_newest_first_and_page_by_page(broker: MemoryBroker) -> None:
    actions = [Action("ada", "retry", "mails", f"job-{number}") for number in range(5)]
    for action in actions:
        await record(broker.board, action)
    first = await recorded(broker.board, 2)
    older = await recorded(broker.board, 9, before=first[-1].id)
    assert [one.action for one in [*first, *older]] == actions[::-1]


async def test_what_cannot_be_read_is_left_out(broker: MemoryBroker) -> None:
    action = {"who": "ada", "did": "retry", "queue": "mails"}
    wrong = [action | {"who": 7}, action | {"did": ["retry"]}, action | {"queue": None}, action | {"count": "many"}]
    for text in ("[]", "{", '{"who": "ada"}', '{"evil": 1}', "[" * 100_000, *map(json.dumps, wrong)):
        await broker.board.append(JOURNAL, text, 10)
    await record(broker.board, Action("ada", "pause", "mails"))
    assert [one.action.did for one in await recorded(broker.board, 9)] == ["pause"]
