"""Runs the dashboard by itself until it is told to stop."""

import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from barback.dashboard.live import Live
from barback.errors import BarbackError

GRACE_S = 5
MOST_CONNECTIONS = 500
"""A tab holds one for its event stream, and few more: a hundred people with some tabs each. Whoever comes beyond them
is answered 503: strangers cannot use up what the process may open (often 1,024 files), Redis's connections among it."""
KEPT_S = 3600
"""How long a connection that nobody uses stays open. Next.js keeps those of its rewrites for ever: where it sends a
request on one that we end at that moment, it answers 500 (B7)."""


class Server(uvicorn.Server):
    """Serves `app`; SIGINT or SIGTERM ends it, and the event streams of `live` with it, a second one at once."""

    def __init__(self, app: ASGIApp, live: Live) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                # Sign-in asks who really connected, and has rules of its own for proxies.
                proxy_headers=False,
                lifespan="off",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=KEPT_S,
            )
        )
        self._live = live

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # An event stream ends only when we end it, and uvicorn waits for all requests. Not uvicorn's own, which would
        # raise the signal once more in the end: to be asked to stop is no failure.
        self._live.close()
        self.force_exit = self.should_exit
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Where a server shall answer, from now on.

    :raises BarbackError: the port is taken, or the address is none of this machine's.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise BarbackError(
            f"Port {port} of {host} cannot be used: {error.strerror}. Give another one with --port."
        ) from None
