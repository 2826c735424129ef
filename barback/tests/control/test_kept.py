"""What is asked for only now and then."""

import asyncio

import pytest

from barback.control.kept import Kept
from barback.errors import BrokerUnavailable


class Source:
    """Counts how often it is asked; its clock is moved by hand."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 100.0
        self.kept = Kept(self.ask, 5.0, lambda: self.now)

    async def ask(self) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        return self.asked


async def test_however_many_want_it_it_is_asked_once_until_it_is_old() -> None:
    source = Source()
    assert await asyncio.gather(*(source.kept.get() for _ in range(10))) == [1] * 10
    source.now += 4.9
    assert await source.kept.get() == 1
    source.now += 0.1
    assert await source.kept.get() == 2


async def test_what_was_forgotten_is_asked_anew() -> None:
    source = Source()
    await source.kept.get()
    source.kept.forget()
    assert await source.kept.get() == 2


async def test_an_error_is_kept_for_nobody() -> None:
    answers = iter([False, True])

    async def ask() -> str:
        if next(answers):
            return "back"
        raise BrokerUnavailable("away")

    kept = Kept(ask, 60.0)
    with pytest.raises(BrokerUnavailable):
        await kept.get()
    assert await kept.get() == "back"
