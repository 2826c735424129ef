"""One attempt becomes one outcome, whatever the handler does. No broker here."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NoReturn
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, field_validator, model_serializer
from pydantic.alias_generators import to_camel
from structlog.testing import capture_logs

from barback.broker import Completed, Failed, FetchedJob, HandedBack, Outcome, Retry
from barback.errors import BrokerError, BrokerUnavailable, RetryLater, Unrecoverable
from barback.executor import OBEY_S, Attempt, Executor
from barback.job import AnyJob, Context, job
from barback.options import JobOptions
from barback.outcomes import LARGEST_RESULT, LONGEST_REASON, LONGEST_STACKTRACE, OUTAGE_RETRY_S, describe
from barback.payload import NoPayload, Payload
from barback.processes import START_S, Processes
from barback.registry import Registry
from barback.retry import UNDECLARED, Custom, Exponential, Fixed
from barback.threads import make_threads

from .eventually import until

DRAW = 0.5
QUEUE = "cafe-processing"


class ProcessCafe(Payload, frozen=True):
    cafe_id: int
    note: str | None = None


@dataclass
class Bench:
    """An executor without a broker, and a draw that is always the same."""

    threads: ThreadPoolExecutor
    attempt: Attempt = field(default_factory=Attempt)
    contexts: list[Context[Any]] = field(default_factory=list[Context[Any]])

    async def run(self, of: AnyJob, fetched: FetchedJob | None = None) -> Outcome:
        executor = Executor(Registry([of]), self._context, self.threads, lambda: DRAW)
        return await executor.execute(fetched or fetch(of), self.attempt)

    async def result(self, value: Any) -> Any:
        """What is stored if a handler returns this."""

        @job("any", queue=QUEUE)
        async def returns(payload: NoPayload, ctx: Context[None]) -> Any:
            return value

        outcome = await self.run(returns)
        assert isinstance(outcome, Completed), outcome
        return json.loads(outcome.result)

    async def ends(self, raises: Callable[[], Any], *, attempts: int = 1) -> Outcome:
        """What becomes of a job whose handler does this."""

        @job("any", queue=QUEUE, attempts=attempts)
        async def does(payload: NoPayload, ctx: Context[None]) -> Any:
            return raises()

        return await self.run(does)

    def _context(self, fetched: FetchedJob, attempt: Attempt) -> Context[Any]:
        def never(*_: object, **__: object) -> NoReturn:
            pytest.fail("there is no broker")

        context: Context[Any] = Context(
            services="services",
            job_id=fetched.id,
            job_name=fetched.name,
            queue=fetched.queue,
            attempt=fetched.attempt,
            attempts=fetched.options.attempts,
            starts=fetched.starts,
            cancelled=attempt.cancelled,
            enqueue=never,
            progress=never,
            log=never,
            children=never,
        )
        self.contexts.append(context)
        return context


def fetch(of: AnyJob, data: str = "{}", *, name: str | None = None, attempt: int = 1) -> FetchedJob:
    return FetchedJob(of.queue, "7", "token", name or of.name, data, of.options, attempt=attempt, starts=attempt)


@pytest.fixture
def bench() -> Generator[Bench]:
    with ThreadPoolExecutor(2) as threads:
        yield Bench(threads)


@pytest.fixture
def log_output() -> Generator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture(autouse=True)
async def nothing_is_left_running() -> AsyncGenerator[None]:
    """And nothing that the event loop would only have logged."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert told == []


# ── results ─────────────────────────────────────────────────────────────────────────────────────────────


class Cleaned(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)
    cafe_id: int
    cleaned_at: datetime


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ("Ünïcode ☕", "Ünïcode ☕"),
        (2**63, 2**63),
        (
            Cleaned(cafe_id=1, cleaned_at=datetime(2026, 1, 2, tzinfo=UTC)),
            {"cafeId": 1, "cleanedAt": "2026-01-02T00:00:00Z"},
        ),
        ([Cleaned(cafe_id=1, cleaned_at=datetime(2026, 1, 2))], [{"cafeId": 1, "cleanedAt": "2026-01-02T00:00:00"}]),  # noqa: DTZ001
        ({"day": date(2026, 1, 2), "id": UUID(int=7)}, {"day": "2026-01-02", "id": str(UUID(int=7))}),
        ({3}, [3]),
        (Decimal("1.10"), "1.10"),
        ([float("nan"), float("inf")], [None, None]),
        ((1, (2, 3)), [1, [2, 3]]),
        (b"bytes", "bytes"),
        (JobOptions().keep_completed, {"count": 1000, "age_s": 86400, "remove_at_most": 1000}),
    ],
    ids=str,
)
async def test_what_a_handler_returns_is_stored_as_json(bench: Bench, value: Any, stored: Any) -> None:
    assert await bench.result(value) == stored


