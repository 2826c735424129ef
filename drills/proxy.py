"""A TCP proxy between a client and Redis that passes, refuses, or swallows."""

import asyncio
import contextlib
import socket
import struct
from typing import Literal, Self
from urllib.parse import urlsplit

Mode = Literal["pass", "refuse", "swallow"]


class Proxy:
    """In front of the server at `url`: `async with Proxy(url) as proxy`, then `proxy.url`."""

    def __init__(self, url: str) -> None:
        self.lead_to(url)
        self._mode: Mode = "pass"
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def lead_to(self, url: str) -> None:
        """Connections that are made from now on end at this server."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379

    def let_pass(self) -> None:
        """Connections made from now on work; those of before are as dead as they were."""
        self._mode = "pass"

    def refuse(self) -> None:
        """Reset every connection, and each new one at once."""
        self._mode = "refuse"
        for connection in self._connections:
            connection.cancel()

    def swallow(self) -> None:
        """Take everything and answer nothing, for ever on the connections there are: no reset comes."""
        self._mode = "swallow"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            if self._mode == "refuse":
                return
            await self._serve(reader, writer)
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._connections.discard(connection)
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "swallow":
            await asyncio.Event().wait()
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, up_writer))
                group.create_task(self._copy(up_reader, writer))
        except* OSError:
            pass
        finally:
            up_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self._mode == "swallow":
                await asyncio.Event().wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        # Without lingering a close is a reset.
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
