"""`barback new job`: the file of a job, its test, and its line in the app if it shall run by itself."""

import builtins
import importlib.util
import keyword
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import click

from barback.app import AnyApp
from barback.cli.app_lookup import OURS
from barback.cli.invocation import Invocation
from barback.cli.new_job import NewJob, Services, job_text, schedule_text, test_text
from barback.cli.schedule_line import placed
from barback.cron import Timing
from barback.errors import DeclarationError, NoJobs, UsageError
from barback.job import AnyJob, job

LONGEST_NAME = 40
TAKEN = frozenset({"job", "payload", "context", "asyncio", "make_context", "ctx", "cast", "services"})
"""What the written files call something else by."""


@click.group()
def new() -> None:
    """Write what one would otherwise copy."""


@new.command("job")
@click.argument("name")
@click.option("--queue", metavar="NAME", help="The app's only one, or one of the job's own name, if it is left out.")
@click.option("--schedule", "pattern", metavar="PATTERN", help='Run it by itself, at "0 9 * * *" for example.')
@click.option("--tz", metavar="ZONE", help="Of the schedule; that of the app's others, or UTC, if it is left out.")
@click.pass_obj
def new_job(invocation: Invocation, name: str, queue: str | None, pattern: str | None, tz: str | None) -> None:
    """Write the job NAME (as `send-receipt`) into the app's jobs, and its test.

    Nothing that is there is overwritten. With --schedule its line is put into the app's module, or printed where that
    cannot be done safely.
    """
    if tz is not None and pattern is None:
        raise UsageError('--tz is the zone of a schedule: give --schedule "0 9 * * *" too.')
    app, package = _app_and_package(invocation)
    jobs = app.registry.jobs if app else ()
    _check_name(name, jobs)
    made = NewJob(
        name,
        queue or _usual_queue(name, jobs),
        package.__name__,
        _services(package, jobs),
        in_workspace=OURS.is_relative_to(invocation.project) and "site-packages" not in OURS.parts,
    )
    job(made.name, queue=made.queue)  # for its checks
    zone = tz or _usual_zone(app)
    if pattern is not None:
        _check_schedule(name, pattern, zone, app)

    file = _folder(package) / f"{made.module}.py"
    test = _tests(file.parent, invocation.project) / f"test_{made.module}.py"
    _write({file: job_text(made), test: test_text(made)}, invocation.project)
    if pattern is not None:
        _schedule(made, schedule_text(made, pattern, zone), invocation)


def _app_and_package(invocation: Invocation) -> tuple[AnyApp | None, ModuleType]:
    """The app, None if it has no job yet, and the package of its jobs."""
    try:
        app = invocation.app
    except DeclarationError as error:
        # Told with the line of the app where it says so.
        if isinstance(error.__cause__, NoJobs):
            return None, error.__cause__.package
        raise
    if not isinstance(app.jobs, ModuleType):
        raise UsageError(
            "The app names its jobs one by one: App(jobs=[…]). `barback new job` writes into a package: App(jobs=jobs)."
        )
    return app, app.jobs


def _check_name(name: str, jobs: Sequence[AnyJob]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"Job name {name!r}: expected small letters, digits and '-' between words, as 'send-receipt', "
            f"and {LONGEST_NAME} characters at most."
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or hasattr(builtins, module) or module in TAKEN:
        raise UsageError(f"Job name '{name}': '{module}' means something else in Python. Say what it does to what.")
    for known in jobs:
        if name in known.names:
            raise UsageError(f"Job name '{name}': {known.handler.__module__}.{known.handler.__name__} has it already.")


def _check_schedule(name: str, pattern: str, zone: str, app: AnyApp | None) -> None:
    Timing(pattern, tz=zone).check()
    if app and any(schedule.id == name for schedule in app.schedules):
        raise UsageError(f"--schedule: the app has a schedule '{name}' already.")


def _usual_queue(name: str, jobs: Sequence[AnyJob]) -> str:
    queues = {known.queue for known in jobs if not known.external}
    return queues.pop() if len(queues) == 1 else name


def _usual_zone(app: AnyApp | None) -> str:
    zones = {schedule.tz for schedule in app.schedules if schedule.pattern} if app else set[str]()
    return zones.pop() if len(zones) == 1 else "UTC"


def _services(package: ModuleType, jobs: Sequence[AnyJob]) -> Services | None:
    """What the handlers of the app's other jobs are given; None: nothing, or each something else."""
    found: set[type] = set()
    for known in jobs:
        for hint in typing.get_type_hints(known.handler).values():
            found |= {given for given in typing.get_args(hint) if _is_services(given, package)}
    if len(found) != 1:
        return None
    [services] = found
    return Services(services.__module__, services.__name__)


def _is_services(given: object, package: ModuleType) -> bool:
    top = package.__name__.partition(".")[0]
    return isinstance(given, type) and given.__module__.partition(".")[0] == top


def _folder(package: ModuleType) -> Path:
    return Path(next(iter(package.__path__)))


def _tests(folder: Path, project: Path) -> Path:
    """Where the package's tests are: in `tests/jobs`, or `tests`, of the nearest folder upward that has one."""
    for above in folder.parents:
        tests = above / "tests"
        if tests.is_dir() or above == project:
            beside = tests / folder.name
            return beside if beside.is_dir() else tests
    return project / "tests"


def _write(texts: Mapping[Path, str], project: Path) -> None:
    for path in texts:
        if path.exists() or path.with_suffix("").exists():
            raise UsageError(f"{_shown(path, project)} is there already, and nothing was written.")
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        click.echo(f"written: {_shown(path, project)}")


def _schedule(made: NewJob, line: str, invocation: Invocation) -> None:
    module_name, _, attribute = invocation.full_app_path.partition(":")
    spec = importlib.util.find_spec(module_name)
    path = Path(spec.origin) if spec and spec.origin else None
    text = placed(path.read_text("utf-8"), attribute, made.import_line, line) if path else None
    if path is None or text is None:
        click.echo(f"Its schedule could not be put into {module_name} safely. Add to it:\n")
        click.echo(f"from barback import Schedule\n{made.import_line}\n\nApp(schedules=(…, {line},))")
        return
    path.write_text(text, "utf-8", newline="\r\n" if b"\r\n" in path.read_bytes() else "\n")
    click.echo(f"scheduled: {_shown(path, invocation.project)}: {line}")


def _shown(path: Path, project: Path) -> Path:
    return path.relative_to(project) if path.is_relative_to(project) else path
