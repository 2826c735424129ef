"""Answers `/live`, `/ready` and `/metrics` from a thread of its own: also while the worker's event loop stands still.

A process that stands still as a whole (a C call keeps the GIL, SIGSTOP) answers nobody, which is "not live" too.
"""

import math
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog

from barback.endpoints.exposition import CONTENT_TYPE, Exposition
from barback.errors import UsageError
from barback.worker import Worker

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.endpoints")

SLOWEST_S = 5.0
"""How long a client may take, to ask and to be told, however it spreads its bytes."""
MOST = 16
"""Clients at a time. Who asks for a worker are a few: what restarts it, what sends it jobs, Prometheus."""
PLAIN = "text/plain; charset=utf-8"

Answer = tuple[str, str, bytes]
"""Status, content type, body."""


@contextmanager
def serve(worker: Worker, host: str, port: int) -> Generator[int]:
    """While the block lasts; the port. `port` 0: any that is free.

    :raises UsageError: it cannot be used.
    """
    answers = _answers(worker)

    def respond(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
        status, kind, body = _answer(answers, environ["REQUEST_METHOD"], environ["PATH_INFO"])
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    try:
        server = make_server(host, port, respond, _server_class(host), _Handler)
    except OSError as error:
        raise UsageError(
            f"Port {port} of {host} cannot be used for /live, /ready and /metrics: {error.strerror}. "
            "Give another one with --health-port (BARBACK_HEALTH_PORT)."
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="barback-endpoints", daemon=True)
    thread.start()
    log.info("endpoints open", host=host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _answers(worker: Worker) -> dict[str, Callable[[], Answer]]:
    exposition = Exposition(worker)
    return {
        "/live": lambda: _told("live", worker.condition().why_not_live()),
        "/ready": lambda: _told("ready", worker.condition().why_not_ready()),
        "/metrics": lambda: ("200 OK", CONTENT_TYPE, exposition.text()),
    }


def _answer(answers: dict[str, Callable[[], Answer]], method: str, path: str) -> Answer:
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", PLAIN, b"only GET\n"
    if path not in answers:
        return "404 Not Found", PLAIN, b"there are /live, /ready and /metrics\n"
    return answers[path]()


def _told(what: str, reasons: Sequence[str]) -> Answer:
    if reasons:
        return "503 Service Unavailable", PLAIN, f"not {what}: {', '.join(reasons)}\n".encode()
    return "200 OK", PLAIN, f"{what}\n".encode()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = MOST

    def __init__(self, *arguments: Any) -> None:
        self._ends_at: dict[Any, float] = {}
        """By connection, of those that are open. Added to by the thread that serves, taken from by each one's own."""
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        # Of too many the one that has been there longest: whoever asks plainly is gone in a moment.
        if len(self._ends_at) >= MOST:
            self._end(next(iter(self._ends_at)))
        self._ends_at[request] = time.monotonic() + SLOWEST_S
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Several times a second, whatever comes: end the slow ones."""
        self._end_those_before(time.monotonic())

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._ends_at.pop(request, None)

    def server_close(self) -> None:
        super().server_close()
        self._end_those_before(math.inf)

    def _end_those_before(self, moment: float) -> None:
        """Their threads find the connection at its end."""
        for request, ends_at in list(self._ends_at.items()):
            if ends_at < moment:
                self._end(request)

    def _end(self, request: Any) -> None:
        self._ends_at.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        # The standard library's asks for the name of our address, which takes a while where nobody knows it.
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — its name
        """Who asks once a second is no event."""


def _server_class(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server
