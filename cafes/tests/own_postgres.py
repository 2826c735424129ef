"""A Postgres to stop and start again, and a way to it that can be blocked."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from barback.embedded import EmbeddedPostgres
from cafes.migrate import migrate


class OwnPostgres:
    """A migrated database, running at first."""

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)
        self.start()
        migrate(self.url)

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server.__enter__()

    def stop(self) -> None:
        self._server.__exit__(None, None, None)


class Proxy:
    """A TCP port that leads to a Postgres on a unix socket. `async with Proxy(url) as proxy`.

    Blocked, it still takes connections and bytes, as a frozen machine does, and nothing comes out.
    """

    def __init__(self, url: str) -> None:
        self._socket = parse_qs(urlsplit(url).query)["host"][0] + "/.s.PGSQL.5432"
        self._database = urlsplit(url).path
        self._open = asyncio.Event()
        self._open.set()
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self._cut()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._listener.sockets[0].getsockname()[1]}{self._database}"

    def block(self) -> None:
        self._open.clear()

    def unblock(self, *, cut: bool) -> None:
        """`cut`: the connections of before are gone. Else they go on where they stopped."""
        if cut:
            self._cut()
        self._open.set()

    def _cut(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._pumps, self._writers = [], []

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_unix_connection(self._socket)
        self._writers += [writer, back_writer]
        for one, other in ((reader, back_writer), (back_reader, writer)):
            self._pumps.append(asyncio.create_task(self._pump(one, other)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
