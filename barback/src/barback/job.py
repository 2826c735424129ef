"""A job: one file, a typed payload, options, and a handler. Declares; runs nothing.

    @job("update-cafe-stats", queue="cron-jobs", attempts=3, timeout_s=60, backoff=Exponential(first_s=2))
    async def update_cafe_stats(payload: UpdateCafeStats, ctx: Context[Services]) -> CafeStatsUpdated: ...

A `Job` is callable with a payload and a context: a test needs no broker.
"""

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, Unpack, cast

from barback.answers import Answer
from barback.errors import DeclarationError
from barback.options import KEEP_COMPLETED, KEEP_FAILED, Deduplication, JobOptions, OnFailure, Overrides, Retention
from barback.payload import Payload
from barback.retry import Backoff

PayloadT = TypeVar("PayloadT", bound=Payload)
ServicesT = TypeVar("ServicesT")
ReturnT = TypeVar("ReturnT")
AnswerT = TypeVar("AnswerT")
GivenT = TypeVar("GivenT")


class Reply(Coroutine[Any, Any, AnswerT]):
    """What `ctx.enqueue` and `ctx.children` give.

    `async def` awaits it, as any coroutine: nothing happens before. In the thread of a plain `def` all is done, or has
    raised, when the call returns; the answer is `.result()`, for who wants it.
    """

    __slots__ = ("_answered", "_steps")

    def __init__(self, steps: Generator[Any, Any, AnswerT], answered: tuple[AnswerT] | None = None) -> None:
        self._steps = steps
        self._answered = answered

    @staticmethod
    def to_await(call: Coroutine[Any, Any, GivenT]) -> "Reply[GivenT]":
        """One that is done by awaiting it."""
        return Reply(call.__await__())

    @staticmethod
    def done(answer: GivenT) -> "Reply[GivenT]":
        """One that is done."""
        return Reply(_give(answer), (answer,))

    def result(self) -> AnswerT:
        """The answer, in a plain `def`.

        :raises RuntimeError: it is to be awaited.
        """
        if self._answered is None:
            raise RuntimeError("On the event loop there is no result yet: await it.")
        return self._answered[0]

    def __await__(self) -> Generator[Any, Any, AnswerT]:
        return self._steps

    def send(self, value: Any, /) -> Any:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        return self._steps.throw(*error)

    def close(self) -> None:
        self._steps.close()


def _give(answer: AnswerT) -> Generator[Any, Any, AnswerT]:
    yield from ()
    return answer


class Enqueue(Protocol):
    """Enqueue one job, as the `Producer` of `connect(settings)` does; from a handler's thread too (see `Reply`)."""

    def __call__(
        self, job: "Job[PayloadT, Any, Any]", payload: PayloadT, /, **overrides: Unpack[Overrides]
    ) -> Reply[Answer]: ...


