"""Asking again: when, how often, how long after, and what never."""

import httpx
import pytest

from cafes.store import asking
from cafes.store.asking import LONGEST_WAIT_S, TRIES, Refused, Unanswered, ask, wait_s
from cafes.store.troubles import Trouble

GONE = Trouble("gone", passes=True)
BUSY = Trouble("busy", passes=True, undone=True)
WRONG = Trouble("wrong", undone=True)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.0)


class Server:
    """Has these troubles, one at each request, and then answers."""

    def __init__(self, *troubles: Trouble | Exception) -> None:
        self.troubles = list(troubles)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.troubles:
            trouble = self.troubles.pop(0)
            raise Refused(trouble) if isinstance(trouble, Trouble) else trouble
        return "answer"


async def test_what_passes_is_asked_again_until_it_is_answered() -> None:
    server = Server(BUSY, httpx.ReadError(""), GONE)
    assert await ask(server, repeatable=True) == "answer"
    assert server.asked == 4


async def test_it_is_not_asked_for_ever() -> None:
    server = Server(*[GONE] * 100)
    with pytest.raises(Unanswered, match="gone") as raised:
        await ask(server, repeatable=True)
    assert server.asked == raised.value.tries == TRIES


async def test_what_does_not_pass_is_asked_once() -> None:
    server = Server(WRONG)
    with pytest.raises(Unanswered, match="wrong"):
        await ask(server, repeatable=True)
    assert server.asked == 1


@pytest.mark.parametrize("trouble", [GONE, httpx.ReadError(""), httpx.ReadTimeout(""), httpx.RemoteProtocolError("")])
async def test_what_may_have_been_done_is_not_asked_again_if_that_matters(trouble: Trouble | Exception) -> None:
    """C3."""
    server = Server(trouble)
    with pytest.raises(Unanswered):
        await ask(server, repeatable=False)
    assert server.asked == 1


@pytest.mark.parametrize("trouble", [BUSY, httpx.ConnectError("refused")])
async def test_what_was_certainly_not_done_is_asked_again_whatever_it_is(trouble: Trouble | Exception) -> None:
    server = Server(trouble)
    assert await ask(server, repeatable=False) == "answer"


def test_waits_double_and_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [wait_s(GONE, tries, True, 0.0) for tries in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, None]
    assert [wait_s(GONE, tries, True, 1.0) for tries in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, None]


def test_a_server_is_left_alone_as_long_as_it_asks_for() -> None:
    told = Trouble("busy", passes=True, undone=True, retry_after_s=3.0)
    assert [wait_s(told, 1, False, draw) for draw in (0.0, 1.0)] == [3.0, 4.5]


def test_a_server_that_asks_for_longer_is_not_asked_again_while_a_job_waits() -> None:
    told = Trouble("busy", passes=True, undone=True, retry_after_s=LONGEST_WAIT_S + 1)
    assert wait_s(told, 1, True, 0.0) is None