class Fickle(BaseModel):
    @model_serializer
    def broken(self) -> dict[str, Any]:
        raise KeyError("price")


def raising() -> Iterator[int]:
    yield 1
    raise KeyError("price")


def exiting() -> Iterator[int]:
    yield 1
    raise SystemExit


def circle() -> list[Any]:
    around: list[Any] = []
    around.append(around)
    return around


def deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    "make",
    [
        object,
        lambda: b"\xff",
        lambda: "caf\udce9",
        circle,
        deep,
        Fickle,
        raising,
        exiting,
        lambda: {object(): 1},
        lambda: 10**5000,
        lambda: sys,
    ],
)
async def test_a_result_that_cannot_be_stored_fails_for_good_as_its_effects_are_done(
    bench: Bench, make: Callable[[], Any]
) -> None:
    outcome = await bench.ends(make, attempts=5)
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("Job 'any' ran, but what it returned cannot be written as JSON: ")


@pytest.mark.parametrize(
    ("value", "number"),
    [(2**53 + 1, str(2**53 + 1)), ({"a": [-(2**53) - 1]}, str(-(2**53) - 1)), (2**53, None), ("9" * 20, None)],
)
async def test_a_number_that_javascript_rounds_is_told_with_the_name_of_its_job(
    bench: Bench, log_output: list[dict[str, Any]], value: Any, number: str | None
) -> None:
    await bench.result(value)
    told = [(line["job"], line["job_id"], line["number"]) for line in log_output]
    assert told == ([] if number is None else [("any", "7", number)])


async def test_a_result_of_more_than_8_mb_fails_for_good_and_says_what_to_do(bench: Bench) -> None:
    assert await bench.result("x" * (LARGEST_RESULT - 2)) == "x" * (LARGEST_RESULT - 2)
    outcome = await bench.ends(lambda: "x" * 9_100_000, attempts=5)
    assert outcome == Failed(
        "Job 'any' ran, but what it returned is 9.1 MB of JSON, and 8 MB are kept at most. "
        "Store it elsewhere, and return where it is."
    )


# ── whatever is raised ──────────────────────────────────────────────────────────────────────────────────


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even this")


class NoText(Exception):
    def __str__(self) -> str:
        return 7  # noqa: PLE0307  # pyright: ignore[reportReturnType]


def throw(error: BaseException) -> NoReturn:
    raise error


ODD_PLACE: Any = ("file", 1, "no offset", "text")
ENDINGS = [
    (ValueError("no milk"), "ValueError: no milk"),
    (SystemExit(3), "SystemExit: 3"),
    (KeyboardInterrupt(), "KeyboardInterrupt()"),
    (GeneratorExit(), "GeneratorExit()"),
    (asyncio.CancelledError(), "CancelledError()"),
    (asyncio.CancelledError("by myself"), "CancelledError: by myself"),
    (ValueError(), "ValueError()"),
    (AssertionError(""), "AssertionError()"),
    (Unspeakable(), "Unspeakable()"),
    (NoText(), "NoText()"),
    (BrokerError("Redis said no"), "Redis said no"),
    (ExceptionGroup("two", [ValueError("a"), KeyError("b")]), "ExceptionGroup: two (2 sub-exceptions)"),
    (RecursionError("too deep"), "RecursionError: too deep"),
    (TimeoutError("of its own"), "TimeoutError: of its own"),
    (SyntaxError("odd", ODD_PLACE), "SyntaxError: odd (file, line 1)"),
]


@pytest.mark.parametrize(("error", "reason"), ENDINGS, ids=[reason for _, reason in ENDINGS])
async def test_whatever_an_async_handler_raises_ends_its_job_with_a_reason(
    bench: Bench, error: BaseException, reason: str
) -> None:
    """P12, B3, B22."""
    outcome = await bench.ends(lambda: throw(error))
    assert isinstance(outcome, Failed)
    assert outcome.reason == reason
    assert type(error).__name__ in outcome.stacktrace


