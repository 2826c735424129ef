"""What is published of an app, and that nothing else is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, Field, SecretStr

from barback.app import App, no_services
from barback.job import AnyJob, Context, job
from barback.masking import Secret
from barback.payload import NoPayload, Payload
from barback.schedule import Schedule
from barback.telemetry.published import PublishedSchedule, decode_app, publish


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
