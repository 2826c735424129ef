"""`barback jobs`: look at queues and jobs, and put right what went wrong."""

from typing import Any

import click

from barback.app import AnyApp
from barback.broker import LISTED_STATES, Broker, JobRecord, ListedState
from barback.cli.asking import ask, say_done
from barback.cli.invocation import Invocation
from barback.cli.job_details import as_facts, as_json, without_secrets
from barback.cli.printing import moment, print_facts, print_json, print_table, shorten
from barback.errors import UsageError

json_option = click.option("--json", "as_json_", is_flag=True, help="One JSON document, for machines.")
queue_argument = click.argument("queue")
id_argument = click.argument("job_id", metavar="ID")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def jobs(context: click.Context, as_json_: bool) -> None:
    """Look at the queues and their jobs; without a command: how many are in which state."""
    if context.invoked_subcommand is None:
        context.invoke(counts, as_json_=as_json_)


@jobs.command()
@json_option
@click.pass_obj
def counts(invocation: Invocation, as_json_: bool) -> None:
    """How many jobs are in which state, by queue."""
    found = ask(invocation, lambda broker: _counts(broker, invocation.app))
    if as_json_:
        print_json({"queues": found})
        return
    rows = [[_name(queue), *(queue["counts"][state] for state in LISTED_STATES)] for queue in found]
    print_table(["queue", *LISTED_STATES], rows)


@jobs.command("list")
@queue_argument
@click.option("--state", type=click.Choice(LISTED_STATES), default="waiting", show_default=True)
@click.option("--start", type=click.IntRange(0), default=0, help="Leave out so many.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True)
@json_option
@click.pass_obj
def list_(invocation: Invocation, queue: str, state: ListedState, start: int, limit: int, as_json_: bool) -> None:
    """Jobs of QUEUE in one state, in the order in which they will run; finished ones newest first."""
    _check(invocation, queue)
    stored = ask(invocation, lambda broker: broker.list_jobs(queue, state, start, limit))
    records = [without_secrets(record, invocation.app) for record in stored]
    if as_json_:
        print_json([as_json(record) for record in records])
    elif records:
        print_table(["id", "name", "added", "attempts", "payload", "reason"], [_row(record) for record in records])
    else:
        click.echo(f"no {state} jobs in {queue}")


@jobs.command()
@queue_argument
@id_argument
@json_option
@click.pass_obj
def show(invocation: Invocation, queue: str, job_id: str, as_json_: bool) -> None:
    """Everything that is kept of one job: payload, options, attempts, error, logs."""
    _check(invocation, queue)

    async def look(broker: Broker) -> tuple[JobRecord | None, list[str]]:
        return await broker.get(queue, job_id), await broker.logs(queue, job_id)

    record, logs = ask(invocation, look)
    if record is None:
        raise UsageError(f"No job {job_id!r} in queue '{queue}'.")
    record = without_secrets(record, invocation.app)
    if as_json_:
        print_json({**as_json(record), "logs": logs})
    else:
        print_facts(as_facts(record, logs))


@jobs.command()
@queue_argument
@id_argument
@json_option
@click.pass_obj
def retry(invocation: Invocation, queue: str, job_id: str, as_json_: bool) -> None:
    """Put a failed or completed job back to waiting, its attempts counted anew."""
    _check(invocation, queue)
    ask(invocation, lambda broker: broker.retry(queue, job_id))
    say_done(f"job {job_id} waits again", {"retried": job_id}, as_json_)


@jobs.command()
@queue_argument
@id_argument
@json_option
@click.pass_obj
def remove(invocation: Invocation, queue: str, job_id: str, as_json_: bool) -> None:
    """Remove a job that does not run."""
    _check(invocation, queue)
    if not ask(invocation, lambda broker: broker.remove(queue, job_id)):
        raise UsageError(f"No job {job_id!r} in queue '{queue}'.")
    say_done(f"job {job_id} is removed", {"removed": job_id}, as_json_)


@jobs.command()
@queue_argument
@id_argument
@json_option
@click.pass_obj
def promote(invocation: Invocation, queue: str, job_id: str, as_json_: bool) -> None:
    """Run a delayed job now."""
    _check(invocation, queue)
    ask(invocation, lambda broker: broker.promote(queue, job_id))
    say_done(f"job {job_id} is no longer delayed", {"promoted": job_id}, as_json_)


@jobs.command()
@queue_argument
@id_argument
@click.option("--reason", default="by hand", show_default=True, help="What the failed job says of it.")
@json_option
@click.pass_obj
def cancel(invocation: Invocation, queue: str, job_id: str, reason: str, as_json_: bool) -> None:
    """End a job that runs: it fails, without retries. Its worker hears of it within a third of its lock (3.3 s)."""
    _check(invocation, queue)
    ask(invocation, lambda broker: broker.cancel(queue, job_id, reason))
    say_done(f"job {job_id} will be cancelled", {"cancelled": job_id}, as_json_)


@jobs.command()
@queue_argument
@json_option
@click.pass_obj
def pause(invocation: Invocation, queue: str, as_json_: bool) -> None:
    """Let no worker start jobs of QUEUE; those that run go on."""
    _check(invocation, queue)
    ask(invocation, lambda broker: broker.pause(queue))
    say_done(f"queue {queue} is paused", {"paused": queue}, as_json_)


@jobs.command()
@queue_argument
@json_option
@click.pass_obj
def resume(invocation: Invocation, queue: str, as_json_: bool) -> None:
    """End a pause."""
    _check(invocation, queue)
    ask(invocation, lambda broker: broker.resume(queue))
    say_done(f"queue {queue} is resumed", {"resumed": queue}, as_json_)


@jobs.command()
@queue_argument
@json_option
@click.pass_obj
def repair(invocation: Invocation, queue: str, as_json_: bool) -> None:
    """Find jobs of QUEUE that other BullMQ versions lost from every list, and put them back to waiting."""
    _check(invocation, queue)
    found = ask(invocation, lambda broker: broker.repair(queue))
    text = f"put back {len(found)}: {' '.join(found)}" if found else "nothing to repair"
    say_done(text, {"repaired": found}, as_json_)


async def _counts(broker: Broker, app: AnyApp) -> list[dict[str, Any]]:
    return [
        {"queue": queue, "paused": await broker.is_paused(queue), "counts": await broker.counts(queue)}
        for queue in app.registry.all_queues
    ]


def _check(invocation: Invocation, queue: str) -> None:
    invocation.app.registry.check_queue(queue)


def _name(queue: dict[str, Any]) -> str:
    return f"{queue['queue']} (paused)" if queue["paused"] else queue["queue"]


def _row(record: JobRecord) -> list[str | int]:
    payload, reason = shorten(record.data), shorten(record.failed_reason or "")
    return [record.id, record.name, moment(record.added_at), record.attempts_made, payload, reason]
