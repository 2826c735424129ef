"""`barback schedules`: what runs when, what a deploy would change, and stopping and starting single ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from pydantic.alias_generators import to_camel

from barback.answers import Created
from barback.app import AnyApp
from barback.broker import Broker, StoredSchedule
from barback.cli.asking import ask, say_done
from barback.cli.invocation import Invocation
from barback.cli.logging import configure_logging
from barback.cli.printing import moment, print_json, print_table
from barback.cron import Timing
from barback.errors import UsageError, did_you_mean
from barback.producer import Producer
from barback.release import release_of
from barback.schedule import Schedule
from barback.schedules.plan import Change, Kind
from barback.schedules.reconciler import Reconciler
from barback.schedules.runs import Run, read_runs

NEXT_TIMES = 5
LATE_S = 10.0
"""Workers make the next slot's job within 5 s."""
DIFFERS: Mapping[Kind, str] = {
    "add": "not put yet",
    "change": "differs from the code",
    "remove": "not in the code",
    "keep": "",
    "over": "over",
    "paused": "paused",
    "taken": "made by another program",
}
WILL: Mapping[Kind, str] = {
    "add": "add",
    "change": "change",
    "remove": "remove",
    "keep": "keep",
    "over": "leave: it is over",
    "paused": "leave paused",
    "taken": "leave to another program",
}

json_option = click.option("--json", "as_json_", is_flag=True, help="One JSON document, for machines.")
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
        print_table(["id", "queue", "job", "when", "next", "last", "state"], [_cells(row) for row in rows])
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
    _say_changes(changes, WILL, as_json_)


@schedules.command()
@json_option
@click.pass_obj
def apply(invocation: Invocation, as_json_: bool) -> None:
    """Make the stored schedules those of this code, also if a newer release has declared others.

    A starting worker does it by itself, unless its release is the older one.
    """
    configure_logging()
    _say_changes(ask(invocation, lambda broker: _reconciler(invocation, broker).apply(force=True)), WILL, as_json_)


@schedules.command()
@id_argument
@json_option
@click.pass_obj
def pause(invocation: Invocation, schedule_id: str, as_json_: bool) -> None:
    """Make no more jobs of schedule ID, whatever is deployed, until it is resumed."""
    queue = _declared(invocation.app, schedule_id).job.queue
    ask(invocation, lambda broker: _reconciler(invocation, broker).pause(queue, schedule_id))
    say_done(f"schedule {schedule_id} is paused", {"paused": schedule_id}, as_json_)


@schedules.command()
@id_argument
@json_option
@click.pass_obj
def resume(invocation: Invocation, schedule_id: str, as_json_: bool) -> None:
    """End a pause. If a newer release is deployed, its workers put the schedule back within half a minute."""
    queue = _declared(invocation.app, schedule_id).job.queue
    ask(invocation, lambda broker: _reconciler(invocation, broker).resume(queue, schedule_id))
    say_done(f"schedule {schedule_id} goes on", {"resumed": schedule_id}, as_json_)


@schedules.command()
@id_argument
@json_option
@click.pass_obj
def run(invocation: Invocation, schedule_id: str, as_json_: bool) -> None:
    """Enqueue the job of schedule ID now, beside its slots."""
    schedule = _declared(invocation.app, schedule_id)
    limits = invocation.settings.payload_limits
    answer = ask(invocation, lambda broker: Producer(broker, limits)(schedule.job, schedule.data))
    job_id = answer.job_id if isinstance(answer, Created) else answer.by
    say_done(f"job {job_id} of {schedule.job.queue} is enqueued", {"job": job_id}, as_json_)


async def _plan(reconciler: Reconciler) -> tuple[Mapping[str, Sequence[Change]], Mapping[str, str]]:
    return await reconciler.plan(), await reconciler.newer()


def _reconciler(invocation: Invocation, broker: Broker) -> Reconciler:
    app = invocation.app
    limits = invocation.settings.payload_limits
    return Reconciler(broker, app.name, release_of(app), app.registry.queues, app.schedules, limits)


