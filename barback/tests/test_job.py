"""Declaring a job."""

import asyncio
import functools
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from pydantic import AliasChoices, Field, computed_field

from barback.app import App, no_services
from barback.errors import DeclarationError, InvalidOptions
from barback.job import Context, Job, Reply, job
from barback.memory import MemoryBroker
from barback.options import Deduplication, JobOptions, Retention
from barback.payload import NoPayload, Payload
from barback.retry import Custom, Exponential, RetryRule
from barback.schedule import Schedule
from barback.testing import make_context
from barback.worker import Worker


class Greet(Payload, frozen=True):
    first_name: str


@job(
    "greet",
    queue="greetings",
    priority=2,
    delay_s=1,
    attempts=3,
    backoff=Exponential(first_s=2),
    timeout_s=60,
    lifo=True,
    keep_completed=Retention(count=1),
    keep_failed=Retention(count=2),
    on_failure="ignore",
    deduplicate=Deduplication.throttle("greet", 5),
    keep_logs=7,
    keep_stacktraces=3,
)
async def greet(payload: Greet, ctx: Context[str]) -> str:
    return f"{ctx.services}, {payload.first_name}"


@job("greet-plainly", queue="greetings")
def greet_plainly(payload: Greet, ctx: Context[str]) -> str:
    return payload.first_name


def test_a_declaration_holds_all_that_was_said() -> None:
    assert (greet.name, greet.queue, greet.payload_type, greet.timeout_s) == ("greet", "greetings", Greet, 60)
    assert greet.options == JobOptions(
        priority=2,
        delay_s=1,
        attempts=3,
        backoff=Exponential(first_s=2),
        lifo=True,
        keep_completed=Retention(count=1),
        keep_failed=Retention(count=2),
        on_failure="ignore",
        deduplicate=Deduplication.throttle("greet", 5),
        keep_logs=7,
        keep_stacktraces=3,
    )
    assert repr(greet) == "<Job greet of greetings>"


def test_what_was_not_said_is_as_the_options_have_it() -> None:
    assert (greet_plainly.options, greet_plainly.timeout_s) == (JobOptions(), None)


def test_a_job_knows_whether_its_handler_is_async() -> None:
    assert (greet.is_async, greet_plainly.is_async) == (True, False)


async def test_a_job_is_callable_as_its_handler_is() -> None:
    ctx = make_context("Hello")
    assert await greet(Greet(first_name="Ada"), ctx) == "Hello, Ada"
    assert greet_plainly(Greet(first_name="Ada"), ctx) == "Ada"


# ── replies ─────────────────────────────────────────────────────────────────────────────────────────


async def answer() -> int:
    return 7


async def test_a_reply_is_awaited_as_any_coroutine() -> None:
    assert await Reply.to_await(answer()) == 7
    assert await asyncio.create_task(Reply.to_await(answer())) == 7
    assert await asyncio.gather(Reply.to_await(answer()), Reply.done(8)) == [7, 8]


async def test_a_reply_that_is_to_be_awaited_has_no_result_yet() -> None:
    reply = Reply.to_await(answer())
    with pytest.raises(RuntimeError, match="await it"):
        reply.result()
    assert await reply == 7


async def test_a_reply_that_is_awaited_can_be_cancelled_and_closed() -> None:
    async def sleeps() -> None:
        await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Reply.to_await(sleeps()), 0.01)
    Reply.to_await(sleeps()).close()


async def test_a_reply_that_is_done_gives_its_result_as_often_as_asked() -> None:
    reply = Reply.done(7)
    assert await reply == 7
    assert (reply.result(), reply.result()) == (7, 7)


# ── declarations ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["", "a:b", " a", "a ", "a\tb", "a\nb", "a\x1fb", "a\ud800"])
def test_a_name_that_cannot_be_a_part_of_a_key_is_refused(name: str) -> None:
    rule = "cannot be used: expected a text without ':', control characters, lone surrogates, or spaces at its ends."
    with pytest.raises(DeclarationError) as refusal:
        job(name, queue="q")
    assert str(refusal.value) == f"Job name {name!r} {rule}"
    with pytest.raises(DeclarationError) as refusal:
        job("j", queue=name)
    assert str(refusal.value) == f"Queue name {name!r} {rule}"


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_timeout_must_leave_some_time(timeout_s: float) -> None:
    with pytest.raises(DeclarationError, match="Job 'greet': timeout_s must be more than 0, got"):
        job("greet", queue="q", timeout_s=timeout_s)


