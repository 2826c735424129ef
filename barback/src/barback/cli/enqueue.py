"""`barback enqueue`: one job, checked by its schema before anything is sent."""

import asyncio
import json
from typing import Any, NoReturn, cast

import click

from barback.answers import Answer, Created
from barback.broker import Broker
from barback.cli.durations import Duration
from barback.cli.invocation import Invocation
from barback.cli.printing import shorten
from barback.connect import open_broker
from barback.errors import BrokerUnavailable, InvalidPayload, UsageError
from barback.job import AnyJob
from barback.options import Overrides
from barback.payload import Payload, parse_payload
from barback.payload_limits import PayloadLimits, refuse_depth
from barback.printable import printable
from barback.producer import Producer, new_job
from barback.settings import Settings

WAIT_POLL_S = 0.1


@click.command()
@click.argument("job_name", metavar="JOB")
@click.argument("payload_text", metavar="[PAYLOAD]", default="{}")
@click.option("--delay", "delay_s", type=Duration(), help="Run it later: 5, 5s, 10m, 2h.")
@click.option("--priority", type=int, help="A lower number runs first; without one it runs before all that have one.")
@click.option("--job-id", metavar="ID", help="An id of your own; a kept job of that id swallows this one.")
@click.option("--attempts", type=int, help="How often it may run, in total.")
@click.option("--wait", is_flag=True, help="Wait until it has ended; exit 1 if it failed.")
@click.pass_obj
def enqueue(invocation: Invocation, job_name: str, payload_text: str, *, wait: bool, **given: Any) -> None:
    """Enqueue JOB with PAYLOAD, its fields as JSON: '{"citySlug": "leipzig"}'.

    Goes to REDIS_URL, else to this project's running `barback dev`. Prints `created ID`, or `swallowed by ID (state)`.
    """
    job = invocation.app.registry.find(job_name)
    payload = _parse(job, payload_text)
    # The options bear the names of `Overrides`; None is one that was not given.
    overrides = cast("Overrides", {name: value for name, value in given.items() if value is not None})
    new_job(job, payload, overrides, invocation.settings.payload_limits)  # What is wrong ends here, before it is sent.
    asyncio.run(_enqueue(invocation.settings_or_dev(), job, payload, overrides, wait))


async def _enqueue(settings: Settings, job: AnyJob, payload: Payload, overrides: Overrides, wait: bool) -> None:
    async with open_broker(settings) as broker:
        answer = await Producer(broker, settings.payload_limits)(job, payload, **overrides)
        click.echo(_say(answer))
        if wait:
            await _wait(broker, job.queue, answer.job_id if isinstance(answer, Created) else answer.by)


async def _wait(broker: Broker, queue: str, job_id: str) -> None:
    while not await _ended(broker, queue, job_id):  # noqa: ASYNC110 — nothing here could tell us
        await asyncio.sleep(WAIT_POLL_S)
    record = await broker.get(queue, job_id)
    if record is None:
        click.echo(f"job {printable(job_id)} is gone: nothing is kept of it", err=True)
        raise click.exceptions.Exit(1)
    if record.state == "failed":
        click.echo(f"failed: {shorten(record.failed_reason or '', 2_000)}", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"completed: {shorten(record.result or 'null', 100_000)}")


async def _ended(broker: Broker, queue: str, job_id: str) -> bool:
    try:
        return await broker.state(queue, job_id) in ("completed", "failed", "unknown")
    except BrokerUnavailable:
        # The job is durable, and its worker waits for Redis too (B2).
        return False


def _parse(job: AnyJob, text: str) -> Payload:
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The payload of '{job.name}' is not JSON: {error}. Got {text[:80]!r}.") from None
    refuse_depth(data, job.name, PayloadLimits())
    try:
        return parse_payload(job.payload_type, text, job.name)
    except InvalidPayload as error:
        fields = ", ".join(info.alias or name for name, info in job.payload_type.model_fields.items())
        raise InvalidPayload(job.name, [*error.fields, f"(its fields: {fields or 'none'})"]) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _say(answer: Answer) -> str:
    if isinstance(answer, Created):
        return f"created {printable(answer.job_id)}"
    return f"swallowed by {printable(answer.by)} ({answer.state})"
