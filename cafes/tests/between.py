"""What stands between a store and its API in tests: passes requests on, loses answers, or answers by itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOST = b""
"""Passed on, and the answer thrown away: the connection just ends."""


def says(status: int, body: str = "", **headers: str) -> bytes:
    """An answer; its body is JSON unless `content_type` says otherwise."""
    named = {"content_type": "application/json", "content_length": str(len(body.encode())), **headers}
    lines = [f"HTTP/1.1 {status} So", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "connection: close", "", body]).encode()


@dataclass
class Between:
    """`async with Between(url) as between`: a way to the server there.

    `answer` gets a function's name, or a table's, and says what to answer; None: what the server says; `LOST`.
    """

    to: str = "http://127.0.0.1:1"
    answer: Callable[[str], bytes | None] = lambda name: None
    asked: list[str] = field(default_factory=list[str])
    headers: list[str] = field(default_factory=list[str])
    at_once: int = 0
    most_at_once: int = 0

    async def __aenter__(self) -> "Between":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{urlsplit(self.to).path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            writer.write(await self._answered(reader))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        body = await reader.readexactly(int(length))
        name = urlsplit(head.decode().split()[1]).path.rpartition("/")[2]
        self.asked.append(name)
        self.headers.append(head.decode())
        answer = self.answer(name)
        if answer:
            return answer
        passed_on = await self._pass_on(head.replace(b"keep-alive", b"close") + body)
        return passed_on if answer is None else LOST

    async def _pass_on(self, request: bytes) -> bytes:
        to = urlsplit(self.to)
        reader, writer = await asyncio.open_connection(to.hostname, to.port)
        writer.write(request)
        answer = await reader.read(-1)
        writer.close()
        return answer