@pytest.mark.parametrize(("error", "reason"), ENDINGS, ids=[reason for _, reason in ENDINGS])
async def test_whatever_a_plain_handler_raises_in_its_thread_ends_its_job_with_a_reason(
    bench: Bench, error: BaseException, reason: str
) -> None:
    """P12, B3, B14, B22."""

    @job("any", queue=QUEUE)
    def raises(payload: NoPayload, ctx: Context[None]) -> None:
        raise error

    outcome = await bench.run(raises)
    assert isinstance(outcome, Failed)
    assert outcome.reason == reason
    assert "in raises" in outcome.stacktrace


async def test_stop_iteration_ends_its_job_in_a_coroutine_and_in_a_thread(bench: Bench) -> None:
    """P12: a future refuses it, and `next(iter([]))` in a thread left its job running for ever."""

    @job("any", queue=QUEUE)
    def takes_the_next_of_nothing(payload: NoPayload, ctx: Context[None]) -> Any:
        return next(iter([]))

    async with asyncio.timeout(5):
        in_thread = await bench.run(takes_the_next_of_nothing)
    for outcome in (in_thread, await bench.ends(lambda: next(iter([])))):
        assert isinstance(outcome, Failed)
        assert outcome.reason == "RuntimeError: coroutine raised StopIteration"
        assert "next(iter([]))" in outcome.stacktrace


async def test_lone_surrogates_in_an_error_are_written_as_json_writes_them(bench: Bench) -> None:
    """B10."""
    outcome = await bench.ends(lambda: throw(ValueError("caf\udce9")))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "ValueError: caf\\udce9"
    assert outcome.stacktrace.endswith("ValueError: caf\\udce9\n")


async def test_a_megabyte_of_message_and_stack_is_cut_to_what_a_person_reads(bench: Bench) -> None:
    def sink(depth: int) -> NoReturn:
        if depth == 0:
            raise ValueError("m" * 1_000_000)
        try:
            sink(depth - 1)
        except ValueError as error:
            raise ValueError("n" * 10_000) from error

    outcome = await bench.ends(lambda: sink(100))
    assert isinstance(outcome, Failed)
    assert len(outcome.reason) == LONGEST_REASON
    assert outcome.reason.startswith("ValueError: nnn")
    assert len(outcome.stacktrace) < LONGEST_STACKTRACE + 100
    head, _, tail = outcome.stacktrace.partition(" characters …\n")
    assert head.startswith("Traceback (most recent call last):")
    assert tail.endswith("nnn\n")


async def test_the_stack_trace_begins_in_the_handler_and_names_where_it_broke(bench: Bench) -> None:
    def make_coffee() -> NoReturn:
        raise ValueError("no milk")

    outcome = await bench.ends(make_coffee)
    assert isinstance(outcome, Failed)
    lines = outcome.stacktrace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in does")
    assert lines[-1] == "ValueError: no milk"
    assert any(line.endswith("in make_coffee") for line in lines)
    assert "barback/executor.py" not in outcome.stacktrace


def test_no_error_is_described_by_nothing() -> None:
    """B22."""
    assert describe(Exception()) == "Exception()"
    assert describe(Unrecoverable()) == "Unrecoverable()"
    assert describe(Unrecoverable("the cafe is gone")) == "the cafe is gone"


# ── attempts ────────────────────────────────────────────────────────────────────────────────────────────


def broken_job(**declared: Any) -> AnyJob:
    @job("any", queue=QUEUE, **declared)
    async def breaks(payload: NoPayload, ctx: Context[None]) -> None:
        raise ValueError("no milk")

    return breaks


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, True), (3, False), (4, False)])
async def test_a_job_is_retried_until_its_attempts_are_used_up(bench: Bench, attempt: int, again: bool) -> None:
    """P7."""
    of = broken_job(attempts=3)
    outcome = await bench.run(of, fetch(of, attempt=attempt))
    assert isinstance(outcome, Retry if again else Failed)
    assert outcome.reason == "ValueError: no milk"
    assert "in breaks" in outcome.stacktrace


async def test_the_attempts_of_the_enqueue_win_over_those_declared(bench: Bench) -> None:
    of = broken_job(attempts=1)
    fetched = replace(fetch(of), options=JobOptions(attempts=2))
    assert isinstance(await bench.run(of, fetched), Retry)