def test_a_name_may_hold_spaces_and_a_timeout_be_a_part_of_a_second() -> None:
    declared = job("say hello ☕", queue="front desk", timeout_s=0.5)(greet.handler)
    assert (declared.name, declared.queue, declared.timeout_s) == ("say hello ☕", "front desk", 0.5)


def test_options_out_of_range_are_refused_where_the_job_is_declared() -> None:
    with pytest.raises(InvalidOptions, match="attempts: expected 1 or more, got 0"):
        job("greet", queue="q", attempts=0)


def declare(handler: Any) -> Job[Any, Any, Any]:
    return job("greet", queue="q")(handler)


def test_a_handler_takes_a_payload_and_a_context() -> None:
    async def one(payload: Greet) -> None: ...

    async def three(payload: Greet, ctx: Context[None], more: int) -> None: ...

    with pytest.raises(DeclarationError, match=r"Job 'greet': its handler must take \(payload, ctx\), not 1 param"):
        declare(one)
    with pytest.raises(DeclarationError, match=r"Job 'greet': its handler must take \(payload, ctx\), not 3 param"):
        declare(three)


def test_a_parameter_that_nothing_would_fill_is_named_though_it_has_a_default() -> None:
    async def more(payload: Greet, ctx: Context[None], retries: int = 3, *rest: int) -> None: ...

    async def any_number(*given: Any) -> None: ...

    with pytest.raises(DeclarationError) as refusal:
        declare(more)
    assert str(refusal.value) == (
        "Job 'greet': its handler must take (payload, ctx), not 4 parameters. "
        "Nothing would ever fill 'retries'. Nothing would ever fill 'rest'."
    )
    with pytest.raises(DeclarationError, match=r"must take \(payload, ctx\), not 1 param"):
        declare(any_number)


def test_both_parameters_are_filled_by_their_place() -> None:
    """Each of these raised TypeError at every attempt."""

    async def by_name(payload: Greet, *, ctx: Context[None]) -> None: ...

    async def rest(payload: Greet, *ctx: Context[None]) -> None: ...

    async def named_rest(payload: Greet, **ctx: Context[None]) -> None: ...

    async def by_place(payload: Greet, ctx: Context[None], /) -> None: ...

    called = r"Job 'greet': its handler is called as handler\(payload, ctx\), which cannot fill "
    for handler, parameter in ((by_name, "'ctx"), (rest, r"'\*ctx"), (named_rest, r"'\*\*ctx")):
        with pytest.raises(DeclarationError, match=called + parameter):
            declare(handler)
    assert declare(by_place).handler is by_place


class Greeter:
    async def __call__(self, payload: Greet, ctx: Context[None]) -> None: ...

    async def greet(self, payload: Greet, ctx: Context[None]) -> None: ...


def test_what_is_not_a_function_is_refused() -> None:
    """An async `__call__` would run in a thread, and its coroutine never."""
    rule = r"Job 'greet': expected a function \(def or async def\) as its handler, got .*Write a function that calls it"
    for handler in (functools.partial(greet.handler), Greeter(), Greeter, greet, print):
        with pytest.raises(DeclarationError, match=rule):
            declare(handler)
    assert declare(Greeter().greet).is_async


def test_a_function_that_yields_is_refused() -> None:
    async def one_by_one(payload: Greet, ctx: Context[None]) -> AsyncGenerator[int]:
        yield 1

    def one_by_one_in_a_thread(payload: Greet, ctx: Context[None]) -> Generator[int]:
        yield 1

    for handler in (one_by_one, one_by_one_in_a_thread):
        with pytest.raises(DeclarationError, match="its handler yields, and would never run"):
            declare(handler)


