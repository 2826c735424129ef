"""Whom a trusted proxy has signed in: it says so in a header, which from anybody else means nothing."""

from starlette.requests import HTTPConnection

from barback.dashboard.signing_in.accounts import Accounts
from barback.dashboard.signing_in.callers import Caller
from barback.dashboard.signing_in.roles import Role, User, as_name


class ProxyUser:
    """Reads one header. `role`: of those who have no account."""

    def __init__(self, header: str, role: Role, accounts: Accounts) -> None:
        self._header, self._role, self._accounts = header, role, accounts

    def user_of(self, request: HTTPConnection, caller: Caller) -> User | None:
        """None: it is not from a proxy, or names nobody, or more than one."""
        values = request.headers.getlist(self._header)
        name = as_name(values[0]) if caller.by_proxy and len(values) == 1 else None
        if name is None:
            return None
        account = self._accounts.get(name)
        return User(name, account.role if account else self._role)
