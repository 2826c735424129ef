"""What is asked for only now and then."""

import asyncio

import pytest

from barback.control.kept import Kept, ask_each
from barback.errors import BrokerUnavailable


class Source:
    """Counts how often it is asked; its clock is moved by hand."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 100.0
        self.kept = Kept(self.ask, 5.0, lambda: self.now)

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0)
        return number


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


async def test_those_who_wait_together_fail_together() -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise BrokerUnavailable("away")

    kept = Kept(ask, 60.0)
    answers = await asyncio.gather(*(kept.get() for _ in range(10)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [BrokerUnavailable] * 10
    assert asked == 1


async def test_one_who_leaves_takes_the_answer_from_nobody() -> None:
    source = Source()
    leaving, staying = (asyncio.create_task(source.kept.get()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 1


async def test_once_all_have_left_nothing_goes_on_and_who_comes_then_asks_anew() -> None:
    asked, went_on = 0, asyncio.Event()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.sleep(0.05)
            went_on.set()
        return asked

    kept = Kept(ask, 60.0)
    leaving = [asyncio.create_task(kept.get()) for _ in range(2)]
    await asyncio.sleep(0)
    for one in leaving:
        one.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    assert await kept.get() == 2
    await asyncio.sleep(0.1)
    assert not went_on.is_set()


async def test_what_is_forgotten_while_it_is_asked_is_asked_anew() -> None:
    source = Source()
    before = asyncio.create_task(source.kept.get())
    await asyncio.sleep(0)
    source.kept.forget()
    assert await source.kept.get() == 2
    assert await before == 1
    assert await source.kept.get() == 2


async def test_of_many_only_some_are_asked_at_a_time_and_told_in_their_order() -> None:
    asking, most = 0, 0

    async def ask(number: int) -> int:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking -= 1
        return number * 10

    assert await ask_each(range(50), ask, at_once=7) == [number * 10 for number in range(50)]
    assert most == 7
