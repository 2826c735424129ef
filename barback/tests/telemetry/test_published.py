"""What is published of an app, and that nothing else is."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, Field, SecretStr

from barback.app import App, no_services
from barback.control.published import options_of
from barback.job import AnyJob, Context, job
from barback.masking import Secret
from barback.options import Retention
from barback.payload import NoPayload, Payload
from barback.retry import Custom, Exponential, Fixed
from barback.schedule import Schedule
from barback.telemetry.published import PublishedApp, PublishedSchedule, decode_app, publish


class Invoice(Payload, frozen=True):
    order_id: int
    api_token: Annotated[str, Secret()] = Field("canary", alias="token")
    password: SecretStr = SecretStr("canary")


class Strange(Payload, frozen=True, arbitrary_types_allowed=True):
    call: Callable[[], None]


class SeveralNames(Payload, frozen=True):
    token: Annotated[str, Secret()] = Field(validation_alias=AliasChoices("one", "two"))


def job_of(kind: Any, **options: Any) -> AnyJob:
    async def handler(payload: Any, ctx: Context[None]) -> None: ...

    handler.__annotations__["payload"] = kind
    return job(f"any-{kind.__name__}".lower(), queue="q", **options)(handler)


def app_of(*jobs: AnyJob, schedules: tuple[Schedule, ...] = ()) -> App[None]:
    return App(jobs=jobs, services=no_services, schedules=schedules, name="shop")


def test_jobs_are_told_with_their_schema_as_it_is_on_the_wire() -> None:
    [told] = publish(app_of(job_of(Invoice, priority=3, attempts=5, timeout_s=60)), "1", 7.0).jobs
    assert (told.name, told.queue, told.priority, told.attempts, told.timeout_s) == ("any-invoice", "q", 3, 5, 60)
    assert told.schema is not None
    assert list(told.schema["properties"]) == ["orderId", "token", "password"]
    assert told.schema["required"] == ["orderId"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"backoff": Fixed(3.0, 0.5)},
        {"backoff": Exponential(1.0, jitter=0.1), "keep_failed": Retention(count=3), "lifo": True},
        {"backoff": Exponential(1.0, inf)},
    ],
)
def test_its_options_are_told(options: Any) -> None:
    declared = job_of(Invoice, **options)
    [told] = read(app_of(declared)).jobs
    assert (told.options, told.custom_backoff) == (declared.options, False)


def test_of_a_backoff_of_the_apps_own_it_is_told_that_there_is_one() -> None:
    [told] = read(app_of(job_of(Invoice, backoff=Custom(lambda attempt, error: 1.0)))).jobs
    assert (told.options.backoff, told.custom_backoff) == (None, True)
    assert isinstance(options_of(told).backoff, Custom)


def read(app: App[None]) -> PublishedApp:
    """As another process reads it."""
    decoded = decode_app(publish(app, "1", 7.0).encode())
    assert decoded is not None
    return decoded


def test_secret_fields_are_told_under_each_name_they_may_have_and_without_their_defaults() -> None:
    published = publish(app_of(job_of(Invoice)), "1", 7.0)
    assert published.jobs[0].secret == (("api_token",), ("password",), ("token",))
    assert "canary" not in published.encode()


@pytest.mark.parametrize("kind", [Strange, SeveralNames])
def test_of_a_payload_whose_secrets_cannot_be_placed_all_is_secret(kind: type[Payload]) -> None:
    [told] = publish(app_of(job_of(kind)), "1", 7.0).jobs
    assert told.secret == ((),)


def test_schedules_are_told_with_their_times_and_without_their_payload() -> None:
    nightly = job_of(Invoice)
    schedule = Schedule(
        "nightly", nightly, "0 3 * * *", tz="Europe/Berlin", payload=Invoice(order_id=1, token="canary"),
        start=datetime(2026, 1, 1, tzinfo=UTC), missed="all", overlap="skip",
    )  # fmt: skip
    published = publish(app_of(nightly, schedules=(schedule,)), "1", 7.0)
    assert published.schedules == (
        PublishedSchedule(
            "nightly", "q", "any-invoice", "0 3 * * *", tz="Europe/Berlin", start_at=1767225600.0,
            missed="all", overlap="skip",
        ),
    )  # fmt: skip
    assert "canary" not in published.encode()


def test_what_is_published_is_read_as_it_was_written() -> None:
    any_job = job_of(Invoice)
    published = publish(app_of(any_job, job_of(NoPayload)), "1.10", 7.0)
    assert decode_app(published.encode()) == published


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 1}', '{"name": "a", "release": "1", "at": "x"}'])
def test_rubbish_is_no_app(text: str) -> None:
    assert decode_app(text) is None
