"""The sign-in page, and signing out."""

from dataclasses import dataclass, field
from math import ceil

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from barback.dashboard.signing_in.attempts import Guesses
from barback.dashboard.signing_in.callers import Callers
from barback.dashboard.signing_in.cookies import cookie_header, read_cookie
from barback.dashboard.signing_in.gate import SIGN_OUT_PATH
from barback.dashboard.signing_in.known import Ways
from barback.dashboard.signing_in.passwords import LONGEST
from barback.dashboard.signing_in.redirects import safe_next
from barback.dashboard.signing_in.refusals import SIGN_IN_PATH, prefix_of
from barback.dashboard.signing_in.roles import NAME_LIMIT

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

FIELDS = 10
WRONG = "Wrong name or password."


@dataclass(frozen=True, slots=True)
class Pages:
    """What anyone may ask for. `elsewhere`: where the app's own users sign in; None: it is not said."""

    ways: Ways
    callers: Callers
    templates: Jinja2Templates
    elsewhere: str | None = None
    guesses: Guesses = field(default_factory=Guesses)

    def routes(self) -> list[Route]:
        """For a Starlette app."""
        return [
            Route(SIGN_IN_PATH, self._show, methods=["GET"]),
            Route(SIGN_IN_PATH, self._sign_in, methods=["POST"]),
            Route(SIGN_OUT_PATH, self._sign_out, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request, request.query_params.get("next", ""))

    async def _sign_in(self, request: Request) -> Response:
        async with request.form(max_files=0, max_fields=FIELDS) as form:
            name, password, next_ = (str(form.get(key, "")) for key in ("name", "password", "next"))
        name, password = name[:NAME_LIMIT], password[: LONGEST + 1]
        peer = self.callers.of(request).peer
        if wait_s := self.guesses.take(name, peer):
            log.warning("sign-in refused: too many wrong tries", peer=peer)
            return self._page(request, next_, name, _wait_text(wait_s), 429, wait_s)
        account = await self.ways.accounts.check(name, password)
        if account is None:
            # The name is not logged: people type their password there.
            log.warning("sign-in refused: wrong name or password", peer=peer)
            return self._page(request, next_, name, WRONG, 401)
        self.guesses.give_back(name, peer)
        await self._end_session(request)
        log.info("signed in", user=account.name, role=account.role.word, peer=peer)
        session = self.ways.sessions.start(account)
        return self._leave(request, safe_next(next_, prefix_of(request)), self.ways.sessions.write(session))

    async def _sign_out(self, request: Request) -> Response:
        await self._end_session(request)
        return self._leave(request, f"{prefix_of(request)}{SIGN_IN_PATH}", "")

    async def _end_session(self, request: Request) -> None:
        cookie = read_cookie(request, self.callers.of(request), prefix_of(request))
        if session := await self.ways.sessions.read(cookie):
            await self.ways.sessions.end(session)

    def _leave(self, request: Request, target: str, cookie: str) -> Response:
        response = RedirectResponse(target, 303)
        header = cookie_header(cookie, self.callers.of(request), prefix_of(request))
        response.headers.append("Set-Cookie", header)
        return response

    def _page(
        self,
        request: Request,
        next_: str,
        name: str = "",
        message: str = "",
        status: int = 200,
        wait_s: float | None = None,
    ) -> Response:
        prefix = prefix_of(request)
        shown = {
            "action": f"{prefix}{SIGN_IN_PATH}",
            "next": safe_next(next_, prefix),
            "name": name,
            "message": message,
            "with_password": self.ways.accounts.with_password,
            "elsewhere": self.elsewhere,
        }
        headers = {} if wait_s is None else {"Retry-After": str(ceil(wait_s))}
        return self.templates.TemplateResponse(request, "sign_in.html", shown, status, headers)


def _wait_text(wait_s: float) -> str:
    return f"Too many wrong tries. Try again in {ceil(wait_s)} s."
