"""Connections to Postgres, kept for the next call. What they are about is the database being away:

it refuses         tried again for `PATIENCE_S`, which hides a quick restart; then the call ends with the reason
nobody answers     connecting ends after `CONNECT_TIMEOUT_S`; a statement under way is cut off once it took
                   `LOOK_AFTER_S` and a new connection finds nobody either
it is back         the next call connects: nothing waits for a pause to end

psycopg_pool is built for busy databases. Its one timeout does not tell a busy pool from a dead database, it keeps the
reason to itself, and it reconnects after pauses that double: after an outage of 70 s it came back 46 s late.
"""

import asyncio
import contextlib
import os
import select
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from cafes.store.connecting import CONNECT_TIMEOUT_S, is_outage

PATIENCE_S = 3.0
"""How long a call tries to connect. It also bounds how fast jobs are taken and put off while the database is away."""
PAUSE_S = 0.25
LOOK_AFTER_S = 3.0
LONGEST_IDLE_S = 240.0
"""A connection idle for longer is not trusted: load balancers forget such without a word, some after 350 s."""

Connection = AsyncConnection[TupleRow]

OPTIONS: dict[str, Any] = {
    # Every plain request is one statement, so autocommit makes each one round trip and one transaction. No prepared
    # statements: behind a transaction pooler the next statement may be on another connection.
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": CONNECT_TIMEOUT_S,
    # Where packets are lost the system itself gives up after 10 s instead of 15 min (milliseconds; Linux).
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


class Connections:
    """At most `most` at once, opened as they are needed; and one more to look whether anybody is there.

    While all are in use a call waits, for as long as it takes. A worker that is idle keeps what it has.
    """

    def __init__(self, url: str, most: int) -> None:
        self._url = url
        self._free = asyncio.Semaphore(most)
        self._idle: list[tuple[float, Connection]] = []
        self._failure: tuple[float, str] | None = None
        self._look: asyncio.Task[bool] | None = None
        self._closed = False

    async def close(self) -> None:
        """Close those that are idle, and each of the others when it is given back."""
        self._closed = True
        if self._look is not None:
            self._look.cancel()
        await self._forget_idle()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Connection]:
        """A connection in no transaction. Given back in one, it is closed, which rolls that back.

        :raises psycopg.OperationalError: it cannot be had, because the database is away.
        """
        asked_at = time.monotonic()
        async with self._free:
            connection = await self._take(asked_at)
            try:
                async with self._looked_after(connection):
                    yield connection
            except psycopg.Error as error:
                if is_outage(error):
                    # What ended this one may have ended them all, and nobody hears of it before the next statement.
                    await connection.close()
                    await self._forget_idle()
                raise
            finally:
                await self._give_back(connection)

    # ── taking and giving back ──────────────────────────────────────────────────────────────────────

    async def _take(self, asked_at: float) -> Connection:
        if self._closed:
            raise psycopg.OperationalError("the store is closed")
        while self._idle:
            since, connection = self._idle.pop()
            if time.monotonic() - since < LONGEST_IDLE_S and _is_quiet(connection):
                return connection
            await connection.close()
        if self._failure is not None and self._failure[0] > asked_at:
            # It found out while this call stood in line: to find out again, one after the other, could take minutes.
            raise psycopg.OperationalError(self._failure[1])
        return await self._connect()

    async def _connect(self) -> Connection:
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await AsyncConnection.connect(self._url, **OPTIONS)
            except psycopg.OperationalError as error:
                if time.monotonic() + PAUSE_S > give_up_at:
                    self._failure = time.monotonic(), str(error)
                    raise
            await asyncio.sleep(PAUSE_S)

    async def _give_back(self, connection: Connection) -> None:
        if self._closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append((time.monotonic(), connection))

    async def _forget_idle(self) -> None:
        forgotten, self._idle = self._idle, []
        for _, connection in forgotten:
            await connection.close()

    # ── looking whether anybody is there ────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _looked_after(self, connection: Connection) -> AsyncGenerator[None]:
        looking = asyncio.create_task(self._look_after(connection))
        try:
            yield
        finally:
            looking.cancel()

    async def _look_after(self, connection: Connection) -> None:
        """Cut the connection off when nobody answers where it leads, so that its statement fails."""
        while True:
            await asyncio.sleep(LOOK_AFTER_S)
            if not await self._anybody_there():
                self._failure = time.monotonic(), f"nobody answered within {CONNECT_TIMEOUT_S} s"
                _cut(connection)
                return

    async def _anybody_there(self) -> bool:
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(_answers(self._url))
        return await asyncio.shield(self._look)


async def _answers(url: str) -> bool:
    try:
        async with await AsyncConnection.connect(url, **OPTIONS):
            return True
    except psycopg.errors.ConnectionTimeout:
        return False
    except psycopg.OperationalError:
        return True  # refused, too many connections, shutting down: that much somebody said


def _is_quiet(connection: Connection) -> bool:
    """Whether nothing came unasked, as it does when the server ended the connection."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)


def _cut(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as shared:
        shared.shutdown(socket.SHUT_RDWR)
