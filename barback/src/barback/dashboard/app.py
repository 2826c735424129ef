"""Puts the dashboard together."""

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from barback.dashboard.control import Control
from barback.dashboard.errors import handlers
from barback.dashboard.live import Live
from barback.dashboard.pages import Dashboard, sign_in_templates
from barback.dashboard.routes import NAV, ROUTES
from barback.dashboard.signing_in import SignIn
from barback.dashboard.signing_in.gate import Gate
from barback.dashboard.templates import STATIC

KEPT = "public, max-age=31536000, immutable"


def create_app(
    control: Control, live: Live, sign_in: SignIn | None = None, *, public_path: str | None = None
) -> ASGIApp:
    """The dashboard as an ASGI app: alone, or mounted into another at any path.

    `sign_in`: who may see it; None: everybody, so that whoever mounts it must ask. Pages of other sites cannot act, and
    nothing is framed, either way. `public_path`: under which path
    browsers see it, if a proxy takes a part of the path away; None: where it is mounted.
    """
    signing_in = sign_in.routes(sign_in_templates()) if sign_in else []
    app = Starlette(
        routes=[*ROUTES, *signing_in, Mount("/static", _kept(StaticFiles(directory=STATIC)), name="static")],
        exception_handlers=handlers(),
        middleware=[Middleware(GZipMiddleware)],
    )
    app.router.redirect_slashes = False
    read_only = sign_in is not None and sign_in.read_only
    app.state.dashboard = Dashboard(control, live, _paths(ROUTES), NAV, public_path, read_only)
    return sign_in.wrap(app) if sign_in else Gate(app, public_path=public_path)


def _paths(routes: Sequence[Route]) -> Mapping[str, str]:
    return {route.name: route.path for route in routes}


def _kept(files: ASGIApp) -> ASGIApp:
    """Let browsers keep what is asked for by the fingerprint of its content."""

    async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                MutableHeaders(scope=message)["cache-control"] = KEPT
            await send(message)

        is_fingerprinted = scope["query_string"].startswith(b"v=")
        await files(scope, receive, with_header if is_fingerprinted else send)

    return keeping
