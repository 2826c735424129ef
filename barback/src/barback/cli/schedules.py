"""`barback schedules`: what runs when, what a deploy would change, and stopping and starting single ones."""

from collections.abc import Mapping, Sequence

import click

from barback.answers import Created
from barback.app import AnyApp
from barback.broker import Broker
from barback.cli.asking import ask, say_done
from barback.cli.invocation import Invocation
from barback.cli.printing import print_json, print_table
from barback.cli.schedule_rows import as_cells, as_json, say_changes
from barback.control import schedules as control
from barback.errors import UsageError
from barback.producer import new_job
from barback.release import release_of
from barback.schedule import Schedule
from barback.schedules import pausing
from barback.schedules.plan import Change
from barback.schedules.reconciler import Reconciler

json_option = click.option("--json", "as_json_", is_flag=True, help="One JSON document, for machines.")
queue_option = click.option("--queue", help="Where, if several queues have one of that id.")
id_argument = click.argument("schedule_id", metavar="ID")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def schedules(context: click.Context, as_json_: bool) -> None:
    """Look at the schedules; without a command: all of them, those of other programs too."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json_=as_json_)


@schedules.command("list")
@json_option
@click.pass_obj
def list_(invocation: Invocation, as_json_: bool) -> None:
    """What runs when."""
    rows = ask(invocation, lambda broker: _look(invocation, broker))
    if as_json_:
        print_json({"schedules": rows})
    elif rows:
        print_table(["id", "queue", "job", "when", "next", "last", "state"], [as_cells(row) for row in rows])
    else:
        click.echo("no schedules")


@schedules.command()
@json_option
@click.pass_obj
def plan(invocation: Invocation, as_json_: bool) -> None:
    """What a deploy of this code would add, change and remove."""
    changes, newer = ask(invocation, lambda broker: _plan(_reconciler(invocation, broker)))
    for queue, release in newer.items():
        click.echo(
            f"release {release} is newer: a worker of this code leaves the schedules of {queue} as they are", err=True
        )
    say_changes(changes, as_json_)


@schedules.command()
@json_option
@click.pass_obj
def apply(invocation: Invocation, as_json_: bool) -> None:
    """Make the stored schedules those of this code, also if a newer release has declared others.

    A starting worker does it by itself, unless its release is the older one.
    """
    say_changes(ask(invocation, lambda broker: _reconciler(invocation, broker).apply(force=True)), as_json_)


@schedules.command()
@id_argument
@queue_option
@json_option
@click.pass_obj
def pause(invocation: Invocation, schedule_id: str, queue: str | None, as_json_: bool) -> None:
    """Make no more jobs of schedule ID, whatever is deployed, until it is resumed."""

    async def pause(broker: Broker) -> None:
        await pausing.pause(broker, await _queue_of(invocation, broker, schedule_id, queue), schedule_id)

    ask(invocation, pause)
    say_done(f"schedule {schedule_id} is paused", {"paused": schedule_id}, as_json_)


@schedules.command()
@id_argument
@queue_option
@json_option
@click.pass_obj
def resume(invocation: Invocation, schedule_id: str, queue: str | None, as_json_: bool) -> None:
    """End a pause. What this code does not declare, its workers put back within half a minute."""

    async def resume(broker: Broker) -> None:
        where = await _queue_of(invocation, broker, schedule_id, queue)
        await pausing.resume(broker, where, schedule_id)
        if _declared(invocation.app, schedule_id) is not None:
            await _reconciler(invocation, broker).apply_one(where, schedule_id)

    ask(invocation, resume)
    say_done(f"schedule {schedule_id} goes on", {"resumed": schedule_id}, as_json_)


@schedules.command()
@id_argument
@queue_option
@json_option
@click.pass_obj
def run(invocation: Invocation, schedule_id: str, queue: str | None, as_json_: bool) -> None:
    """Enqueue the job of schedule ID now, beside its slots."""
    declared = _declared(invocation.app, schedule_id)
    if declared is not None and queue not in (None, declared.job.queue):
        raise UsageError(f"The app declares schedule '{schedule_id}' in queue '{declared.job.queue}'.")
    job = new_job(declared.job, declared.data, {}, invocation.settings.payload_limits) if declared else None

    async def run(broker: Broker) -> str:
        where = job.queue if job else await _queue_of(invocation, broker, schedule_id, queue)
        answer = await control.run_now(broker, where, schedule_id, job)
        if isinstance(answer, Created):
            return answer.job_id
        click.echo(f"job {answer.by}, which is {answer.state}, stands for it", err=True)
        return answer.by

    job_id = ask(invocation, run)
    say_done(f"job {job_id} of schedule {schedule_id} is enqueued", {"job": job_id}, as_json_)


@schedules.command()
@id_argument
@click.option("--queue", required=True, help="The queue that it is in.")
@json_option
@click.pass_obj
def remove(invocation: Invocation, schedule_id: str, queue: str, as_json_: bool) -> None:
    """Remove schedule ID of another program, of an enqueue, or a repeatable of BullMQ 5, and its next job."""
    invocation.app.registry.check_queue(queue)
    if _declared(invocation.app, schedule_id) is not None:
        raise UsageError(f"The app declares schedule '{schedule_id}': take it out there, or pause it.")

    if not ask(invocation, lambda broker: control.remove(broker, queue, schedule_id)):
        raise UsageError(f"No schedule '{schedule_id}' in queue '{queue}'.")
    say_done(f"schedule {schedule_id} is removed", {"removed": schedule_id}, as_json_)


async def _plan(reconciler: Reconciler) -> tuple[Mapping[str, Sequence[Change]], Mapping[str, str]]:
    return await reconciler.plan(), await reconciler.newer()


def _reconciler(invocation: Invocation, broker: Broker) -> Reconciler:
    app = invocation.app
    limits = invocation.settings.payload_limits
    return Reconciler(broker, app.name, release_of(app), app.registry.queues, app.schedules, limits)


def _declared(app: AnyApp, schedule_id: str) -> Schedule | None:
    return next((schedule for schedule in app.schedules if schedule.id == schedule_id), None)


async def _queue_of(invocation: Invocation, broker: Broker, schedule_id: str, queue: str | None) -> str:
    queues = invocation.app.registry.queues if queue is None else [invocation.app.registry.check_queue(queue)]
    return await control.find_queue(broker, queues, schedule_id)


async def _look(invocation: Invocation, broker: Broker) -> list[dict[str, object]]:
    """Those that the app declares beside what is stored; and those of others."""
    changes = await _reconciler(invocation, broker).plan()
    views = await control.list_schedules(broker, invocation.app.registry.queues)
    known = {(queue, change.schedule_id): change for queue, some in changes.items() for change in some}
    rows = [as_json(view, known.pop((view.queue, view.id), None)) for view in views]
    not_put = [control.ScheduleView(queue, change.schedule_id, "app", None) for (queue, _), change in known.items()]
    return rows + [as_json(view, known[view.queue, view.id]) for view in not_put]