def _declared(app: AnyApp, schedule_id: str) -> Schedule:
    for schedule in app.schedules:
        if schedule.id == schedule_id:
            return schedule
    hint = did_you_mean(schedule_id, [schedule.id for schedule in app.schedules])
    raise UsageError(f"The app declares no schedule '{schedule_id}'.{hint}")


async def _look(invocation: Invocation, broker: Broker) -> list[dict[str, Any]]:
    changes = await _reconciler(invocation, broker).plan()
    rows: list[dict[str, Any]] = []
    for queue in invocation.app.registry.queues:
        known = {change.schedule_id: change for change in changes[queue]}
        shown = [(_shown(change), _state(change, broker.now())) for change in known.values()]
        shown += [(one, DIFFERS["taken"]) for one in await broker.schedules(queue) if one.id not in known]
        runs = read_runs(await broker.notes(queue))
        rows += [_row(queue, schedule, state, runs.get(schedule.id), broker.now()) for schedule, state in shown]
    return rows


def _state(change: Change, now: float) -> str:
    """Empty: all is as it should be."""
    late_s = now - change.stored.next_at if change.stored is not None else 0.0
    if late_s > LATE_S and change.kind == "keep":
        return "over" if _is_over(change.stored) else f"due for {late_s:.0f} s: no worker makes its jobs"
    return DIFFERS[change.kind]


def _is_over(schedule: StoredSchedule | None) -> bool:
    return schedule is not None and not _next_times(schedule, schedule.next_at)


def _shown(change: Change) -> StoredSchedule:
    """What is stored; of one that is not, what shall be."""
    shown = change.stored or (change.wanted.stored if change.wanted else None)
    return shown if shown is not None else StoredSchedule(change.schedule_id, "-", Timing(), "{}", 0.0)


def _row(queue: str, schedule: StoredSchedule, state: str, last: Run | None, now: float) -> dict[str, Any]:
    following = _next_times(schedule, now)
    return {
        "id": schedule.id,
        "queue": queue,
        "job": schedule.name,
        "when": schedule.timing.describe(),
        "nextAt": following[0] if following else None,
        "nextTimes": following,
        "lastRun": None if last is None else {to_camel(name): value for name, value in asdict(last).items()},
        "state": state,
    }


def _next_times(schedule: StoredSchedule, now: float) -> list[float]:
    if not schedule.next_at:
        # Nothing is stored of it: it is paused, over, or not put yet.
        return []
    coming = [schedule.next_at] if schedule.next_at > now else []
    limit = schedule.timing.limit
    left = NEXT_TIMES if limit is None else max(0, limit - schedule.made)
    more = schedule.timing.following(max(now, schedule.next_at), min(left, NEXT_TIMES - len(coming)))
    return coming + more


def _cells(row: Mapping[str, Any]) -> list[str]:
    last: Mapping[str, Any] | None = row["lastRun"]
    took = "-" if last is None else f"{last['outcome']} {moment(last['startedAt'])}, {_took_s(last):.1f} s"
    return [row["id"], row["queue"], row["job"], row["when"], moment(row["nextAt"]), took, row["state"]]


def _took_s(run: Mapping[str, Any]) -> float:
    return run["endedAt"] - run["startedAt"]


def _say_changes(changes: Mapping[str, Sequence[Change]], words: Mapping[Kind, str], as_json_: bool) -> None:
    told = [(queue, change, _when(change.stored), _to(change)) for queue, some in changes.items() for change in some]
    if as_json_:
        names = ("queue", "id", "change", "from", "to")
        rows = [(queue, one.schedule_id, one.kind, before, after) for queue, one, before, after in told]
        print_json({"changes": [dict(zip(names, row, strict=True)) for row in rows]})
    elif told:
        cells = [[words[one.kind], one.schedule_id, queue, before, after] for queue, one, before, after in told]
        print_table(["", "id", "queue", "from", "to"], cells)
    else:
        click.echo("nothing to change")


def _to(change: Change) -> str:
    return _when(change.wanted.stored if change.wanted else None)


def _when(schedule: StoredSchedule | None) -> str:
    return "-" if schedule is None else schedule.timing.describe()
