"""A session: a signed cookie. It outlives a restart of the dashboard and needs no Redis.

It ends 12 h after the password was given, 2 h after it was last used, when its user signs out, and when their password
or `DASHBOARD_SECRET` changes. What a user may do is not in it: that is looked up each time.
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jwt

from barback.dashboard.signing_in.accounts import Account, Accounts

LONGEST_S = 12 * 3600.0
IDLE_S = 2 * 3600.0
RENEW_AFTER_S = 60.0
AUDIENCE = "barback-dashboard"
ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Session:
    """Moments in epoch seconds. `password` tells one password of an account from the next."""

    id: str
    account: str
    password: str
    signed_in_at: float
    seen_at: float

    @property
    def ends_at(self) -> float:
        """Then it is over, if it is not used again."""
        return min(self.signed_in_at + LONGEST_S, self.seen_at + IDLE_S)


class SignedOut(Protocol):
    """Sessions that were ended before their time."""

    async def add(self, session_id: str, until: float) -> None:
        """Remember it until then (epoch seconds)."""
        ...

    async def has(self, session_id: str) -> bool:
        """Whether it was ended."""
        ...


class SignedOutHere:
    """Remembers them in this process, so many at most."""

    def __init__(self, keep: int = 10_000) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()
        self._keep = keep

    async def add(self, session_id: str, until: float) -> None:
        """The oldest is forgotten for it if there are too many."""
        self._until[session_id] = until
        if len(self._until) > self._keep:
            self._until.popitem(last=False)

    async def has(self, session_id: str) -> bool:
        """Whether it was ended by this process."""
        return session_id in self._until


class Sessions:
    """Starts them, reads them and ends them."""

    def __init__(
        self, secret: bytes, accounts: Accounts, signed_out: SignedOut, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = hmac.digest(secret, b"barback dashboard sessions", hashlib.sha256)
        self._accounts, self._signed_out, self._clock = accounts, signed_out, clock

    def start(self, account: Account) -> Session:
        """A new one, with an id nobody has seen before."""
        now = self._clock()
        return Session(secrets.token_urlsafe(16), account.name, self._password_of(account), now, now)

    def write(self, session: Session) -> str:
        """For the cookie."""
        claims = {
            "aud": AUDIENCE,
            "jti": session.id,
            "sub": session.account,
            "pwd": session.password,
            "auth_time": session.signed_in_at,
            "seen": session.seen_at,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    async def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None: it is not ours, or it is over."""
        session = self._read(cookie)
        if session is None or await self._signed_out.has(session.id):
            return None
        account = self._accounts.get(session.account)
        if account is None or not account.hashed:
            return None
        same_password = hmac.compare_digest(session.password, self._password_of(account))
        return session if same_password and self._clock() < session.ends_at else None

    def renew(self, session: Session) -> Session | None:
        """The same, used now; None: that was said a moment ago."""
        now = self._clock()
        return replace(session, seen_at=now) if now - session.seen_at >= RENEW_AFTER_S else None

    async def end(self, session: Session) -> None:
        """Whoever has its cookie is signed out."""
        await self._signed_out.add(session.id, session.signed_in_at + LONGEST_S)

    def _read(self, cookie: str) -> Session | None:
        try:
            claims: dict[str, Any] = jwt.decode(cookie, self._key, algorithms=[ALGORITHM], audience=AUDIENCE)
            return Session(claims["jti"], claims["sub"], claims["pwd"], claims["auth_time"], claims["seen"])
        except (jwt.InvalidTokenError, KeyError):
            return None

    def _password_of(self, account: Account) -> str:
        return hmac.digest(self._key, (account.hashed or "").encode(), hashlib.sha256).hex()[:32]
