"""Bulk actions that go on by themselves: whoever began one may leave, and everybody may see how far it is.

They live in the process that began them. When it ends, what is done stays done; both ends are in the audit log.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from barback.control.actions import Progress, apply
from barback.control.orders import Order, Store, record_begin, record_end
from barback.errors import BarbackError, BrokerUnavailable, UsageError

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.control")

MOST_RUNNING = 2
"""At once: each holds all that it acts on in memory, some 200 bytes a job."""
KEPT = 50
"""Of those that ended the newest are remembered."""

End = Literal["finished", "stopped", "failed"]


@dataclass(slots=True)
class Bulk:
    """One that runs or has ended. Only `BulkActions` changes it."""

    id: str
    order: Order
    began_at: float
    progress: Progress = field(default_factory=Progress)
    stopping: bool = False
    end: End | None = None
    """None: it runs."""
    ended_at: float | None = None
    why: str = ""
    """It failed: what happened, and what to do."""


class BulkActions:
    """Those of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: dict[str, Bulk] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def start(self, order: Order) -> Bulk:
        """Begin, once it is written down who does; it goes on without being listened to.

        :raises UsageError: others must end first.
        """
        if sum(bulk.end is None for bulk in self._all.values()) >= MOST_RUNNING:
            raise UsageError(f"{MOST_RUNNING} bulk actions are running: wait for one of them to end, or stop it.")
        bulk = Bulk(secrets.token_urlsafe(9), order, time.time())
        self._all[bulk.id] = bulk
        try:
            await record_begin(self._store, order)
        except BaseException:
            del self._all[bulk.id]
            raise
        running = asyncio.create_task(self._run(bulk))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return bulk

    def stop(self, bulk_id: str) -> bool:
        """Have it end after the jobs it is busy with; what is done stays done. False: it does not run."""
        bulk = self._all.get(bulk_id)
        if bulk is None or bulk.end is not None:
            return False
        bulk.stopping = True
        return True

    def get(self, bulk_id: str) -> Bulk | None:
        """None: it is not known, or not any more."""
        return self._all.get(bulk_id)

    def all(self) -> Sequence[Bulk]:
        """Those that run, and those that ended last; the newest first."""
        return list(self._all.values())[::-1]

    def running(self, queue: str) -> Sequence[Bulk]:
        """What is being done to a queue."""
        return [bulk for bulk in self.all() if bulk.end is None and bulk.order.queue == queue]

    async def close(self, within_s: float = 5.0) -> None:
        """Stop what runs: after the jobs it is busy with, or else when the time is over."""
        for bulk in self._all.values():
            self.stop(bulk.id)
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=within_s)
        for one in late:
            one.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, bulk: Bulk) -> None:
        end: End = "failed"
        try:
            end = await self._apply(bulk)
        except BrokerUnavailable:
            bulk.why = "Redis went away. What is done stays done: begin anew, and it goes on with the rest."
        except BarbackError as error:
            bulk.why = str(error)
        except Exception:
            log.exception("a bulk action failed", did=bulk.order.did, queue=bulk.order.queue)
            bulk.why = "The dashboard failed. What happened is in its log."
        finally:
            await self._end(bulk, end)

    async def _apply(self, bulk: Bulk) -> End:
        async with contextlib.aclosing(
            apply(self._store.inspector, bulk.order.selection, bulk.order.action)
        ) as reports:
            async for progress in reports:
                bulk.progress = progress
                if bulk.stopping and not progress.finished:
                    return "stopped"
        return "finished"

    async def _end(self, bulk: Bulk, end: End) -> None:
        try:
            await record_end(self._store, bulk.order, bulk.progress)
        finally:
            bulk.end, bulk.ended_at = end, time.time()
            self._forget()

    def _forget(self) -> None:
        ended = [bulk.id for bulk in self._all.values() if bulk.end is not None]
        for bulk_id in ended[:-KEPT]:
            del self._all[bulk_id]