async def test_unrecoverable_fails_at_once_whatever_attempts_are_left(bench: Bench) -> None:
    outcome = await bench.ends(lambda: throw(Unrecoverable("the cafe is gone")), attempts=9)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "the cafe is gone"


@pytest.mark.parametrize("attempt", [1, 2])
async def test_retry_later_runs_it_again_when_it_says_without_using_up_the_attempt(bench: Bench, attempt: int) -> None:
    """P7."""

    @job("any", queue=QUEUE, attempts=2, backoff=Fixed(60))
    async def waits(payload: NoPayload, ctx: Context[None]) -> None:
        raise RetryLater(1.5, "the city is locked")

    outcome = await bench.run(waits, fetch(waits, attempt=attempt))
    assert outcome == Retry(1.5, "the city is locked", uses_attempt=False)


@pytest.mark.parametrize(
    ("backoff", "attempt", "after_s"),
    [
        (None, 1, 0.0),
        (Fixed(4), 3, 4.0),
        (Fixed(4, jitter=0.5), 1, 3.0),
        (Exponential(2), 1, 2.0),
        (Exponential(2), 4, 16.0),
        (Exponential(2, longest_s=5), 4, 5.0),
        (Exponential(2, jitter=1.0), 4, 8.0),
        (Exponential(2, longest_s=600), 4999, 600.0),
        (Custom(lambda attempt, error: attempt * 10.0), 3, 30.0),
        (Custom(lambda attempt, error: 7 if "milk" in str(error) else 0, jitter=1.0), 1, 3.5),
        (UNDECLARED, 3, 8.0),
    ],
)
async def test_the_backoff_says_when_it_runs_again(bench: Bench, backoff: Any, attempt: int, after_s: float) -> None:
    """B22: jitter works. A strategy that nobody declares is `Exponential()`."""
    of = broken_job(attempts=5000, backoff=backoff)
    outcome = await bench.run(of, fetch(of, attempt=attempt))
    assert isinstance(outcome, Retry)
    assert outcome.after_s == pytest.approx(after_s)
    assert outcome.uses_attempt


async def test_a_strategy_that_is_only_named_in_redis_is_looked_up_in_the_declaration(bench: Bench) -> None:
    of = broken_job(attempts=5, backoff=Custom(lambda attempt, error: 42.0))
    outcome = await bench.run(of, replace(fetch(of), options=JobOptions(attempts=5, backoff=UNDECLARED)))
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 42.0


async def test_a_backoff_of_the_enqueue_wins_over_the_one_declared(bench: Bench) -> None:
    of = broken_job(attempts=5, backoff=Fixed(1))
    outcome = await bench.run(of, replace(fetch(of), options=JobOptions(attempts=5, backoff=Fixed(9))))
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 9.0


async def test_a_custom_backoff_may_end_the_job(bench: Bench) -> None:
    outcome = await bench.run(broken_job(attempts=5, backoff=Custom(lambda attempt, error: None)))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "ValueError: no milk"


def breaks_backoff(attempt: int, error: BaseException) -> float:
    raise ZeroDivisionError


def exits(attempt: int, error: BaseException) -> float:
    raise SystemExit


def soon(attempt: int, error: BaseException) -> Any:
    return "soon"


def not_a_number(attempt: int, error: BaseException) -> float:
    return float("nan")


def before(attempt: int, error: BaseException) -> float:
    return -1.0


@pytest.mark.parametrize("wait", [breaks_backoff, exits, soon, not_a_number, before])
async def test_a_backoff_that_breaks_fails_the_job_and_says_so_beside_the_jobs_own_error(
    bench: Bench, wait: Any
) -> None:
    """B10."""
    outcome = await bench.run(broken_job(attempts=5, backoff=Custom(wait)))
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("ValueError: no milk (and its backoff raised ")


@pytest.mark.parametrize(
    ("error", "again"), [(ConnectionError("reset"), True), (ValueError("no milk"), False), (BlockingIOError(), False)]
)
async def test_the_type_of_an_error_decides_whether_the_job_runs_again(
    bench: Bench, error: Exception, again: bool
) -> None:
    """On the loop and in a thread; for processes see `test_processes.py`."""

    @job("any", queue=QUEUE, attempts=9, retry_on=(OSError,), fail_on=(BlockingIOError,))
    async def on_the_loop(payload: NoPayload, ctx: Context[None]) -> None:
        raise error

    @job("any", queue=QUEUE, attempts=9, retry_on=(OSError,), fail_on=(BlockingIOError,))
    def in_a_thread(payload: NoPayload, ctx: Context[None]) -> None:
        raise error

    for of in (on_the_loop, in_a_thread):
        assert isinstance(await bench.run(of), Retry if again else Failed)


