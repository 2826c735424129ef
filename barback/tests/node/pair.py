"""Two sides of one queue: one enqueues, the other works, and both are asked what they see."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from barback.broker import JobRecord
from barback.options import JobOptions

from .process import DEADLINE_S
from .python import PythonQueue
from .side import NodeJob, NodeQueue

POLL_S = 0.005
STAYS_S = 0.2


class Side(Protocol):
    """What Node and Python both do."""

    async def enqueue(self, name: str, data: Any, options: JobOptions | None = None) -> str: ...
    async def work(self, concurrency: int = 1) -> None: ...
    async def stop_workers(self) -> None: ...
    async def release(self, job_id: str) -> bool: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def remove(self, job_id: str) -> bool: ...
    async def retry(self, job_id: str) -> None: ...
    async def promote(self, job_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pair:
    """`enqueuer` and `worker` are `node` and `python`, or the other way round."""

    enqueuer: Side
    worker: Side
    node: NodeQueue
    python: PythonQueue

    @property
    def python_works(self) -> bool:
        return self.worker is self.python

    async def finished(self, *job_ids: str) -> None:
        """Until Node has seen each complete or fail.

        :raises AssertionError: not before the deadline.
        """
        for job_id in job_ids:
            await eventually(lambda job_id=job_id: self._is_finished(job_id))

    async def both(self, job_id: str) -> tuple[NodeJob, JobRecord]:
        """A job as Node and as Python read it."""
        record = await self.python.broker.get(self.python.name, job_id)
        assert record is not None
        return await self.node.get(job_id), record

    async def started(self) -> Sequence[str]:
        """The ids of jobs in the order in which they became active."""
        await self.node.listen()
        return [event["jobId"] for event in await self.node.seen() if event["event"] == "active"]

    async def _is_finished(self, job_id: str) -> bool:
        return await self.python.broker.state(self.python.name, job_id) in ("completed", "failed", "unknown")


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """What `check` gives once that is true.

    :raises AssertionError: it is not before the deadline.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not (value := await check()):
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s"
        await asyncio.sleep(POLL_S)
    return value


async def stays(check: Callable[[], Awaitable[bool]]) -> bool:
    """Whether `check` is true now and every time one looks for a while."""
    deadline = time.monotonic() + STAYS_S
    while time.monotonic() < deadline:
        if not await check():
            return False
        await asyncio.sleep(POLL_S)
    return True
