"""The pool of connections to Postgres, set up for what matters here: the database being away, and coming back.

Away: a call waits `GIVE_UP_S` for a connection, which hides a quick restart, and then says so. Back: the next call
connects; the pool's own pauses, which double, do not get long. A connection that died while idle costs one call. Busy:
while all connections are lent a call waits for as long as a statement may take.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from cafes.store.connecting import OPTIONS, Busy

GIVE_UP_S = 5.0
RECONNECT_S = 1.0
"""After so long in vain the pool waits for somebody to ask for a connection. By default it goes on for 5 min, with
pauses of up to one: after an outage of 70 s it was back 46 s late."""
ASKING_S = 0.01
LONGEST_IDLE_S = 240.0
"""Load balancers forget idle connections without a word, some after 350 s."""

Connection = AsyncConnection[TupleRow]


class Connections:
    """At most `most` at once, opened as they are needed. `statement_s`: how long a statement may take."""

    def __init__(self, url: str, most: int, statement_s: float) -> None:
        self._most = most
        self._statement_s = statement_s
        self._lent = 0
        self._all_lent_at = 0.0
        """When one came back, alive, from among all; by the monotonic clock."""
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=most,
            open=False,
            timeout=GIVE_UP_S,
            reconnect_timeout=RECONNECT_S,
            reconnect_failed=_ask_again,
            max_idle=LONGEST_IDLE_S,
            # Every plain request is one statement, so autocommit makes each one round trip and one transaction.
            kwargs=OPTIONS | {"autocommit": True},
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        """Close those that are idle, and each of the others when it is given back."""
        await self._pool.close()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Connection]:
        """A connection in no transaction. Given back in one, it is rolled back.

        :raises Busy: all were lent, for as long as a statement may take.
        :raises psycopg.OperationalError: it cannot be had, because the database is away.
        """
        connection = await self._waited_for()
        self._lent += 1
        try:
            # Not `pool.connection()`: it would commit, and with autocommit there is nothing to.
            yield connection
        finally:
            if self._lent == self._most and not connection.closed:
                self._all_lent_at = monotonic()
            self._lent -= 1
            await self._pool.putconn(connection)

    async def _waited_for(self) -> Connection:
        came_at = monotonic()
        while True:
            asked_at = monotonic()
            try:
                return await self._pool.getconn()
            except PoolTimeout:
                if self._lent < self._most and self._all_lent_at < asked_at:
                    reason = f"no connection could be made within {GIVE_UP_S:g} s"
                    raise psycopg.OperationalError(reason) from None
                if monotonic() - came_at >= self._statement_s:
                    reason = f"all {self._most} connections were busy for {self._statement_s:g} s"
                    raise Busy(reason) from None
            except PoolClosed:
                raise psycopg.OperationalError("the store is closed") from None


async def _ask_again(pool: AsyncConnectionPool[Connection]) -> None:
    """The pool gave up, on those who stand in line as well: only somebody new makes it try once more."""
    if pool.get_stats().get("requests_waiting"):
        with suppress(PoolTimeout, PoolClosed):
            await pool.putconn(await pool.getconn(timeout=ASKING_S))
