"""One attempt: a fetched job becomes an outcome, which is a value. Nothing here writes to the broker's lists.

unreadable hash, deferred failure, unknown name, wrong payload ──► Failed, once, without retries (P11)
handler returns ──► Completed
handler raises  ──► Retry while attempts are left, else Failed; whatever it raises ends this one job (P12)
the worker takes it back (stop, lost lock) ──► HandedBack, whatever its clean-up raises (Unrecoverable: Failed)
"""

import asyncio
import inspect
import random
import traceback
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import structlog
from pydantic_core import to_json

from barback.broker import Completed, Failed, FetchedJob, HandedBack, Outcome, Retry
from barback.errors import BarbackError, BrokerUnavailable, InvalidPayload, RetryLater, UnknownJob, Unrecoverable
from barback.job import AnyJob, Context
from barback.payload import Payload, parse_payload
from barback.registry import Registry
from barback.retry import UNDECLARED, Backoff, wait_after

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.executor")

OBEY_S = 0.3
"""How long a plain handler that is told to end has to do so, before its job goes on without it."""
OUTAGE_RETRY_S = 1.0
LONGEST_REASON = 4_000
LONGEST_STACKTRACE = 16_000
"""Characters kept of each: what is stored with a job is read by people, and over the network."""


@dataclass(slots=True)
class Attempt:
    """What the worker knows of a running job and says to it."""

    cancelled: Event = field(default_factory=Event)
    """Set when the handler should end early; handlers in threads look at it."""
    taken_back: bool = False
    """The worker cancels the attempt to hand the job back: that is no failure."""
    cancel_reason: str | None = None
    """Not None: somebody cancels the job, which fails with this reason."""


class Executor:
    """Runs handlers of one app. `make_context` binds a fetched job to the services and the broker."""

    def __init__(
        self,
        registry: Registry,
        make_context: Callable[[FetchedJob, Attempt], Context[Any]],
        threads: Pool,
        draw: Callable[[], float] = random.random,
        crash_limit: int = 3,
    ) -> None:
        self._registry = registry
        self._make_context = make_context
        self._threads = threads
        self._draw = draw
        self._crash_limit = crash_limit

    def refuses(self, fetched: FetchedJob) -> bool:
        """Whether it fails without being run, for what is stored of it."""
        return self._refusal(fetched) is not None

    def timeout_s(self, fetched: FetchedJob) -> float | None:
        """How long an attempt may take; None: as long as it likes, or nobody knows the job."""
        job = self._registry.get(fetched.name)
        return job.timeout_s if job else None

    async def execute(self, fetched: FetchedJob, attempt: Attempt) -> Outcome:
        """Run one attempt to its end; never raises."""
        refusal = self._refusal(fetched)
        if refusal is not None:
            return Failed(refusal)
        try:
            job = self._registry.find(fetched.name, fetched.queue)
            payload = parse_payload(job.payload_type, fetched.data, job.name)
        except (UnknownJob, InvalidPayload) as error:
            return Failed(str(error)[:LONGEST_REASON])
        except BaseException as error:  # noqa: BLE001 — a payload's own validator may raise anything
            return Failed(f"Payload of '{fetched.name}' does not fit: {describe(error)}"[:LONGEST_REASON])
        try:
            result = await self._call(job, payload, self._make_context(fetched, attempt), attempt)
        except BaseException as error:  # noqa: BLE001 — even CancelledError and SystemExit end one job only (B3)
            return _interrupted(job, fetched, attempt, error) or self._after_error(job, fetched, error)
        return _completed(job, result)

    async def _call(self, job: AnyJob, payload: Payload, ctx: Context[Any], attempt: Attempt) -> Any:
        timeout = asyncio.timeout(job.timeout_s)
        try:
            async with timeout:
                if job.is_async:
                    return await job.handler(payload, ctx)
                result = await self._call_in_thread(job, payload, ctx, attempt)
                # An `async def` behind a decorator looks like a plain one.
                return await result if inspect.isawaitable(result) else result
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise TimeoutError(f"it took longer than its timeout of {job.timeout_s:g} s") from error
        finally:
            attempt.cancelled.set()

    async def _call_in_thread(self, job: AnyJob, payload: Payload, ctx: Context[Any], attempt: Attempt) -> Any:
        call = self._threads.submit(_in_thread, job, payload, ctx)
        running = asyncio.wrap_future(call)
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            attempt.cancelled.set()
            # A retry must not run beside a thread that is about to end.
            if call.cancel() or not (await asyncio.wait([running], timeout=OBEY_S))[0]:
                raise
            if running.result()[1] is None:
                raise
        result, error = running.result()
        if error is not None:
            raise error
        return result

    def _refusal(self, fetched: FetchedJob) -> str | None:
        """The reason to fail it without running it; None: there is none."""
        if fetched.unreadable is not None:
            return fetched.unreadable
        if fetched.crashes >= self._crash_limit:
            return (
                f"Its worker died while it ran, {fetched.crashes} times{_alone(fetched.crashes)}: it is not run again."
            )
        if fetched.deferred_failure is not None and fetched.stalls:
            return f"It was found active without a lock, {fetched.stalls} times: {fetched.deferred_failure}"
        return fetched.deferred_failure

    def _after_error(self, job: AnyJob, fetched: FetchedJob, error: BaseException) -> Outcome:
        reason, stacktrace = describe(error), format_stacktrace(error)
        if isinstance(error, RetryLater):
            return Retry(error.after_s, reason, uses_attempt=False)
        if isinstance(error, BrokerUnavailable):
            # Of `ctx.enqueue` and the like: an outage of ours is no failure of the job's.
            return Retry(OUTAGE_RETRY_S, reason, uses_attempt=False)
        if isinstance(error, Unrecoverable) or fetched.attempt >= fetched.options.attempts:
            return Failed(reason, stacktrace)
        try:
            after_s = wait_after(_backoff(job, fetched), fetched.attempt, error, self._draw())
        except BaseException as broken:
            log.exception("backoff failed", job=job.name, job_id=fetched.id)
            return Failed(f"{reason} (and its backoff raised {describe(broken)})"[:LONGEST_REASON], stacktrace)
        return Failed(reason, stacktrace) if after_s is None else Retry(after_s, reason, stacktrace)