def test_a_payload_must_be_a_payload() -> None:
    async def of_a_dict(payload: dict[str, Any], ctx: Context[None]) -> None: ...

    async def of_nothing(payload, ctx) -> None: ...  # type: ignore[no-untyped-def] # pyright: ignore

    message = r"Job 'greet': 'payload' must be annotated with a subclass of barback.Payload, got"
    with pytest.raises(DeclarationError, match=message + r" dict\[str, typing.Any\]\."):
        declare(of_a_dict)
    with pytest.raises(DeclarationError, match=message + r" None\."):
        declare(of_nothing)


def test_a_type_that_is_not_defined_is_named() -> None:
    async def handler(payload: "Nowhere", ctx: Context[None]) -> None: ...  # type: ignore # noqa: F821

    with pytest.raises(DeclarationError, match="a type in its handler's signature is not defined: name 'Nowhere'"):
        declare(handler)


# ── where it runs ───────────────────────────────────────────────────────────────────────────────────


async def an_async_def(payload: NoPayload, ctx: Context[None]) -> None: ...


def a_plain_def(payload: NoPayload, ctx: Context[None]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "said", "place"),
    [
        (an_async_def, None, "loop"),
        (an_async_def, "loop", "loop"),
        (a_plain_def, None, "thread"),
        (a_plain_def, "thread", "thread"),
        (a_plain_def, "process", "process"),
    ],
)
def test_a_handler_runs_where_it_can(handler: Any, said: Any, place: str) -> None:
    assert job("greet", queue="q", runs_in=said)(handler).runs_in == place


@pytest.mark.parametrize(
    ("handler", "said", "why"),
    [
        (an_async_def, "thread", "an async def runs in 'loop', not in 'thread'."),
        (an_async_def, "process", "an async def runs in 'loop', not in 'process'."),
        (a_plain_def, "loop", "a plain def runs in 'thread' or 'process', not in 'loop'."),
        (a_plain_def, "moon", "runs_in must be 'loop', 'thread' or 'process', got 'moon'."),
    ],
)
def test_a_handler_that_cannot_run_there_is_refused(handler: Any, said: Any, why: str) -> None:
    with pytest.raises(DeclarationError) as refusal:
        job("greet", queue="q", runs_in=said)(handler)
    assert str(refusal.value) == f"Job 'greet': {why}"


def test_a_handler_that_wants_services_cannot_run_in_a_process() -> None:
    def wants(payload: NoPayload, ctx: Context[str]) -> None: ...

    def takes_any(payload: NoPayload, ctx: Context[Any]) -> None: ...

    def says_nothing(payload: NoPayload, ctx) -> None: ...  # type: ignore[no-untyped-def] # pyright: ignore

    with pytest.raises(DeclarationError) as refusal:
        job("greet", queue="q", runs_in="process")(wants)
    assert str(refusal.value) == (
        "Job 'greet': it runs in a process, where there are no services. Annotate its context as Context[None], "
        "and open in the handler what it needs."
    )
    both: list[Any] = [takes_any, says_nothing]
    for fine in both:
        assert job("greet", queue="q", runs_in="process")(fine).runs_in == "process"


def test_which_errors_are_worth_a_retry_is_declared_and_checked() -> None:
    declared = job("greet", queue="q", retry_on=(OSError,), fail_on=(FileNotFoundError,))(a_plain_def)
    assert declared.retry_rule == RetryRule((OSError,), (FileNotFoundError,))
    assert greet.retry_rule == RetryRule()
    with pytest.raises(InvalidOptions, match="retry_on: expected a tuple"):
        job("greet", queue="q", retry_on=OSError)  # type: ignore[arg-type] # pyright: ignore


# ── payloads ────────────────────────────────────────────────────────────────────────────────────────


def test_a_payload_is_snake_case_here_and_camel_case_on_the_wire() -> None:
    assert Greet(first_name="Ada").model_dump_json() == '{"firstName":"Ada"}'
    assert Greet.model_validate_json('{"firstName": "Ada"}') == Greet(first_name="Ada")
    assert Greet.model_validate_json('{"first_name": "Ada"}') == Greet(first_name="Ada")


def test_a_payload_refuses_fields_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Greet.model_validate_json('{"firstName": "Ada", "lastName": "Lovelace"}')


