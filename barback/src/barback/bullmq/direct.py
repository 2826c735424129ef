"""One script in one round trip, the shortest way: most of what an enqueue takes is the way through the client."""

from collections.abc import Sequence
from typing import Any, cast

import hiredis
import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError


class Direct:
    """Calls that pass by the client's pipeline. A connection of its pool is kept at hand from one to the next."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pool = client.connection_pool
        self._kept: AbstractConnection | None = None

    async def run(self, command: Sequence[Any]) -> Any:
        """What Redis answers, or the error that it answers."""
        connection = await self._take()
        try:
            await connection.send_packed_command(_pack(connection, command))
            return cast("Any", await connection.read_response())
        except ResponseError as error:
            return error
        except BaseException:
            # Its answer may still come, and would be taken for the next one's.
            await connection.disconnect(nowait=True)
            raise
        finally:
            if self._kept is None:
                self._kept = connection
            else:
                await self._pool.release(connection)

    async def _take(self) -> AbstractConnection:
        connection, self._kept = self._kept, None
        if connection is None:
            return await self._pool.get_connection()
        if await _is_usable(connection):
            return connection
        # The pool opens it anew.
        await self._pool.release(connection)
        return await self._pool.get_connection()


async def _is_usable(connection: AbstractConnection) -> bool:
    """As the pool asks: a server that has gone left an end of file, and what nobody read is no answer of ours."""
    try:
        return connection.is_connected and not await connection.can_read()
    except (RedisConnectionError, OSError):
        return False


def _pack(connection: AbstractConnection, command: Sequence[Any]) -> Any:
    try:
        return hiredis.pack_command(tuple(command))  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except UnicodeEncodeError:
        # A lone surrogate, for which the client has a way of its own.
        return connection.pack_command(*command)