def _interrupted(job: AnyJob, fetched: FetchedJob, attempt: Attempt, error: BaseException) -> Outcome | None:
    """What becomes of a job that was told to end; None: it was not."""
    if attempt.cancel_reason is not None:
        return Failed(f"Cancelled: {attempt.cancel_reason}"[:LONGEST_REASON])
    if not attempt.taken_back or isinstance(error, Unrecoverable):
        return None
    if not isinstance(error, asyncio.CancelledError):
        log.info("job raised while taken back", job=job.name, job_id=fetched.id, error=describe(error))
    return HandedBack()


def _in_thread(job: AnyJob, payload: Payload, ctx: Context[Any]) -> tuple[Any, BaseException | None]:
    """What a plain handler returned, or raised: as a value, since a future refuses or rewrites some exceptions."""
    try:
        return job.handler(payload, ctx), None
    except BaseException as error:  # noqa: BLE001 — see Executor.execute
        return None, error


def describe(error: BaseException) -> str:
    """One line for `failedReason`: the type and the message; never empty (B22)."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 — a __str__ that raises must not hide the job's own error
        message = ""
    if message and isinstance(error, BarbackError | Unrecoverable | RetryLater):
        return message[:LONGEST_REASON]
    name = type(error).__name__
    return (f"{name}: {message}" if message else f"{name}()")[:LONGEST_REASON]


def format_stacktrace(error: BaseException) -> str:
    """The traceback from the handler on, its middle cut out if it is very long."""
    # The first frames are barback's own.
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__") == __name__:
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # noqa: BLE001 — a SyntaxError whose parts are not what they should be breaks the formatting
        text = "".join(traceback.format_tb(frames)) + describe(error)
    if len(text) <= LONGEST_STACKTRACE:
        return text
    half = LONGEST_STACKTRACE // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters …\n{text[-half:]}"


def _alone(crashes: int) -> str:
    return " (all but the first time it ran alone)" if crashes > 1 else ""


def _backoff(job: AnyJob, fetched: FetchedJob) -> Backoff | None:
    """As enqueued; a strategy that is only named there is looked up in the declaration."""
    declared = job.options.backoff
    return declared if fetched.options.backoff is UNDECLARED and declared is not None else fetched.options.backoff


def _completed(job: AnyJob, result: Any) -> Outcome:
    try:
        return Completed(to_json(result, by_alias=True, inf_nan_mode="null").decode())
    except (ValueError, RecursionError) as error:  # pydantic's own is a ValueError, and holds whatever was raised
        # Its effects are done: running it again would only do them twice.
        return Failed(f"Job '{job.name}' ran, but what it returned cannot be written as JSON: {describe(error)}")
