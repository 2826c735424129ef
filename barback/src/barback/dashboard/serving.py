"""Runs the dashboard by itself until it is told to stop."""

from types import FrameType

import uvicorn
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from barback.dashboard.live import Live

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE_S = 5


class Server(uvicorn.Server):
    """Serves `app` at an address; SIGINT or SIGTERM ends it, and the event streams of `live` with it."""

    def __init__(self, app: ASGIApp, live: Live, host: str, port: int) -> None:
        if host in LOOPBACK:
            # Who resolves a name of his own to this machine shall read nothing here (DNS rebinding).
            app = TrustedHostMiddleware(app, ["127.0.0.1", "localhost", "[::1]"])
        super().__init__(
            uvicorn.Config(
                app,
                host,
                port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # An event stream ends only when we end it, and uvicorn waits for all requests.
        self._live.close()
        super().handle_exit(sig, frame)
