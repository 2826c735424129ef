"""Enqueueing: a typed job and its payload become a durable job of the broker, and the answer says what happened."""

import asyncio
from asyncio import Task
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, Unpack

from barback.answers import Answer, Swallowed
from barback.broker import AddedFlow, Broker, NewFlow, NewJob
from barback.cron import Timing
from barback.errors import InvalidOptions
from barback.job import AnyJob, Job
from barback.options import Deduplication, JobOptions, Overrides, override
from barback.payload import Payload, parse_payload
from barback.payload_limits import PayloadLimits, write_payload, write_raw
from barback.schedules.repeating import put_repeat

PayloadT = TypeVar("PayloadT", bound=Payload)

CHUNK, CHUNK_BYTES = 1_000, 4 * 1024 * 1024
"""Payloads, and characters of them, made and sent at a time by `many`: memory does not grow with their number."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A job and the jobs that must finish before it. Make one with `flow(job, payload, children=…)`."""

    job: AnyJob
    payload: Payload
    children: tuple["Flow", ...] = ()
    overrides: Overrides = field(default_factory=Overrides)


def flow(
    job: Job[PayloadT, Any, Any],
    payload: PayloadT,
    *,
    children: Iterable[Flow] = (),
    **overrides: Unpack[Overrides],
) -> Flow:
    """A node of a flow, for `Producer.flow`, which checks it."""
    return Flow(job, payload, tuple(children), overrides)


class Producer:
    """Enqueues jobs through a broker. Callable: `await enqueue(job, payload, delay_s=5)`.

    `limits`: what a payload may be; `connect` gives those of the settings.
    """

    def __init__(self, broker: Broker, limits: PayloadLimits | None = None) -> None:
        self._broker = broker
        self._limits = limits or PayloadLimits()

    async def __call__(
        self,
        job: Job[PayloadT, Any, Any],
        payload: PayloadT,
        /,
        *,
        repeat: Timing | None = None,
        **overrides: Unpack[Overrides],
    ) -> Answer:
        """Enqueue one job; it is durable (P1) when this returns, and the answer says what happened (P5).

        `repeat`: make it a schedule instead, whose id is `job_id`, else the job's name; the answer tells of its next
        job (see `schedules.repeating`). One that the app knows beforehand is better declared as a `Schedule`.

        :raises InvalidPayload: it is too large, too deep, or no JSON (NaN, infinity, a lone surrogate in a text).
        :raises InvalidOptions: an option is not allowed.
        :raises BrokerUnavailable: Redis cannot be reached.
        """
        if repeat is not None:
            data = write_payload(payload, job.name, self._limits)
            # Not unique: its next job, which always waits, would swallow all others.
            new = NewJob(job.queue, job.name, data, override(job.options, overrides))
            return await put_repeat(self._broker, new, repeat)
        return (await self._broker.add([new_job(job, payload, overrides, self._limits)]))[0]

    async def many(
        self, job: Job[PayloadT, Any, Any], payloads: Iterable[PayloadT], /, **overrides: Unpack[Overrides]
    ) -> list[Answer]:
        """Enqueue many of one job, in order, a chunk at a time; one answer each.

        If it fails half-way the earlier chunks are in; enqueue again only what is safe to run twice.
        """
        chunks = self._add_in_chunks(job, _one_by_one(payloads), overrides)
        return [answer async for answers in chunks for answer in answers]

    async def stream(
        self, job: Job[PayloadT, Any, Any], payloads: AsyncIterable[PayloadT], /, **overrides: Unpack[Overrides]
    ) -> tuple[int, int]:
        """Enqueue what an async iterator gives, in memory that does not grow; how many were created and swallowed."""
        total = swallowed = 0
        async for answers in self._add_in_chunks(job, payloads, overrides):
            total, swallowed = total + len(answers), swallowed + _swallowed(answers)
        return total - swallowed, swallowed

    async def _add_in_chunks(
        self, job: Job[PayloadT, Any, Any], payloads: AsyncIterable[PayloadT], overrides: Overrides
    ) -> AsyncGenerator[Sequence[Answer]]:
        """The answers of each chunk. One is on its way while the next one is made, and never two: order is kept."""
        sent: Task[list[Answer]] | None = None
        try:
            async for chunk in self._make_chunks(job, payloads, override(job.options, overrides)):
                if sent is not None:
                    yield await sent
                sent = asyncio.create_task(self._broker.add(chunk))
                # So that it is sent before the next one is made.
                await asyncio.sleep(0)
            if sent is not None:
                yield await sent
        except Exception as error:
            # A payload was refused: what was sent before it shall be in, and if it is not, that is to be told.
            failure = await _failure_of(sent)
            if failure is None or failure is error:
                raise
            raise failure from error
        finally:
            await _failure_of(sent)

    async def _make_chunks(
        self, job: Job[PayloadT, Any, Any], payloads: AsyncIterable[PayloadT], options: JobOptions
    ) -> AsyncGenerator[Sequence[NewJob]]:
        chunk: list[NewJob] = []
        size = 0
        async for payload in payloads:
            chunk.append(_new_job(job, payload, options, self._limits))
            size += len(chunk[-1].data)
            if len(chunk) == CHUNK or size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    async def flow(self, root: Flow) -> AddedFlow:
        """Enqueue a tree of jobs, all or none; a job runs once all its children have finished. Raises as for one."""
        return await self._broker.add_flow(_new_flow(root, self._limits))

    async def raw(self, job: AnyJob, data: Any, /, **overrides: Unpack[Overrides]) -> Answer:
        """Enqueue a job whose payload is a JSON value of unknown shape, as a form or another service gives it.

        :raises InvalidPayload: it is no JSON value, or does not fit the job's schema; has a line for each field.
        """
        text = write_raw(data, job.name, self._limits)
        return await self(job, parse_payload(job.payload_type, text, job.name), **overrides)


