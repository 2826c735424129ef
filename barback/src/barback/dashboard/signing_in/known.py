"""Who sent a request: each way that is on is asked, the cheapest and surest first."""

from dataclasses import dataclass, replace

from starlette.requests import Request

from barback.dashboard.signing_in.accounts import Accounts
from barback.dashboard.signing_in.callers import Caller
from barback.dashboard.signing_in.cookies import cookie_header, read_cookie
from barback.dashboard.signing_in.loopback import DEVELOPER, is_from_this_machine
from barback.dashboard.signing_in.proxy_user import ProxyUser
from barback.dashboard.signing_in.refusals import prefix_of
from barback.dashboard.signing_in.roles import Role, User
from barback.dashboard.signing_in.sessions import Sessions
from barback.dashboard.signing_in.supabase import Supabase


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody. `cookie`: the header that keeps their session going; None: nothing is to be set.

    `by_session`: a session of ours, which signing out ends.
    """

    user: User
    cookie: str | None = None
    by_session: bool = False


@dataclass(frozen=True, slots=True)
class Ways:
    """How people can be known. None or False: not that way."""

    accounts: Accounts
    sessions: Sessions
    proxy: ProxyUser | None = None
    supabase: Supabase | None = None
    loopback: bool = False
    read_only: bool = False

    async def known(self, request: Request, caller: Caller) -> Known | None:
        """None: nobody is signed in.

        :raises Refused: somebody is, but cannot go on; says why.
        """
        known = await self._by_session(request, caller) or await self._by_others(request, caller)
        if known and self.read_only:
            return replace(known, user=replace(known.user, role=Role.VIEWER))
        return known

    async def _by_session(self, request: Request, caller: Caller) -> Known | None:
        prefix = prefix_of(request)
        cookie = read_cookie(request, caller, prefix)
        session = await self.sessions.read(cookie) if cookie else None
        account = self.accounts.get(session.account) if session else None
        if session is None or account is None:
            return None
        renewed = self.sessions.renew(session)
        header = cookie_header(self.sessions.write(renewed), caller, prefix) if renewed else None
        return Known(User(account.name, account.role), header, by_session=True)

    async def _by_others(self, request: Request, caller: Caller) -> Known | None:
        user = self.proxy.user_of(request, caller) if self.proxy else None
        if user is None and self.supabase:
            user = await self.supabase.user_of(request)
        if user is None and self.loopback and is_from_this_machine(request):
            user = DEVELOPER
        return Known(user) if user else None
