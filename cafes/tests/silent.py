"""A server that takes connections and never answers; to Postgres's clients it first says that they are let in."""

import asyncio
import struct


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


LET_IN = _message(b"R", struct.pack(">I", 0)) + _message(b"K", struct.pack(">II", 1, 2)) + _message(b"Z", b"I")
TURNS = 10
"""Of the loop, until somebody who was accepted is served: psycopg comes once more, to cancel what it asked."""
WITHOUT_TLS = (80877103, 80877104)


class Silent:
    """As a pooler without a free connection is. `async with Silent() as silent`."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Silent":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # Only then they are closed.

    @property
    def port(self) -> int:
        return self._server.sockets[0].getsockname()[1]

    @property
    def postgres_url(self) -> str:
        return f"postgresql://worker:geheim@127.0.0.1:{self.port}/cafes"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while (length := struct.unpack(">I", await reader.readexactly(4))[0]) < 10_000:
                request = await reader.readexactly(length - 4)
                if struct.unpack(">I", request[:4])[0] not in WITHOUT_TLS:
                    writer.write(LET_IN)
                    break
                writer.write(b"N")
            while await reader.read(1_000):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