def test_a_payload_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Greet(first_name="Ada").first_name = "Eve"  # type: ignore[misc] # pyright: ignore


def test_a_payload_is_not_unique_unless_it_says_so() -> None:
    assert Greet(first_name="Ada").unique() is None
    assert NoPayload().model_dump_json() == "{}"


# ── for TypeScript too ──────────────────────────────────────────────────────────────────────────────────


class ByCity(Payload, frozen=True):
    unique_by = ("city_slug", "count")

    city_slug: str | None = None
    count: int = 0
    note: str = ""


def test_the_fields_that_make_a_job_unique_make_its_key_as_javascript_would_write_it() -> None:
    """P4, P28."""
    assert ByCity(note="x").unique() == "[null,0]"
    assert ByCity(city_slug='köln "\n\x01\u2028', count=7).unique() == '["köln \\"\\n\\u0001\u2028",7]'


def test_a_field_that_makes_it_unique_must_be_there() -> None:
    class Misspelt(Payload, frozen=True):
        unique_by = ("city_slg",)

        city_slug: str

    async def handler(payload: Misspelt, ctx: Context[None]) -> None: ...

    with pytest.raises(
        DeclarationError, match=r"Misspelt\.unique_by names no field 'city_slg'\. Did you mean 'city_slug'"
    ):
        job("any", queue="q")(handler)


class Computed(Payload, frozen=True):
    x: int = 1

    @computed_field
    @property
    def twice(self) -> int:
        return 2 * self.x


class WrittenOtherwise(Payload, frozen=True):
    x: int = Field(1, validation_alias="read", serialization_alias="written")


class Hidden(Payload, frozen=True):
    unique_by = ("x",)

    x: int = Field(1, exclude=True)


class NoTuple(Payload, frozen=True):
    unique_by = "city"  # type: ignore[assignment]

    city: str


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Computed, "Computed.twice is a computed field: written, and refused where it is read."),
        (WrittenOtherwise, "WrittenOtherwise.x is written as 'written', and not read by that name."),
        (Hidden, "Hidden.unique_by names 'x', which is excluded"),
        (NoTuple, r"NoTuple.unique_by must be a tuple of names: \('city',\)"),
    ],
)
def test_a_payload_that_could_not_be_read_again_is_refused(kind: type[Payload], said: str) -> None:
    async def handler(payload: Payload, ctx: Context[None]) -> None: ...

    handler.__annotations__["payload"] = kind
    with pytest.raises(DeclarationError, match=said):
        job("any", queue="q")(handler)


def test_a_field_with_several_names_may_be_written_by_one_of_them() -> None:
    class Renamed(Payload, frozen=True):
        city_slug: str = Field(validation_alias=AliasChoices("citySlug", "city"))

    async def handler(payload: Renamed, ctx: Context[None]) -> None: ...

    assert job("any", queue="q")(handler).payload_type is Renamed


def test_a_former_name_alone_is_no_tuple_of_them() -> None:
    with pytest.raises(DeclarationError, match=r"former_names must be a tuple of names: \('old',\)"):
        job("any", queue="q", former_names="old")  # type: ignore[arg-type]


def test_what_the_worker_in_typescript_decides_cannot_be_said_of_an_external_job() -> None:
    """P28."""
    for options in ({"timeout_s": 1.0}, {"runs_in": "loop"}, {"backoff": Custom(lambda attempt, error: 1.0)}):
        with pytest.raises(DeclarationError, match="Job 'any' is external: the worker in TypeScript decides"):
            job("any", queue="q", external=True, **options)  # type: ignore[arg-type]


def test_an_app_of_external_jobs_alone_has_nothing_to_work_and_they_have_no_schedule() -> None:
    """P28."""

    @job("any", queue="q", external=True)
    async def outside(payload: NoPayload, ctx: Context[None]) -> None: ...

    with pytest.raises(DeclarationError, match="App 'app' has no queue that Python works"):
        Worker(App([outside], no_services), MemoryBroker())
    with pytest.raises(DeclarationError, match="Schedule 's': its job 'any' is external"):
        App([outside], no_services, schedules=(Schedule("s", outside, "0 3 * * *", "UTC", NoPayload()),))
