"""Saying a thing once in a while."""

from barback.seldom import MOST, Seldom


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_thing_is_said_once_in_that_time_and_then_again() -> None:
    clock = Clock()
    seldom = Seldom(60.0, clock)
    assert seldom.may_say("a")
    clock.now += 59.9
    assert not seldom.may_say("a")
    assert seldom.may_say("b")
    clock.now += 0.2
    assert seldom.may_say("a")
    assert not seldom.may_say("b")


def test_of_very_many_things_some_are_not_said_until_others_are_over() -> None:
    """What a name or a path is made of comes from data: memory must not grow with it."""
    clock = Clock()
    seldom = Seldom(60.0, clock)
    assert sum(seldom.may_say(n) for n in range(2 * MOST)) == MOST
    clock.now += 60
    assert sum(seldom.may_say(n) for n in range(2 * MOST)) == MOST
    assert len(seldom._said_at) == MOST
