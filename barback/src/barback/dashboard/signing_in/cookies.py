"""Our one cookie. Its name tells the browser under which conditions it may be set at all."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from barback.dashboard.signing_in.callers import Caller
from barback.dashboard.signing_in.sessions import LONGEST_S


def cookie_name(caller: Caller, prefix: str) -> str:
    """`__Host-`: neither another host of the domain nor a page over plain HTTP can have set it."""
    if not caller.https:
        return "barback_session"
    return "__Secure-barback_session" if prefix else "__Host-barback_session"


def read_cookie(request: HTTPConnection, caller: Caller, prefix: str) -> str:
    """Its value; empty: it is not there. Another of its names is not looked at."""
    return request.cookies.get(cookie_name(caller, prefix), "")


def cookie_header(value: str, caller: Caller, prefix: str) -> str:
    """The `Set-Cookie` header. An empty value removes it."""
    response = Response()
    response.set_cookie(
        cookie_name(caller, prefix),
        value,
        max_age=int(LONGEST_S) if value else 0,
        path=prefix or "/",
        secure=caller.https,
        httponly=True,
        samesite="lax",
    )
    return response.headers["set-cookie"]
