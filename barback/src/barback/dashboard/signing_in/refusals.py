"""How a request is refused: a redirect for a page, a status for anything that a program sent."""

from math import ceil
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from barback.dashboard.signing_in.redirects import home_of, safe_next

SIGN_IN_PATH = "/sign-in"
PUBLIC_PATH = "barback.public_path"
"""In the scope, where a proxy takes a part of the path away."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Refused(Exception):
    """A request that may not go on, whoever sent it. The text is shown."""

    def __init__(self, status: int, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after_s = status, text, retry_after_s


def refusal(request: Request, status: int, text: str, retry_after_s: float | None = None) -> Response:
    """Text for a page, `{"error": …}` for a program."""
    headers = {} if retry_after_s is None else {"Retry-After": str(ceil(retry_after_s))}
    if _is_page(request):
        return PlainTextResponse(f"{text}\n", status, headers)
    return JSONResponse({"error": text}, status, headers)


def role_too_low(request: Request, needed: str) -> Response:
    """403: signed in, but not as somebody who may."""
    return refusal(request, 403, f"You are signed in, but this needs the role '{needed}'.")


def sign_in_first(request: Request) -> Response:
    """Nobody is signed in: to the sign-in page, and back here afterwards."""
    if _is_page(request):
        return RedirectResponse(_sign_in_url(request, _own_address(request)), 303)
    response = refusal(request, 401, "Sign in first.")
    if "hx-request" in request.headers:
        response.headers["HX-Redirect"] = _sign_in_url(request, _address_of_page(request))
    return response


def prefix_of(request: Request) -> str:
    """Where browsers see the dashboard: `/dashboard/queues`, or nothing."""
    public: str | None = request.scope.get(PUBLIC_PATH)
    return str(request.scope.get("root_path", "")).rstrip("/") if public is None else public


def _is_page(request: Request) -> bool:
    """Whether a browser wants to show the answer as a page of its own."""
    if "hx-request" in request.headers:
        return False
    mode = request.headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in request.headers.get("accept", "")


def _sign_in_url(request: Request, back_to: str) -> str:
    prefix = prefix_of(request)
    target = safe_next(back_to, prefix)
    query = "" if target == home_of(prefix) else f"?next={quote(target, safe='')}"
    return f"{prefix}{SIGN_IN_PATH}{query}"


def _own_address(request: Request) -> str:
    # What was sent cannot be sent again by a redirect.
    if request.method not in SAFE_METHODS:
        return ""
    raw: bytes = request.scope.get("raw_path") or quote(str(request.scope["path"])).encode()
    query: bytes = request.scope.get("query_string", b"")
    mounted = str(request.scope.get("root_path", "")).rstrip("/")
    path = prefix_of(request) + raw.decode("latin-1").removeprefix(mounted)
    return path + (f"?{query.decode('latin-1')}" if query else "")


def _address_of_page(request: Request) -> str:
    try:
        parts = urlsplit(request.headers.get("hx-current-url", ""))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
