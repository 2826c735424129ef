"""One attempt: a fetched job becomes an outcome, which is a value. Nothing here writes to the broker's lists.

unreadable hash, deferred failure, unknown name, wrong payload ──► Failed, once, without retries (P11)
handler returns ──► Completed
handler raises  ──► Retry while attempts are left, else Failed; whatever it raises ends this one job (P12)
the worker takes it back (stop, lost lock) ──► HandedBack, whatever its clean-up raises (Unrecoverable: Failed)
"""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import structlog

from barback.broker import Completed, Failed, FetchedJob, HandedBack, Outcome
from barback.errors import InvalidPayload, UnknownJob
from barback.job import AnyJob, Context, Flag
from barback.outcomes import LONGEST_REASON, Chance, Ending, after_error, after_return, describe, writable
from barback.payload import Payload, parse_payload
from barback.payload_schema import schema_hash
from barback.processes import START_S, Process, Processes
from barback.processes.wire import Start
from barback.registry import Registry

GivenT = TypeVar("GivenT")
Caught = tuple[GivenT | None, BaseException | None]
"""What a call in a thread returned, or raised: as a value, since a future refuses or rewrites some exceptions."""

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.executor")

OBEY_S = 0.3
"""How long a plain handler that is told to end has to do so, before its job goes on without it."""
PROCESS_OBEY_S = 0.2
"""The same of one in a process, which is killed then: before a stopping worker gives its job to another."""
DEATH_S = 1.0
"""How long to wait until a killed process is gone."""


@dataclass(slots=True)
class Attempt:
    """What the worker knows of a running job and says to it."""

    cancelled: Flag = field(default_factory=Flag)
    """Set when the handler should end early; handlers in threads look at it."""
    taken_back: bool = False
    """The worker cancels the attempt to hand the job back: that is no failure."""
    cancel_reason: str | None = None
    """Not None: somebody cancels the job, which fails with this reason."""


class Executor:
    """Runs handlers of one app. `make_context` binds a fetched job to the services and the broker.

    `threads` must have one free for each job that may run, and for each that was left behind (see `make_threads`).
    """

    def __init__(
        self,
        registry: Registry,
        make_context: Callable[[FetchedJob, Attempt], Context[Any]],
        threads: Pool,
        draw: Callable[[], float] = random.random,
        crash_limit: int = 3,
        processes: Processes | None = None,
    ) -> None:
        self._registry = registry
        self._make_context = make_context
        self._threads = threads
        self._draw = draw
        self._crash_limit = crash_limit
        self._processes = processes or Processes(registry)
        self._left = 0

    def refuses(self, fetched: FetchedJob) -> bool:
        """Whether it fails without being run, for what is stored of it."""
        return self._refusal(fetched) is not None

    def longest_s(self, fetched: FetchedJob) -> float | None:
        """How long an attempt may take, its process's start included; None: as long as it likes, or nobody knows."""
        job = self._registry.get(fetched.name)
        if job is None or job.timeout_s is None:
            return None
        return job.timeout_s + (START_S if job.runs_in == "process" else 0.0)

    async def execute(self, fetched: FetchedJob, attempt: Attempt) -> Outcome:
        """Run one attempt to its end; never raises."""
        refusal = self._refusal(fetched)
        if refusal is not None:
            return _failed(refusal)
        try:
            job = self._registry.find(fetched.name, fetched.queue)
        except UnknownJob as error:
            return _failed(str(error))
        try:
            payload = parse_payload(job.payload_type, fetched.data, job.name)
        except InvalidPayload as error:
            return _failed(f"{error}{_versions(job, fetched)}")
        except BaseException as error:  # noqa: BLE001 — a payload's own validator may raise anything
            return _failed(f"Payload of '{fetched.name}' does not fit: {describe(error)}")
        try:
            if job.runs_in == "loop" and job.timeout_s is None:
                # Most are, and a call less is a microsecond.
                ctx = self._make_context(fetched, attempt)
                ending = after_return(job, await job.handler(payload, ctx))
            else:
                ending = await self._call(job, payload, fetched, attempt)
        except BaseException as error:  # noqa: BLE001 — even CancelledError and SystemExit end one job only (B3)
            if isinstance(error, asyncio.CancelledError) and _is_being_cancelled():
                # By somebody else than the handler: the loop is about to end under it.
                attempt.taken_back = True
            ending = after_error(job, self._chance(fetched), error)
        attempt.cancelled.set()
        if ending.inexact is not None:
            log.warning(
                "result holds a number that JavaScript rounds: return it as a text",
                job=job.name,
                job_id=fetched.id,
                number=ending.inexact,
            )
        return _interrupted(fetched, attempt, ending) or ending.outcome

    async def _call(self, job: AnyJob, payload: Payload, fetched: FetchedJob, attempt: Attempt) -> Ending:
        ctx = self._make_context(fetched, attempt)
        timeout = asyncio.timeout(None)
        process = await self._processes.take(job, self._threads) if job.runs_in == "process" else None
        try:
            async with timeout:
                # Its time runs from now: not while a process starts.
                timeout.reschedule(_deadline(job))
                if process is not None:
                    return await self._call_in_process(process, _start(fetched, self._chance(fetched)), ctx, attempt)
                if job.runs_in == "thread":
                    return await self._call_in_thread(job, payload, ctx, attempt)
                return after_return(job, await job.handler(payload, ctx))
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise TimeoutError(f"it took longer than its timeout of {job.timeout_s:g} s") from error
        finally:
            if process is not None:
                # It stays cancelled, so none that was told to end is used again.
                self._processes.give_back(process, used_up=attempt.cancelled.is_set())

    async def _call_in_thread(self, job: AnyJob, payload: Payload, ctx: Context[Any], attempt: Attempt) -> Ending:
        # In the context of the attempt: what is logged there says in which job.
        call = self._threads.submit(copy_context().run, _catch, lambda: _handle(job, payload, ctx))

        async def leave() -> None:
            self._leave(job, ctx.job_id, call)

        result = await _outcome_of(call, attempt, OBEY_S, leave)
        # An `async def` behind a decorator looks like a plain one.
        return result if isinstance(result, Ending) else after_return(job, await result)

    async def _call_in_process(self, process: Process, start: Start, ctx: Context[Any], attempt: Attempt) -> Ending:
        call = self._threads.submit(_catch, lambda: process.run(start, ctx, self._registry.find))
        running = asyncio.wrap_future(call)

        async def kill() -> None:
            process.kill()
            await asyncio.wait([running], timeout=DEATH_S)

        return await _outcome_of(call, attempt, PROCESS_OBEY_S, kill, lambda: self._threads.submit(process.cancel))

    def _leave(self, job: AnyJob, job_id: str, call: Future[Any]) -> None:
        self._left += 1
        log.warning(
            "thread left behind: a plain def goes on although its job does not wait for it; "
            "let it look at ctx.cancelled, or declare the job with runs_in='process'",
            job=job.name,
            job_id=job_id,
            left_behind=self._left,
        )
        call.add_done_callback(self._came_back)

    def _came_back(self, _call: Future[Any]) -> None:
        self._left -= 1

    def _chance(self, fetched: FetchedJob) -> Chance:
        return Chance(fetched.attempt, fetched.options.attempts, fetched.options.backoff, self._draw())

    def _refusal(self, fetched: FetchedJob) -> str | None:
        """The reason to fail it without running it; None: there is none."""
        if fetched.unreadable is not None:
            return fetched.unreadable
        if fetched.crashes >= self._crash_limit:
            return (
                f"Its worker died or stood still while it ran, {fetched.crashes} times{_alone(fetched.crashes)}: "
                "it is not run again."
            )
        if fetched.deferred_failure is not None and fetched.stalls:
            return f"It was found active without a lock, {fetched.stalls} times: {fetched.deferred_failure}"
        return fetched.deferred_failure


