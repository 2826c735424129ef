"""Sessions: when they end, and whose cookies are none."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import jwt
import pytest

from barback.dashboard.signing_in import Role, hash_password
from barback.dashboard.signing_in.accounts import Account, Accounts
from barback.dashboard.signing_in.sessions import IDLE_S, LONGEST_S, Sessions, SignedOutHere

SECRET = b"s" * 32


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vera() -> Account:
    return Account("vera", Role.VIEWER, hash_password("pw"))


def sessions_of(*accounts: Account, clock: Clock, secret: bytes = SECRET) -> Sessions:
    return Sessions(secret, Accounts(accounts), SignedOutHere(), clock)


async def test_a_session_that_is_not_used_ends_after_two_hours(vera: Account, clock: Clock) -> None:
    sessions = sessions_of(vera, clock=clock)
    cookie = sessions.write(sessions.start(vera))
    clock.now += IDLE_S - 1
    assert await sessions.read(cookie)
    clock.now += 1
    assert await sessions.read(cookie) is None


async def test_however_much_it_is_used_it_ends_after_twelve_hours(vera: Account, clock: Clock) -> None:
    sessions = sessions_of(vera, clock=clock)
    session = sessions.start(vera)
    for _ in range(int(LONGEST_S / 3600) - 1):
        clock.now += 3600
        renewed = sessions.renew(session)
        assert renewed
        assert await sessions.read(sessions.write(renewed)) == renewed
        session = renewed
    clock.now += 3600
    renewed = sessions.renew(session)
    assert renewed
    assert await sessions.read(sessions.write(renewed)) is None


async def test_it_is_written_anew_once_a_minute_at_most(vera: Account, clock: Clock) -> None:
    sessions = sessions_of(vera, clock=clock)
    session = sessions.start(vera)
    clock.now += 59
    assert sessions.renew(session) is None
    clock.now += 1
    assert sessions.renew(session)


async def test_a_new_password_another_secret_or_no_account_ends_it(vera: Account, clock: Clock) -> None:
    sessions = sessions_of(vera, clock=clock)
    cookie = sessions.write(sessions.start(vera))
    assert await sessions_of(vera, clock=clock).read(cookie)
    changed = Account("vera", Role.VIEWER, hash_password("pw"))
    assert await sessions_of(changed, clock=clock).read(cookie) is None
    assert await sessions_of(Account("vera", Role.VIEWER), clock=clock).read(cookie) is None
    assert await sessions_of(clock=clock).read(cookie) is None
    assert await sessions_of(vera, clock=clock, secret=b"t" * 32).read(cookie) is None


async def test_what_one_may_do_is_not_in_the_cookie(vera: Account, clock: Clock) -> None:
    sessions = sessions_of(vera, clock=clock)
    claims = jwt.decode(sessions.write(sessions.start(vera)), options={"verify_signature": False})
    assert "viewer" not in str(claims)
    assert vera.hashed
    assert vera.hashed not in str(claims)


async def test_a_changed_cookie_is_none(vera: Account, clock: Clock) -> None:
    admin = Account("root", Role.ADMIN, hash_password("pw2"))
    sessions = sessions_of(vera, admin, clock=clock)
    cookie = sessions.write(sessions.start(vera))
    header, body, signature = cookie.split(".")
    text = urlsafe_b64decode(body + "=" * (-len(body) % 4)).replace(b'"vera"', b'"root"')
    forged = urlsafe_b64encode(text).decode().rstrip("=")
    none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for bad in (
        "",
        "..",
        cookie[:-2],
        f"{header}.{forged}.{signature}",
        f"{none}.{forged}.",
        f"{none}.{body}.{signature}",
    ):
        assert await sessions.read(bad) is None


async def test_only_so_many_ended_sessions_are_remembered() -> None:
    ended = SignedOutHere(keep=10)
    for n in range(25):
        await ended.add(str(n), 0.0)
    assert [n for n in range(25) if await ended.has(str(n))] == list(range(15, 25))
