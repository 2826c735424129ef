"""A job: one file, a typed payload, options, and a handler. Declares; runs nothing.

    @job("update-cafe-stats", queue="cron-jobs", attempts=3, timeout_s=60, backoff=Exponential(first_s=2))
    async def update_cafe_stats(payload: UpdateCafeStats, ctx: Context[Services]) -> CafeStatsUpdated: ...

A `Job` is callable with a payload and a context: a test needs no broker.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, Unpack, cast

from barback.answers import Answer
from barback.errors import DeclarationError
from barback.handlers import RunsIn, check_handler, decide_place, read_payload_type
from barback.options import KEEP_COMPLETED, KEEP_FAILED, Deduplication, JobOptions, OnFailure, Overrides, Retention
from barback.payload import Payload
from barback.retry import Backoff, Custom, RetryRule

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


class Flag:
    """A `threading.Event` that nobody waits for, and so costs nothing. Safe to use from any thread."""

    __slots__ = ("_set",)

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True


@dataclass(slots=True)
class Context(Generic[ServicesT]):
    """What a handler is given besides its payload: one attempt of one job.

    A plain `def` handler, which runs in a thread or a process, may use all of it and awaits nothing: there `enqueue`,
    `progress`, `log` and `children` are done, or have raised, when they return. The answers of `enqueue` and `children`
    are their `.result()`: `ctx.children().result()`.
    """

    services: ServicesT
    """The app's services, opened once a worker; in a process None, since they cannot cross into it."""
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
    runs_in: RunsIn
    retry_rule: RetryRule
    former_names: tuple[str, ...] = ()
    """Under which it was enqueued before it was renamed."""
    external: bool = False
    """It is worked in TypeScript; Python enqueues it."""

    @property
    def names(self) -> tuple[str, ...]:
        """All under which it is found: its name, and those that it had before."""
        return (self.name, *self.former_names)

    @property
    def is_async(self) -> bool:
        """The handler is an `async def`."""
        return self.runs_in == "loop"

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
    runs_in: RunsIn | None = None,
    retry_on: tuple[type[BaseException], ...] = (BaseException,),
    fail_on: tuple[type[BaseException], ...] = (),
    lifo: bool = False,
    deduplicate: Deduplication | None = None,
    keep_completed: Retention = KEEP_COMPLETED,
    keep_failed: Retention = KEEP_FAILED,
    on_failure: OnFailure | None = None,
    keep_logs: int = 1_000,
    keep_stacktraces: int = 10,
    former_names: tuple[str, ...] = (),
    external: bool = False,
) -> Callable[[Handler[PayloadT, ServicesT, ReturnT]], Job[PayloadT, ServicesT, ReturnT]]:
    """Declare the function below as the handler of job `name` in `queue`.

    The function takes a payload (a subclass of `Payload`) and a `Context`. What it returns is the job's result and must
    be JSON-able (pydantic models are), 8 MB of it at most. The options mean what `JobOptions` says; `timeout_s` None
    lets an attempt take as long as it likes. `deduplicate` holds for every enqueue, whatever the payload, and wins over
    `Payload.unique`. `keep_logs`: so many lines of the job's log; `keep_stacktraces`: those of so many failed attempts;
    the newest of each.

    `runs_in` None: an `async def` on the worker's loop, a plain `def` in a thread. A thread cannot be stopped: one that
    does not end when `ctx.cancelled` is set goes on beside the next attempt. "process" is for plain `def` that computes
    or holds the GIL in C code: it is killed at its timeout, and its crash is its own. It must be at the top level of a
    module that can be imported, and its `Context[None]` has no services. A process has its memory to itself: what a
    module keeps there, no other job sees.

    `former_names`: names it had before; jobs that wait under one of them are worked by this handler.

    `external`: TypeScript works it, by the client that `barback typescript` writes. Its function has no body (`...`)
    and never runs; a queue that holds one holds no job that Python works. What the worker in TypeScript decides
    (`timeout_s`, `runs_in`, a `Custom` backoff) cannot be said of it.

    `retry_on`, `fail_on`: which errors are worth another attempt while `attempts` are left; see `RetryRule`. A timeout
    is a `TimeoutError` (and so an `OSError`), a process that died a `ProcessDied`.

    :raises DeclarationError: the name, the queue, the function's parameters or where it shall run cannot work.
    :raises InvalidOptions: an option is out of its range.
    """
    _check_name("job", name)
    _check_name("queue", queue)
    if isinstance(former_names, str):
        raise DeclarationError(f"Job '{name}': former_names must be a tuple of names: ('{former_names}',).")
    for former in former_names:
        _check_name("former", former)
    if external and (timeout_s is not None or runs_in is not None or isinstance(backoff, Custom)):
        raise DeclarationError(
            f"Job '{name}' is external: the worker in TypeScript decides on timeout_s, runs_in and a Custom backoff. "
            "Leave them out here."
        )
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
    rule = RetryRule(retry_on, fail_on)

    def declare(handler: Handler[PayloadT, ServicesT, ReturnT]) -> Job[PayloadT, ServicesT, ReturnT]:
        check_handler(name, handler)
        payload_type = cast("type[PayloadT]", read_payload_type(name, handler))
        place = decide_place(name, handler, runs_in)
        return Job(name, queue, payload_type, handler, options, timeout_s, place, rule, former_names, external)

    return declare


def _check_name(what: str, name: str) -> None:
    if not name or ":" in name or name != name.strip() or any(c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise DeclarationError(
            f"{what.capitalize()} name {name!r} cannot be used: expected a text without ':', "
            "control characters, lone surrogates, or spaces at its ends."
        )
