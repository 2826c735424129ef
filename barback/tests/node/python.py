"""Python's side: jobs that do what the driver's processors of the same names do, and a real worker for them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict

from barback.answers import Created
from barback.app import App
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.errors import Unrecoverable
from barback.job import AnyJob, Context, job
from barback.options import JobOptions
from barback.payload import Payload
from barback.worker import Worker
from barback.worker_options import WorkerOptions

from .process import DEADLINE_S
from .wire import dumps

Held = dict[str, asyncio.Event]
"""What lets each `held` job end, by job id."""


class Anything(Payload, frozen=True):
    """A payload of any fields."""

    model_config = ConfigDict(extra="allow")

    def __getitem__(self, name: str) -> Any:
        return (self.model_extra or {})[name]


async def echo(payload: Anything, ctx: Context[Held]) -> Any:
    return payload.model_extra


async def fail(payload: Anything, ctx: Context[Held]) -> None:
    raise RuntimeError(payload["reason"])


async def flaky(payload: Anything, ctx: Context[Held]) -> str:
    if ctx.attempt <= payload["failures"]:
        raise RuntimeError(f"failure {ctx.attempt}")
    return "done"


async def first_start_fails(payload: Anything, ctx: Context[Held]) -> str:
    if ctx.starts == 1:
        raise RuntimeError("the first start")
    return "done"


async def unrecoverable(payload: Anything, ctx: Context[Held]) -> None:
    raise Unrecoverable(payload["reason"])


async def progress(payload: Anything, ctx: Context[Held]) -> int:
    for step in payload["steps"]:
        await ctx.progress(step)
    return len(payload["steps"])


async def log(payload: Anything, ctx: Context[Held]) -> None:
    for line in payload["lines"]:
        await ctx.log(line)


async def held(payload: Anything, ctx: Context[Held]) -> Any:
    ctx.services[ctx.job_id] = asyncio.Event()
    await ctx.services[ctx.job_id].wait()
    return payload.model_extra


async def children(payload: Anything, ctx: Context[Held]) -> Mapping[str, Any]:
    return await ctx.children()


async def told(payload: Anything, ctx: Context[Held]) -> dict[str, Any]:
    return {"id": ctx.job_id, "attempt": ctx.attempt, "starts": ctx.starts}


HANDLERS: dict[str, Callable[[Anything, Context[Held]], Awaitable[Any]]] = {
    "any": echo,
    "fail": fail,
    "flaky": flaky,
    "first-start-fails": first_start_fails,
    "unrecoverable": unrecoverable,
    "progress": progress,
    "log": log,
    "held": held,
    "children": children,
    "told": told,
}


def jobs_of(queue: str) -> list[AnyJob]:
    """The declarations for one queue."""
    return [job(name, queue=queue)(handler) for name, handler in HANDLERS.items()]


@dataclass(slots=True)
class PythonQueue:
    """A queue in Python, with the same methods as `NodeQueue` has for what either side does."""

    broker: BullMQBroker
    name: str
    held: Held = field(default_factory=Held)
    _workers: list[tuple[Worker, asyncio.Task[Any]]] = field(default_factory=list[tuple[Worker, asyncio.Task[Any]]])

    async def enqueue(self, name: str, data: Any, options: JobOptions | None = None) -> str:
        """A new job's id."""
        [answer] = await self.broker.add([NewJob(self.name, name, dumps(data), options or JobOptions())])
        assert isinstance(answer, Created), answer
        return answer.job_id

    async def work(self, concurrency: int = 1) -> None:
        """Start a worker; it ends with `stop_workers`."""
        app = App(jobs_of(self.name), lambda: nullcontext(self.held))
        options = WorkerOptions(default_concurrency=concurrency, stalled_check_s=0.1, schedules=False)
        worker = Worker(app, self.broker, options)
        self._workers.append((worker, asyncio.create_task(worker.run())))

    async def stop_workers(self) -> None:
        for event in self.held.values():
            event.set()
        workers, self._workers = self._workers, []
        for worker, _ in workers:
            worker.stop()
        for _, running in workers:
            await asyncio.wait_for(running, DEADLINE_S)

    async def release(self, job_id: str) -> bool:
        event = self.held.get(job_id)
        if event is None:
            return False
        event.set()
        return True

    async def pause(self) -> None:
        await self.broker.pause(self.name)

    async def resume(self) -> None:
        await self.broker.resume(self.name)

    async def remove(self, job_id: str) -> bool:
        return await self.broker.remove(self.name, job_id)

    async def retry(self, job_id: str) -> None:
        await self.broker.retry(self.name, job_id)

    async def promote(self, job_id: str) -> None:
        await self.broker.promote(self.name, job_id)
