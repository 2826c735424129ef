"""In front of every route: nothing goes through that is not listed here, or sent by somebody who may."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barback.dashboard.signing_in.bodies import FROM_STRANGERS, USUAL, BodyLimit, limited, wrong_body
from barback.dashboard.signing_in.callers import Caller, Callers
from barback.dashboard.signing_in.known import Known, Ways
from barback.dashboard.signing_in.origins import is_own
from barback.dashboard.signing_in.refusals import (
    PUBLIC_PATH,
    SAFE_METHODS,
    SIGN_IN_PATH,
    Refused,
    refusal,
    role_too_low,
    sign_in_first,
)
from barback.dashboard.signing_in.roles import Role, User
from barback.dashboard.signing_in.security_headers import with_security_headers

SIGN_OUT_PATH = "/sign-out"
STATIC_PREFIX = "/static/"
SESSION = "barback.session"
READING, SENDING = ("GET", "HEAD"), ("GET", "HEAD", "POST")


@dataclass(frozen=True, slots=True)
class Gate:
    """The ASGI app around the dashboard. `scope["user"]` is who is signed in, and None on the public pages.

    `ways` None: whoever mounts the dashboard asks who it is, and may say so by a `User` in `scope["user"]`, whose role
    then holds; what another site may not do holds all the same. `scope["barback.session"]`: whether they are known by a
    session that can be ended here.
    """

    app: ASGIApp
    ways: Ways | None = None
    callers: Callers = field(default_factory=Callers)
    origins: Sequence[str] = ()
    public_path: str | None = None
    """Where browsers see it. None: where it is mounted."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass, answer the rest."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await _refuse_socket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, PUBLIC_PATH: self.public_path}
        request = Request(scope)
        try:
            decision = await self._decide(request, self.callers.of(request))
        except Refused as refused:
            decision = refusal(request, refused.status, refused.text, refused.retry_after_s)
        if isinstance(decision, Response):
            await decision(scope, receive, with_security_headers(send))
            return
        passed = {**scope, "user": decision and decision.user, SESSION: bool(decision and decision.by_session)}
        sending = with_security_headers(send, decision.cookie if decision else None)
        await self._pass_on(passed, limited(receive, self._limit_of(request)), sending)

    async def _decide(self, request: Request, caller: Caller) -> Response | Known | None:
        """A response: it ends here. Somebody, or nobody: it goes on."""
        if wrong := wrong_body(request.headers, self._limit_of(request)):
            return refusal(request, *wrong)
        reads = request.method in SAFE_METHODS
        if not reads and not is_own(request.headers, caller, self.origins):
            return refusal(request, 403, "This did not come from a page of the dashboard (see DASHBOARD_ORIGIN).")
        known = await self._known(request, caller)
        if known is None:
            return None if self.ways is None or _is_public(request) else sign_in_first(request)
        needed = Role.VIEWER if reads else Role.OPERATOR
        return known if known.user.may(needed) else role_too_low(request, needed.word)

    async def _known(self, request: Request, caller: Caller) -> Known | None:
        if self.ways is None:
            user = request.scope.get("user")
            # Anything else is the host's own kind of user.
            return Known(user) if isinstance(user, User) else None
        return None if _is_public(request) else await self.ways.known(request, caller)

    def _limit_of(self, request: Request) -> BodyLimit:
        return USUAL if self.ways is None or not _is_public(request) else FROM_STRANGERS

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except HTTPException as error:
            # Of the body that is too large, where the app itself makes no answer of it.
            if started:
                raise
            await refusal(Request(scope), error.status_code, error.detail)(scope, receive, send)


def _is_public(request: Request) -> bool:
    path = _own_path(request)
    if path == SIGN_IN_PATH:
        return request.method in SENDING
    if path == SIGN_OUT_PATH:
        return request.method == "POST"
    return request.method in READING and path.startswith(STATIC_PREFIX) and ".." not in path


def _own_path(request: Request) -> str:
    """Below where the dashboard is mounted, cut off just as Starlette's router does."""
    path, prefix = str(request.scope["path"]), str(request.scope.get("root_path", "")).rstrip("/")
    return path[len(prefix) :] if path.startswith(f"{prefix}/") else path


async def _refuse_socket(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
