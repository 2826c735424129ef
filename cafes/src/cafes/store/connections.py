"""The pool of connections to Postgres, set up for what matters here: the database being away, and coming back.

Away: a call waits `GIVE_UP_S` for a connection, which hides a quick restart, and then says so. Back: the next call
connects; the pool's own pauses, which double, do not get long. A connection that died while idle costs one call.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from cafes.store.connecting import CONNECT_TIMEOUT_S

GIVE_UP_S = 5.0
RECONNECT_S = 1.0
"""After so long in vain the pool waits for somebody to ask for a connection. By default it goes on for 5 min, with
pauses of up to one: after an outage of 70 s it was back 46 s late."""
ASKING_S = 0.01
LONGEST_IDLE_S = 240.0
"""Load balancers forget idle connections without a word, some after 350 s."""

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
    """At most `most` at once, opened as they are needed."""

    def __init__(self, url: str, most: int) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=most,
            open=False,
            timeout=GIVE_UP_S,
            reconnect_timeout=RECONNECT_S,
            reconnect_failed=_ask_again,
            max_idle=LONGEST_IDLE_S,
            kwargs=OPTIONS,
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        """Close those that are idle, and each of the others when it is given back."""
        await self._pool.close()

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Connection]:
        """A connection in no transaction. Given back in one, it is rolled back.

        :raises psycopg.OperationalError: it cannot be had, because the database is away.
        """
        try:
            connection = await self._pool.getconn()
        except PoolTimeout:
            raise psycopg.OperationalError(f"no connection could be made within {GIVE_UP_S:g} s") from None
        except PoolClosed:
            raise psycopg.OperationalError("the store is closed") from None
        try:
            # Not `pool.connection()`: it would commit, and with autocommit there is nothing to.
            yield connection
        finally:
            await self._pool.putconn(connection)


async def _ask_again(pool: AsyncConnectionPool[Connection]) -> None:
    """The pool gave up, on those who stand in line as well: only somebody new makes it try once more."""
    if pool.get_stats().get("requests_waiting"):
        with suppress(PoolTimeout, PoolClosed):
            await pool.putconn(await pool.getconn(timeout=ASKING_S))