@pytest.mark.parametrize(("fail_on", "kind"), [((), Retry), ((TimeoutError,), Failed), ((OSError,), Failed)])
async def test_a_timeout_is_a_timeout_error_to_the_rule(bench: Bench, fail_on: Any, kind: type) -> None:
    @job("any", queue=QUEUE, attempts=9, timeout_s=0.01, fail_on=fail_on)
    async def sleeps(payload: NoPayload, ctx: Context[None]) -> None:
        await asyncio.sleep(30)

    assert isinstance(await bench.run(sleeps), kind)


async def test_a_group_that_holds_unrecoverable_fails_at_once(bench: Bench) -> None:
    """As of a `TaskGroup`, one of whose tasks saw that it cannot be done."""
    outcome = await bench.ends(lambda: throw(ExceptionGroup("two", [ValueError("a"), Unrecoverable("b")])), attempts=9)
    assert isinstance(outcome, Failed)


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_async_handler_that_takes_too_long_is_cancelled_and_says_how_long_it_had(bench: Bench) -> None:
    ended: list[str] = []

    @job("any", queue=QUEUE, attempts=2, timeout_s=0.05)
    async def sleeps(payload: NoPayload, ctx: Context[None]) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cleaned up")

    outcome = await bench.run(sleeps)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "TimeoutError: it took longer than its timeout of 0.05 s"
    assert "asyncio.sleep(30)" in outcome.stacktrace
    assert ended == ["cleaned up"]


async def test_a_plain_handler_that_takes_too_long_is_told_and_its_job_goes_on_without_it(bench: Bench) -> None:
    ended = threading.Event()

    @job("any", queue=QUEUE, timeout_s=0.05)
    def works(payload: NoPayload, ctx: Context[None]) -> None:
        while not ctx.cancelled.is_set():
            time.sleep(0.001)
        ended.set()

    outcome = await bench.run(works)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "TimeoutError: it took longer than its timeout of 0.05 s"
    assert ended.wait(5)


async def test_a_plain_handler_that_obeys_has_ended_before_its_job_can_be_retried(bench: Bench) -> None:
    ended = threading.Event()

    @job("any", queue=QUEUE, attempts=2, timeout_s=0.05)
    def works(payload: NoPayload, ctx: Context[None]) -> None:
        while not ctx.cancelled.is_set():
            time.sleep(0.001)
        time.sleep(0.05)
        ended.set()

    outcome = await bench.run(works)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "TimeoutError: it took longer than its timeout of 0.05 s"
    assert ended.is_set()


async def test_what_a_plain_handler_raises_when_it_is_told_to_end_is_what_counts(bench: Bench) -> None:
    @job("any", queue=QUEUE, attempts=2, timeout_s=0.05)
    def gives_up(payload: NoPayload, ctx: Context[None]) -> None:
        while not ctx.cancelled.is_set():
            time.sleep(0.001)
        raise Unrecoverable("no broom")

    outcome = await bench.run(gives_up)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "no broom"


async def test_a_plain_handler_that_does_not_obey_holds_its_job_for_a_moment_only(bench: Bench) -> None:
    go = threading.Event()

    @job("any", queue=QUEUE, timeout_s=0.05)
    def ignores(payload: NoPayload, ctx: Context[None]) -> None:
        go.wait(30)

    began = time.monotonic()
    outcome = await bench.run(ignores)
    assert OBEY_S <= time.monotonic() - began < 5
    go.set()
    assert isinstance(outcome, Failed)
    assert outcome.reason == "TimeoutError: it took longer than its timeout of 0.05 s"


async def test_a_plain_handler_that_found_no_thread_in_time_never_runs(bench: Bench) -> None:
    go, ran = threading.Event(), threading.Event()
    blockers = [bench.threads.submit(go.wait, 30) for _ in range(2)]

    @job("any", queue=QUEUE, timeout_s=0.05)
    def late(payload: NoPayload, ctx: Context[None]) -> None:
        ran.set()

    outcome = await bench.run(late)
    go.set()
    assert isinstance(outcome, Failed)
    assert all(blocker.result(5) for blocker in blockers)
    bench.threads.shutdown()
    assert not ran.is_set()


