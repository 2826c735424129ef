"""Binds a fetched job to the services and the broker: the context its handler is given."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar, Unpack

from barback.answers import Answer
from barback.broker import Broker, FetchedJob
from barback.executor import Attempt
from barback.job import Context, Job, Reply
from barback.options import Overrides
from barback.payload import Payload, write_value
from barback.producer import Producer

AnswerT = TypeVar("AnswerT")
PayloadT = TypeVar("PayloadT", bound=Payload)


class ContextMaker:
    """Makes the contexts of one worker. Made on the worker's event loop."""

    def __init__(self, broker: Broker, producer: Producer, services: Any) -> None:
        self.broker = broker
        self._producer = producer
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def make(self, job: FetchedJob, attempt: Attempt) -> Context[Any]:
        """The context of one attempt."""
        calls = _Calls(self, job)
        return Context(
            services=self._services,
            job_id=job.id,
            job_name=job.name,
            queue=job.queue,
            attempt=job.attempt,
            attempts=job.options.attempts,
            starts=job.starts,
            cancelled=attempt.cancelled,
            enqueue=self.enqueue,
            progress=calls.progress,
            log=calls.log,
            children=calls.children,
        )

    def enqueue(
        self, job: Job[PayloadT, Any, Any], payload: PayloadT, /, **overrides: Unpack[Overrides]
    ) -> Reply[Answer]:
        return self.anywhere(self._producer(job, payload, **overrides))

    def anywhere(self, call: Coroutine[Any, Any, AnswerT]) -> Reply[AnswerT]:
        """On the loop: to be awaited. In a handler's thread: done when this returns, and need not be awaited."""
        if threading.get_ident() == self._loop_thread:
            return Reply.to_await(call)
        return Reply.done(asyncio.run_coroutine_threadsafe(call, self._loop).result())


class _Calls:
    """What a handler may ask for its own job. Bound methods cost a third of closures."""

    __slots__ = ("_job", "_maker")

    def __init__(self, maker: ContextMaker, job: FetchedJob) -> None:
        self._maker = maker
        self._job = job

    def progress(self, value: Any) -> Awaitable[None]:
        job = self._job
        return self._maker.anywhere(self._maker.broker.set_progress(job.queue, job.id, write_value(value).decode()))

    def log(self, line: str) -> Awaitable[None]:
        job = self._job
        return self._maker.anywhere(self._maker.broker.add_log(job.queue, job.id, line, job.options.keep_logs))

    def children(self) -> Reply[Mapping[str, Any]]:
        return self._maker.anywhere(self._read_children())

    async def _read_children(self) -> Mapping[str, Any]:
        results = await self._maker.broker.children_results(self._job.queue, self._job.id)
        return {child: json.loads(result) for child, result in results.items()}