class Cancellation(Protocol):
    """Whether this attempt should end early: it timed out, lost its lock, was cancelled, or the worker stops."""

    def is_set(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Context(Generic[ServicesT]):
    """What a handler is given besides its payload: one attempt of one job.

    A plain `def` handler, which runs in a thread, may use all of it and awaits nothing: there `enqueue`, `progress`,
    `log` and `children` are done, or have raised, when they return. The answers of `enqueue` and `children` are their
    `.result()`: `ctx.children().result()`.
    """

    services: ServicesT
    """The app's services, opened once a worker."""
    job_id: str
    job_name: str
    queue: str
    attempt: int
    """Counted from 1."""
    attempts: int
    """In total, this one included."""
    starts: int
    """How often this job was started, crashes and hand-backs included; more than `attempt` after either."""
    cancelled: Cancellation
    enqueue: Enqueue
    progress: Callable[[Any], Awaitable[None]]
    """Report progress: a number of percent, or any JSON-able value."""
    log: Callable[[str], Awaitable[None]]
    """Append a line to the job's own log, which is kept in Redis beside it."""
    children: Callable[[], Reply[Mapping[str, Any]]]
    """Results of the finished children of a flow, by `queue:job id`."""


Handler = Callable[[PayloadT, Context[ServicesT]], ReturnT]


@dataclass(frozen=True, slots=True)
class Job(Generic[PayloadT, ServicesT, ReturnT]):
    """A declared job. Make one with `@job`."""

    name: str
    queue: str
    payload_type: type[PayloadT]
    handler: Handler[PayloadT, ServicesT, ReturnT]
    options: JobOptions
    timeout_s: float | None
    """Seconds an attempt may take; None: as long as it likes."""
    is_async: bool

    def __call__(self, payload: PayloadT, ctx: Context[ServicesT]) -> ReturnT:
        """Run the handler itself, as a test does; awaitable if the handler is."""
        return self.handler(payload, ctx)

    def __repr__(self) -> str:
        return f"<Job {self.name} of {self.queue}>"


AnyJob = Job[Any, Any, Any]


def job(  # noqa: PLR0913 — a declaration reads best as one call
    name: str,
    *,
    queue: str,
    priority: int = 0,
    delay_s: float = 0.0,
    attempts: int = 1,
    backoff: Backoff | None = None,
    timeout_s: float | None = None,
    lifo: bool = False,
    deduplicate: Deduplication | None = None,
    keep_completed: Retention = KEEP_COMPLETED,
    keep_failed: Retention = KEEP_FAILED,
    on_failure: OnFailure | None = None,
    keep_logs: int = 1_000,
    keep_stacktraces: int = 10,
) -> Callable[[Handler[PayloadT, ServicesT, ReturnT]], Job[PayloadT, ServicesT, ReturnT]]:
    """Declare the function below as the handler of job `name` in `queue`.

    The function takes a payload (a subclass of `Payload`) and a `Context`; `async def` runs on the worker's loop, plain
    `def` in a thread. What it returns is the job's result and must be JSON-able (pydantic models are). The options
    mean what `JobOptions` says; `timeout_s` None lets an attempt take as long as it likes. `deduplicate` holds for
    every enqueue, whatever the payload, and wins over `Payload.unique`. `keep_logs`: so many lines of the job's log;
    `keep_stacktraces`: those of so many failed attempts; the newest of each.

    :raises DeclarationError: the name, the queue or the function's parameters cannot work.
    :raises InvalidOptions: an option is out of its range.
    """
    _check_name("job", name)
    _check_name("queue", queue)
    if timeout_s is not None and not timeout_s > 0:
        raise DeclarationError(f"Job '{name}': timeout_s must be more than 0, got {timeout_s!r}.")
    options = JobOptions(
        priority=priority,
        delay_s=delay_s,
        attempts=attempts,
        backoff=backoff,
        lifo=lifo,
        deduplicate=deduplicate,
        keep_completed=keep_completed,
        keep_failed=keep_failed,
        on_failure=on_failure,
        keep_logs=keep_logs,
        keep_stacktraces=keep_stacktraces,
    )

    def declare(handler: Handler[PayloadT, ServicesT, ReturnT]) -> Job[PayloadT, ServicesT, ReturnT]:
        _check_handler(name, handler)
        payload_type = cast("type[PayloadT]", _payload_type(name, handler))
        is_async = inspect.iscoroutinefunction(handler)
        return Job(name, queue, payload_type, handler, options, timeout_s, is_async)

    return declare


def _check_name(what: str, name: str) -> None:
    if not name or ":" in name or name != name.strip() or any(ord(c) < 32 for c in name):
        raise DeclarationError(
            f"{what.capitalize()} name {name!r} cannot be used: expected a text without ':', "
            "control characters, or spaces at its ends."
        )


def _check_handler(name: str, handler: Callable[..., Any]) -> None:
    # Of a partial or an object with __call__ nobody can tell whether it is async, nor which file it is from.
    if not (inspect.isfunction(handler) or inspect.ismethod(handler)):
        raise DeclarationError(
            f"Job '{name}': expected a function (def or async def) as its handler, got {handler!r}. "
            "Write a function that calls it."
        )
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise DeclarationError(f"Job '{name}': its handler yields, and would never run. Return the result instead.")


def _payload_type(name: str, handler: Callable[..., Any]) -> type[Payload]:
    parameters = list(inspect.signature(handler).parameters.values())
    if len(parameters) != 2:
        more = "".join(f" Nothing would ever fill '{parameter.name}'." for parameter in parameters[2:])
        raise DeclarationError(
            f"Job '{name}': its handler must take (payload, ctx), not {len(parameters)} parameters.{more}"
        )
    for parameter in parameters:
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise DeclarationError(
                f"Job '{name}': its handler is called as handler(payload, ctx), which cannot fill '{parameter}'."
            )
    try:
        hints = typing.get_type_hints(handler)
    except NameError as error:
        raise DeclarationError(f"Job '{name}': a type in its handler's signature is not defined: {error}.") from error
    payload_type = hints.get(parameters[0].name)
    if not (isinstance(payload_type, type) and issubclass(payload_type, Payload)):
        raise DeclarationError(
            f"Job '{name}': '{parameters[0].name}' must be annotated with a subclass of barback.Payload, "
            f"got {payload_type!r}."
        )
    return payload_type
