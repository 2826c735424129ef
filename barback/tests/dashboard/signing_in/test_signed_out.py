"""Sessions that were signed out, known to all processes of the dashboard."""

from typing import Any

from barback.dashboard.signing_in.signed_out import KIND, SignedOutOnBoard
from barback.errors import BrokerUnavailable
from barback.memory import MemoryBroker

NOW = 1_800_000_000.0


class Away:
    """A board that cannot be reached."""

    async def put_document(self, *_: object) -> None:
        raise BrokerUnavailable("away")

    documents = put_document


async def test_what_one_process_signs_out_another_knows() -> None:
    board = MemoryBroker(NOW).board
    here, there = SignedOutOnBoard(board, lambda: NOW), SignedOutOnBoard(board, lambda: NOW)
    assert not await here.has("a")
    await here.add("a", NOW + 60)
    assert await here.has("a")
    assert await there.has("a")
    assert not await there.has("b")


async def test_it_is_remembered_no_longer_than_the_session_would_have_lasted() -> None:
    broker = MemoryBroker(NOW)
    await SignedOutOnBoard(broker.board, lambda: NOW).add("a", NOW + 60)
    await broker.move_clock(61)
    assert not await SignedOutOnBoard(broker.board, lambda: NOW).has("a")
    await SignedOutOnBoard(broker.board, lambda: NOW).add("over", NOW - 1)
    assert await broker.board.documents(KIND) == {}


async def test_while_redis_is_away_the_session_ends_here_all_the_same() -> None:
    away: Any = Away()
    here = SignedOutOnBoard(away, lambda: NOW)
    await here.add("a", NOW + 60)
    assert await here.has("a")
    assert not await here.has("b")


async def test_while_redis_is_away_those_known_before_stay_out() -> None:
    board: Any = MemoryBroker(NOW).board
    await SignedOutOnBoard(board, lambda: NOW).add("a", NOW + 60)
    there = SignedOutOnBoard(board, lambda: NOW)
    assert await there.has("a")
    away: Any = Away()
    there._board = away
    there._ids.forget()
    assert await there.has("a")
