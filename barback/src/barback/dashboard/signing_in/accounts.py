"""Who may sign in with a password, and as what."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

import anyio
from anyio import to_thread

from barback.dashboard.signing_in.passwords import hash_password, is_hash, verify
from barback.dashboard.signing_in.roles import Role, as_name

AT_A_TIME = 2
"""Each costs 32 MB and a core: more would let strangers take the machine down."""


@dataclass(frozen=True, slots=True)
class Account:
    """One line of `DASHBOARD_USERS`. `hashed` None: known by a proxy's header alone, no password is theirs."""

    name: str
    role: Role
    hashed: str | None = field(default=None, repr=False)


class Accounts:
    """All of them, by name."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_name = {account.name: account for account in accounts}
        self._nobody = hash_password(secrets.token_urlsafe())
        self._limiter = anyio.CapacityLimiter(AT_A_TIME)

    def get(self, name: str) -> Account | None:
        """The one of that name; None: there is none."""
        return self._by_name.get(name)

    @property
    def with_password(self) -> bool:
        """Whether anyone at all can sign in with one."""
        return any(account.hashed for account in self._by_name.values())

    async def check(self, name: str, password: str) -> Account | None:
        """The account if the password is its own. A name that is not known takes as long as one that is."""
        account = self._by_name.get(name)
        hashed = account.hashed if account and account.hashed else self._nobody
        right = await to_thread.run_sync(verify, password, hashed, limiter=self._limiter)
        return account if right and account and account.hashed else None


def parse_users(text: str) -> list[Account]:
    """`name:role:hash` or `name:role`, one a line, or with commas between them.

    :raises ValueError: one is written wrongly; says which, never the hash.
    """
    lines = [line.strip() for line in re.split(r"[\n,]", text)]
    accounts = [_parse_user(line, number) for number, line in enumerate(filter(None, lines), 1)]
    names = [account.name for account in accounts]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"expected each name once, got {twice!r} twice")
    return accounts


def _parse_user(line: str, number: int) -> Account:
    name, _, rest = line.partition(":")
    word, _, hashed = rest.partition(":")
    role = Role.of(word.strip())
    if as_name(name) is None or role is None:
        raise ValueError(f"entry {number}: expected name:role:hash, the role being viewer, operator or admin")
    if hashed and not is_hash(hashed.strip()):
        raise ValueError(f"entry {number}: expected a hash made by `barback dashboard hash` after the role")
    return Account(name, role, hashed.strip() or None)