async def test_a_thread_that_is_left_behind_is_told_once_with_the_name_of_its_job(
    bench: Bench, log_output: list[dict[str, Any]]
) -> None:
    go = threading.Event()

    @job("any", queue=QUEUE, timeout_s=0.05)
    def ignores(payload: NoPayload, ctx: Context[None]) -> None:
        go.wait(30)

    await bench.run(ignores)
    go.set()
    [told] = [line for line in log_output if line["event"].startswith("thread left behind")]
    assert (told["job"], told["job_id"], told["left_behind"], told["log_level"]) == ("any", "7", 1, "warning")


async def test_stuck_threads_do_not_keep_other_plain_jobs_from_running(bench: Bench) -> None:
    go = threading.Event()
    bench.threads = make_threads(1)

    @job("any", queue=QUEUE, timeout_s=0.05)
    def sticks(payload: NoPayload, ctx: Context[None]) -> None:
        go.wait(30)

    @job("any", queue=QUEUE, timeout_s=5)
    def runs(payload: NoPayload, ctx: Context[None]) -> str:
        return "ran"

    try:
        for _ in range(3):
            await bench.run(sticks)
        assert await bench.run(runs) == Completed('"ran"')
    finally:
        go.set()
        bench.threads.shutdown()


async def test_what_a_handler_raises_while_it_is_cancelled_is_what_counts(bench: Bench) -> None:
    @job("any", queue=QUEUE, timeout_s=0.01)
    async def cleans_up_badly(payload: NoPayload, ctx: Context[None]) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            raise ValueError("no broom")

    outcome = await bench.run(cleans_up_badly)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "ValueError: no broom"


async def test_a_timeout_inside_a_handler_is_its_own(bench: Bench) -> None:
    @job("any", queue=QUEUE, timeout_s=30)
    async def gives_up(payload: NoPayload, ctx: Context[None]) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)

    outcome = await bench.run(gives_up)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "TimeoutError()"


async def test_a_handler_that_catches_its_own_cancellation_goes_on(bench: Bench) -> None:
    @job("any", queue=QUEUE)
    async def insists(payload: NoPayload, ctx: Context[None]) -> str:
        mine = asyncio.current_task()
        assert mine is not None
        mine.cancel()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            mine.uncancel()
        return "done"

    assert await bench.run(insists) == Completed('"done"')


# ── what the handler is given ───────────────────────────────────────────────────────────────────────────


async def test_a_handler_is_given_its_payload_and_its_context(bench: Bench) -> None:
    seen: list[tuple[ProcessCafe, Context[str]]] = []

    @job("process-cafe", queue=QUEUE, attempts=3)
    async def process(payload: ProcessCafe, ctx: Context[str]) -> None:
        seen.append((payload, ctx))

    await bench.run(process, fetch(process, '{"cafeId": 5, "note": null}', attempt=2))
    [(payload, ctx)] = seen
    assert payload == ProcessCafe(cafe_id=5)
    assert (ctx.services, ctx.job_id, ctx.job_name, ctx.queue) == ("services", "7", "process-cafe", QUEUE)
    assert (ctx.attempt, ctx.attempts, ctx.starts) == (2, 3, 2)


async def test_a_plain_def_runs_in_a_thread_with_the_same_context(bench: Bench) -> None:
    """B14."""

    @job("any", queue=QUEUE)
    def plain(payload: NoPayload, ctx: Context[str]) -> list[Any]:
        return [
            ctx.services,
            ctx.attempt,
            ctx.cancelled.is_set(),
            threading.current_thread() is threading.main_thread(),
        ]

    assert await bench.run(plain) == Completed('["services",1,false,false]')


async def test_the_loop_goes_on_while_a_plain_handler_blocks_its_thread(bench: Bench) -> None:
    """B11."""
    go = threading.Event()

    @job("any", queue=QUEUE)
    def blocks(payload: NoPayload, ctx: Context[None]) -> bool:
        return go.wait(5)

    running = asyncio.create_task(bench.run(blocks))
    await asyncio.sleep(0)
    go.set()
    assert await running == Completed("true")


async def test_an_attempt_that_has_ended_is_cancelled_for_whoever_still_looks(bench: Bench) -> None:
    await bench.ends(lambda: None)
    assert bench.contexts[0].cancelled.is_set()


