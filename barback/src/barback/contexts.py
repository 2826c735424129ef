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
        self._broker = broker
        self._producer = producer
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def make(self, job: FetchedJob, attempt: Attempt) -> Context[Any]:
        """The context of one attempt."""
        broker = self._broker

        def progress(value: Any) -> Awaitable[None]:
            return self._anywhere(broker.set_progress(job.queue, job.id, write_value(value).decode()))

        def log_line(line: str) -> Awaitable[None]:
            return self._anywhere(broker.add_log(job.queue, job.id, line, job.options.keep_logs))

        def children() -> Reply[Mapping[str, Any]]:
            return self._anywhere(read_children())

        async def read_children() -> Mapping[str, Any]:
            results = await broker.children_results(job.queue, job.id)
            return {child: json.loads(result) for child, result in results.items()}

        return Context(
            services=self._services,
            job_id=job.id,
            job_name=job.name,
            queue=job.queue,
            attempt=job.attempt,
            attempts=job.options.attempts,
            starts=job.starts,
            cancelled=attempt.cancelled,
            enqueue=self._enqueue,
            progress=progress,
            log=log_line,
            children=children,
        )

    def _enqueue(
        self, job: Job[PayloadT, Any, Any], payload: PayloadT, /, **overrides: Unpack[Overrides]
    ) -> Reply[Answer]:
        return self._anywhere(self._producer(job, payload, **overrides))

    def _anywhere(self, call: Coroutine[Any, Any, AnswerT]) -> Reply[AnswerT]:
        """On the loop: to be awaited. In a handler's thread: done when this returns, and need not be awaited."""
        if threading.get_ident() == self._loop_thread:
            return Reply.to_await(call)
        return Reply.done(asyncio.run_coroutine_threadsafe(call, self._loop).result())