def new_job(
    job: Job[PayloadT, Any, Any], payload: PayloadT, overrides: Overrides, limits: PayloadLimits | None = None
) -> NewJob:
    """What the broker is given for one enqueue: encoded data, options with the overrides laid over them.

    A debounced job without a delay gets one of its time to live: undelayed it could not be replaced.

    :raises InvalidPayload: it is over a limit (None: the default ones), or cannot be written as JSON.
    :raises InvalidOptions: an option is not allowed.
    """
    return _new_job(job, payload, override(job.options, overrides), limits or PayloadLimits())


def _new_job(job: AnyJob, payload: Payload, options: JobOptions, limits: PayloadLimits) -> NewJob:
    unique = payload.unique()
    if unique is not None and options.deduplicate is None:
        options = replace(options, deduplicate=Deduplication.keep_last(f"{job.name}:{unique}"))
    debounce = options.deduplicate
    if debounce is not None and debounce.replace and debounce.ttl_s is not None and options.delay_s == 0:
        options = replace(options, delay_s=debounce.ttl_s)
    if options.job_id is not None and options.deduplicate is not None and options.deduplicate.keep_last_if_active:
        # BullMQ gives the id to the kept job when it starts to wait, over whatever job has taken it meanwhile (P6).
        raise InvalidOptions(f"job_id: '{job.name}' is unique (keeps the last one); such a job cannot have an id too.")
    return NewJob(job.queue, job.name, write_payload(payload, job.name, limits), options)


def _new_flow(node: Flow, limits: PayloadLimits) -> NewFlow:
    job = new_job(node.job, node.payload, node.overrides, limits)
    return NewFlow(job, [_new_flow(child, limits) for child in node.children])


async def _one_by_one(payloads: Iterable[PayloadT]) -> AsyncGenerator[PayloadT]:
    for payload in payloads:
        yield payload


async def _failure_of(sent: Task[list[Answer]] | None) -> BaseException | None:
    """What became of what is on its way, once that is known."""
    if sent is None:
        return None
    await asyncio.wait([sent])
    return None if sent.cancelled() else sent.exception()


def _swallowed(answers: Sequence[Answer]) -> int:
    return sum(isinstance(answer, Swallowed) for answer in answers)