async def test_an_async_handler_behind_a_plain_one_is_awaited(bench: Bench) -> None:
    @job("any", queue=QUEUE)
    def wraps(payload: NoPayload, ctx: Context[None]) -> Awaitable[str]:
        async def inner() -> str:
            return "awaited"

        return inner()

    assert await bench.run(wraps) == Completed('"awaited"')


# ── what is refused without running ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def never_runs() -> AnyJob:
    @job("process-cafe", queue=QUEUE, attempts=9)
    async def process(payload: ProcessCafe, ctx: Context[None]) -> None:
        pytest.fail("it ran")

    return process


async def test_an_unknown_name_fails_once_and_says_what_was_probably_meant(bench: Bench, never_runs: AnyJob) -> None:
    """P11."""
    outcome = await bench.run(never_runs, fetch(never_runs, name="proces-cafe"))
    assert outcome == Failed(
        "No job named 'proces-cafe' is registered in queue 'cafe-processing'. Did you mean 'process-cafe'?"
    )


async def test_a_job_of_another_queue_is_unknown_in_this_one(bench: Bench, never_runs: AnyJob) -> None:
    """P11."""
    outcome = await bench.run(never_runs, replace(fetch(never_runs), queue="cron-jobs"))
    assert outcome == Failed("No job named 'process-cafe' is registered in queue 'cron-jobs'. None is registered.")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            '{"cafeId": "x", "nte": 1}',
            ["cafeId: Input should be a valid integer", "nte: Extra inputs are not permitted"],
        ),
        ("{}", ["cafeId: Field required"]),
        ("not json", ["Invalid JSON"]),
        ("", ["Invalid JSON"]),
        ('{"cafeId": 1, "note": "\\ud83d"}', ["Invalid JSON"]),
        ("[" * 100_000, ["Invalid JSON"]),
        ("[1]", ["Input should be an object"]),
    ],
)
async def test_a_payload_that_does_not_fit_fails_once_and_names_each_field(
    bench: Bench, never_runs: AnyJob, data: str, told: list[str]
) -> None:
    """P11."""
    outcome = await bench.run(never_runs, fetch(never_runs, data))
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("Payload of 'process-cafe' does not fit: ")
    assert all(line in outcome.reason for line in told)
    assert len(outcome.reason) <= LONGEST_REASON


class Picky(Payload, frozen=True):
    city: str

    @field_validator("city")
    @classmethod
    def known(cls, value: str) -> str:
        return {"Berlin": "Berlin"}[value]


async def test_a_payload_whose_own_check_breaks_fails_once_too(bench: Bench) -> None:
    """P11, P12: pydantic lets through what a validator raises besides ValueError."""

    @job("any", queue=QUEUE, attempts=9)
    async def never(payload: Picky, ctx: Context[None]) -> None:
        pytest.fail("it ran")

    outcome = await bench.run(never, fetch(never, '{"city": "Atlantis"}'))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "Payload of 'any' does not fit: KeyError: 'Atlantis'"


async def test_a_job_that_cannot_be_read_fails_with_the_reason(bench: Bench, never_runs: AnyJob) -> None:
    """P11."""
    unreadable = replace(fetch(never_runs), unreadable="Job cannot be read: KeyError: 'data'")
    assert await bench.run(never_runs, unreadable) == Failed("Job cannot be read: KeyError: 'data'")


@pytest.mark.parametrize(
    ("stalls", "reason"),
    [(0, "child 3 failed"), (4, "It was found active without a lock, 4 times: child 3 failed")],
)
async def test_a_job_that_the_broker_wants_failed_fails_without_running(
    bench: Bench, never_runs: AnyJob, stalls: int, reason: str
) -> None:
    """P8."""
    deferred = replace(fetch(never_runs), deferred_failure="child 3 failed", stalls=stalls)
    assert await bench.run(never_runs, deferred) == Failed(reason)


async def test_an_empty_reason_to_fail_it_is_one_too(bench: Bench) -> None:
    @job("any", queue=QUEUE)
    async def never(payload: NoPayload, ctx: Context[None]) -> None:
        pytest.fail("it ran")

    assert await bench.run(never, replace(fetch(never), deferred_failure="")) == Failed("")


# ── taken back ──────────────────────────────────────────────────────────────────────────────────────────


async def take_back(bench: Bench, of: AnyJob, started: Callable[[], object]) -> Outcome:
    running = asyncio.create_task(bench.run(of))
    await until(started)
    bench.attempt.taken_back = True
    bench.attempt.cancelled.set()
    running.cancel()
    return await running


