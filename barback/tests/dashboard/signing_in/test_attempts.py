"""How often somebody may guess: tries come back with time, and memory is bounded."""

import pytest

from barback.dashboard.signing_in import attempts
from barback.dashboard.signing_in.attempts import Attempts, Guesses


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_tries_come_back_one_by_one() -> None:
    clock = Clock()
    tries = Attempts(tries=3, back_s=10.0, clock=clock)
    for _ in range(3):
        assert tries.wait_s("a") == 0
        tries.take("a")
    assert tries.wait_s("a") == 10
    assert tries.wait_s("b") == 0
    clock.now += 4
    assert tries.wait_s("a") == pytest.approx(6)
    clock.now += 6
    assert tries.wait_s("a") == 0
    tries.take("a")
    assert tries.wait_s("a") == pytest.approx(10)
    clock.now += 1_000
    for _ in range(3):
        assert tries.wait_s("a") == 0
        tries.take("a")
    assert tries.wait_s("a") == 10


def test_a_try_that_is_given_back_was_none() -> None:
    tries = Attempts(tries=1, clock=Clock())
    tries.give_back("a")
    tries.take("a")
    assert tries.wait_s("a") > 0
    tries.give_back("a")
    assert tries.wait_s("a") == 0
    tries.take("a")
    assert tries.wait_s("a") > 0


def test_memory_is_bounded_and_the_longest_unused_key_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "KEYS", 100)
    tries = Attempts(tries=1, clock=Clock())
    for n in range(1_000):
        tries.take("admin")
        tries.take(f"stranger-{n}")
    assert tries.keys == 100
    assert tries.wait_s("admin") > 0


def test_who_has_to_wait_uses_up_nothing_more() -> None:
    by_account, by_peer = Attempts(tries=1, clock=Clock()), Attempts(tries=5, clock=Clock())
    guesses = Guesses(by_account, by_peer)
    assert guesses.take("admin", "198.51.100.1") == 0
    for _ in range(10):
        assert guesses.take("admin", "198.51.100.1") == attempts.BACK_S
    assert by_peer.wait_s("198.51.100.1") == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("198.51.100.1", "198.51.100.2", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
        ("::ffff:198.51.100.1", "::ffff:198.51.100.2", False),
    ],
)
def test_the_addresses_of_one_household_count_as_one(one: str, other: str, same: bool) -> None:
    guesses = Guesses(by_peer=Attempts(tries=1, clock=Clock()))
    guesses.take("a", one)
    assert (guesses.take("b", other) > 0) is same
