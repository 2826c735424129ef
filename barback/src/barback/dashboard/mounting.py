"""An ASGI app at a path of a server."""

from starlette.types import ASGIApp, Receive, Scope, Send


class At:
    """`app` at `path`, with and without a slash at its end; `/` leads there, anything else is not found.

    Starlette's `Mount` would redirect from the one to the other, and Next.js back.
    """

    def __init__(self, path: str, app: ASGIApp) -> None:
        self._path = "/" + path.strip("/") if path.strip("/") else ""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        root, path = scope.get("root_path", ""), scope["path"].removeprefix(scope.get("root_path", ""))
        if path.rstrip("/") == self._path:
            path = f"{self._path}/"
        elif path == "/":
            await _redirect(send, root + self._path)
            return
        elif not path.startswith(f"{self._path}/"):
            await _answer(send, 404, [(b"content-type", b"text/plain")], b"Not found")
            return
        await self._app({**scope, "root_path": root + self._path, "path": root + path}, receive, send)


async def _redirect(send: Send, to: str) -> None:
    await _answer(send, 307, [(b"location", to.encode())], b"")


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