async def test_a_job_that_is_taken_back_is_handed_back(bench: Bench) -> None:
    """P9."""
    started: list[int] = []

    @job("any", queue=QUEUE)
    async def sleeps(payload: NoPayload, ctx: Context[None]) -> None:
        started.append(1)
        await asyncio.sleep(30)

    assert await take_back(bench, sleeps, lambda: started) == HandedBack()


@pytest.mark.parametrize(
    "error",
    [ValueError("no broom"), TimeoutError(), SystemExit(1), KeyboardInterrupt(), RetryLater(60), BrokerError("gone")],
    ids=repr,
)
async def test_a_job_is_handed_back_whatever_its_clean_up_raises(bench: Bench, error: BaseException) -> None:
    """P7, P9: a deploy is no failure of the job's own."""
    started: list[int] = []

    @job("any", queue=QUEUE)
    async def cleans_up_badly(payload: NoPayload, ctx: Context[None]) -> None:
        started.append(1)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            raise error from None

    assert await take_back(bench, cleans_up_badly, lambda: started) == HandedBack()


async def test_a_job_that_says_it_cannot_be_done_fails_although_it_is_taken_back(bench: Bench) -> None:
    started: list[int] = []

    @job("any", queue=QUEUE, attempts=9)
    async def gives_up(payload: NoPayload, ctx: Context[None]) -> None:
        started.append(1)
        try:
            await asyncio.sleep(30)
        finally:
            raise Unrecoverable("the cafe is gone")

    outcome = await take_back(bench, gives_up, lambda: started)
    assert isinstance(outcome, Failed)
    assert outcome.reason == "the cafe is gone"


async def test_a_job_that_finishes_although_it_is_taken_back_is_done(bench: Bench) -> None:
    started: list[int] = []

    @job("any", queue=QUEUE)
    async def finishes(payload: NoPayload, ctx: Context[None]) -> str:
        started.append(1)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "done"
        return "slept"

    assert await take_back(bench, finishes, lambda: started) == Completed('"done"')


async def test_a_plain_handler_that_is_taken_back_is_told_and_handed_back(bench: Bench) -> None:
    """P9."""
    started, told = threading.Event(), threading.Event()

    @job("any", queue=QUEUE)
    def works(payload: NoPayload, ctx: Context[None]) -> None:
        started.set()
        while not ctx.cancelled.is_set():
            time.sleep(0.001)
        told.set()

    assert await take_back(bench, works, started.is_set) == HandedBack()
    assert told.wait(5)


async def test_an_outage_of_the_broker_that_a_handler_meets_is_no_failure_of_its_own(bench: Bench) -> None:
    """P7, P20: `ctx.enqueue` and the like raise it."""

    @job("any", queue=QUEUE)
    async def enqueues(payload: NoPayload, ctx: Context[None]) -> None:
        raise BrokerUnavailable("gone for lunch")

    assert await bench.run(enqueues) == Retry(OUTAGE_RETRY_S, "gone for lunch", uses_attempt=False)


async def test_a_job_that_is_cancelled_fails_with_the_reason_whatever_it_raises_then(bench: Bench) -> None:
    started = asyncio.Event()

    @job("any", queue=QUEUE, attempts=5)
    async def waits(payload: NoPayload, ctx: Context[None]) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("no broom") from None

    bench.attempt.cancel_reason = "wrong city"
    running = asyncio.create_task(bench.run(waits))
    await started.wait()
    running.cancel()
    assert await running == Failed("Cancelled: wrong city")


async def test_the_start_of_a_process_is_no_part_of_the_time_after_which_a_lock_is_given_up(bench: Bench) -> None:
    """P10: many that start at once on few cores take longer than a short timeout and the grace."""

    @job("loop", queue=QUEUE, timeout_s=2.0)
    async def in_loop(payload: NoPayload, ctx: Context[None]) -> None: ...

    @job("endless", queue=QUEUE)
    async def endless(payload: NoPayload, ctx: Context[None]) -> None: ...

    in_process = replace(in_loop, name="process", runs_in="process")
    processes = Processes(Registry([in_loop]))
    executor = Executor(Registry([in_loop, endless, in_process]), bench._context, bench.threads, processes=processes)
    assert [executor.longest_s(fetch(of)) for of in (in_loop, in_process, endless)] == [2.0, 2.0 + START_S, None]