async def _outcome_of(
    call: "Future[Caught[GivenT]]",
    attempt: Attempt,
    obey_s: float,
    leave: Callable[[], Awaitable[None]],
    tell: Callable[[], object] = lambda: None,
) -> GivenT:
    """What a thread returned, or raised. If we are cancelled it is told, and left if it does not obey."""
    running = asyncio.wrap_future(call)
    try:
        await asyncio.wait([running])
    except asyncio.CancelledError:
        attempt.cancelled.set()
        if call.cancel():
            raise
        tell()
        # A retry must not run beside what is about to end.
        if not await _ended(running, obey_s, leave):
            raise
        result, error = running.result()
        if error is None and not (isinstance(result, Ending) and result.raised):
            raise
    result, error = running.result()
    if error is not None:
        raise error
    return cast("GivenT", result)


async def _ended(running: "asyncio.Future[Any]", within_s: float, leave: Callable[[], Awaitable[None]]) -> bool:
    try:
        await asyncio.wait([running], timeout=within_s)
    finally:
        # Also if we are cancelled once more.
        ended = running.done()
        if not ended:
            await leave()
    return ended


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _interrupted(fetched: FetchedJob, attempt: Attempt, ending: Ending) -> Outcome | None:
    """What becomes of a job that was told to end, and raised; None: it was not told, or did not raise."""
    if isinstance(ending.outcome, Completed) or not ending.raised:
        return None
    if attempt.cancel_reason is not None:
        return _failed(f"Cancelled: {attempt.cancel_reason}")
    if not attempt.taken_back or ending.unrecoverable:
        return None
    if ending.outcome.reason != "CancelledError()":
        log.info("job raised while taken back", job=fetched.name, job_id=fetched.id, error=ending.outcome.reason)
    return HandedBack()


def _catch(call: Callable[[], GivenT]) -> Caught[GivenT]:
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 — see Executor.execute
        return None, error


def _handle(job: AnyJob, payload: Payload, ctx: Context[Any]) -> Any:
    """How the handler ended; or what it wants awaited. Its result is encoded here, where that blocks nobody."""
    result = job.handler(payload, ctx)
    return result if inspect.isawaitable(result) else after_return(job, result)


def _start(fetched: FetchedJob, chance: Chance) -> Start:
    return Start(fetched.name, fetched.queue, fetched.id, fetched.starts, fetched.data, chance)


def _versions(job: AnyJob, fetched: FetchedJob) -> str:
    """Which contract it was made by, if that is another one."""
    theirs, ours = fetched.options.schema_hash, schema_hash(job.payload_type)
    if theirs is None or theirs == ours:
        return ""
    return (
        f". Its client has schema {theirs} of this payload, this worker {ours}: run `barback typescript` with the code "
        "that is deployed, and deploy who enqueues it"
    )


def _deadline(job: AnyJob) -> float | None:
    return None if job.timeout_s is None else asyncio.get_running_loop().time() + job.timeout_s


def _failed(reason: str) -> Failed:
    return Failed(writable(reason, LONGEST_REASON))


def _alone(crashes: int) -> str:
    return " (all but the first time it ran alone)" if crashes > 1 else ""
