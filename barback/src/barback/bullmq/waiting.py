"""Waiting for a queue's marker, which BullMQ sets when there may be a job and which one worker takes.

The blocking call is left standing when a wait ends, and taken up by the next one: Redis ends it only to a tenth of a
second (B7), and cancelling it costs the connection. A marker that it takes while nobody waits is set again.
"""

import asyncio
import contextlib
from asyncio import Task

from barback.bullmq.connection import Connection
from barback.errors import BarbackError, BrokerUnavailable

PASS_ON_WITHIN_S = 0.5


class MarkerWait:
    """The blocking call of one queue. For one event loop."""

    def __init__(self, connection: Connection, marker: str, client_name: str) -> None:
        self._connection = connection
        self._marker = marker
        self._client_name = client_name
        self._call: Task[bool] | None = None
        self._waiting = 0

    async def wait(self, for_s: float | None) -> None:
        """Return when the marker was taken, after `for_s`, or when the blocking call ended without it."""
        if self._call is None or self._call.done():
            self._call = asyncio.create_task(self._block())
        call = self._call
        self._waiting += 1
        try:
            await asyncio.wait([call], timeout=for_s)
        except asyncio.CancelledError:
            if call.done() and not call.cancelled() and call.exception() is None and call.result():
                await self._pass_on()
            raise
        finally:
            self._waiting -= 1
        if call.cancelled():
            raise BrokerUnavailable("Redis does not answer any more.")
        if call.done():
            call.result()

    def interrupt(self) -> None:
        """End the blocking call: its connection may be dead without a sign of it. Those who wait raise."""
        if self._call is not None:
            self._call.cancel()

    async def close(self) -> None:
        """End the blocking call. It may have taken the marker just then: one too many wakes a worker for nothing."""
        call = self._call
        if call is None:
            return
        call.cancel()
        await asyncio.wait([call])
        await self._pass_on()

    async def _block(self) -> bool:
        try:
            taken = await self._connection.wait_for_marker(self._marker, self._client_name)
            if taken and not self._waiting:
                await self._pass_on()
        except BarbackError:
            if self._waiting:
                raise
            return False
        else:
            return taken
        finally:
            self._call = None

    async def _pass_on(self) -> None:
        with contextlib.suppress(BarbackError, TimeoutError):
            async with asyncio.timeout(PASS_ON_WITHIN_S):
                await self._connection.run("ZADD", self._marker, 0, "0")
