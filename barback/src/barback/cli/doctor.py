"""`barback doctor`: what is wrong, and what to do about it."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from barback.app import AnyApp
from barback.cli.app_lookup import VARIABLE as APP_VARIABLE
from barback.cli.dashboard import is_installed
from barback.cli.invocation import Invocation
from barback.cli.printing import print_json
from barback.connect import open_broker
from barback.doctor.connection import check_connection
from barback.doctor.examination import examine, run_checks, sort_findings
from barback.doctor.unread import CHECK as SETTINGS
from barback.doctor.unread import check_unread
from barback.errors import BarbackError, SettingsError
from barback.finding import Finding
from barback.logs import configure_logging
from barback.printable import printable
from barback.release import VARIABLE as RELEASE_VARIABLE
from barback.settings import EnvSettings, Settings, load_settings, variables_given, variables_of

NO_APP = "Correct that: --app, BARBACK_APP or [tool.barback] app in pyproject.toml names package.module:attribute."
REPORT = "That is a fault of barback's: please report it. Nothing was changed; what else was found is right."
COLOURS = {"error": "red", "warning": "yellow"}


@click.command()
@click.option("--json", "as_json_", is_flag=True, help="One JSON document, for machines.")
@click.pass_context
def doctor(context: click.Context, as_json_: bool) -> None:
    """Look for what is wrong, and say what to do about it; exit code 1 if jobs suffer.

    Looks at the settings, at Redis and its queues, at who can get at the dashboard, at what the app checks of itself.
    Reads whole queues: some seconds, if they are large. Changes nothing.
    """
    # What is logged on the way is what the findings say.
    configure_logging(logging.CRITICAL)
    findings = sort_findings(_examine(context.obj))
    if as_json_:
        print_json({"findings": [asdict(finding) for finding in findings]})
    for finding in [] if as_json_ else findings:
        _say(finding)
    if not findings and not as_json_:
        click.echo("nothing is wrong")
    context.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _examine(invocation: Invocation) -> list[Finding]:
    try:
        app = invocation.app
    except SettingsError as error:
        # Without right settings there is nothing to ask; a misspelt name may be why.
        return [*_wrong(error), *_unread(()), *_exposure()]
    except BarbackError as error:
        return [Finding("app", "error", str(error), NO_APP), *_exposure(), *_connection(invocation)]
    findings = [*_unread((app,)), *_exposure()]
    try:
        settings = invocation.settings_or_dev()
    except SettingsError as error:
        found = check_connection(error)
        return [*found, *findings, *asyncio.run(run_checks(app.checks))]
    return [*asyncio.run(_ask(app, settings)), *findings]


def _connection(invocation: Invocation) -> list[Finding]:
    """Without an app nothing is known of its queues."""
    try:
        asyncio.run(_open(invocation.own_settings_or_dev()))
    except BarbackError as error:
        return check_connection(error)
    return []


async def _open(settings: Settings) -> None:
    async with open_broker(settings) as broker:
        await broker.check([])


async def _ask(app: AnyApp, settings: Settings) -> list[Finding]:
    try:
        async with open_broker(settings) as broker:
            found = await examine(broker, app)
    except BarbackError as error:
        found = check_connection(error)
    except Exception as error:  # noqa: BLE001 — what else there is to be said shall be
        found = [Finding("doctor", "error", f"The doctor itself failed: {type(error).__name__}: {error}", REPORT)]
    return [*found, *await run_checks(app.checks)]


def _unread(apps: Iterable[AnyApp]) -> Iterator[Finding]:
    kinds: list[type[EnvSettings]] = [Settings, *(kind for app in apps for kind in app.settings)]
    if is_installed():
        from barback.dashboard.signing_in.settings import DashboardSettings

        kinds.append(DashboardSettings)
    queues = [queue for app in apps for queue in app.registry.queues]
    given = variables_given()
    names = {name for some in given.values() for name in some}
    developments = [app.development for app in apps]
    needless = [one.postgres_url for one in developments if one.postgres_url and names.intersection(one.instead)]
    return check_unread(given, {*variables_of(kinds), APP_VARIABLE, RELEASE_VARIABLE}, queues, needless)


def _exposure() -> Iterable[Finding]:
    if not is_installed():
        return []
    from barback.dashboard.signing_in.settings import DashboardSettings
    from barback.doctor.exposure import check_exposure

    try:
        return list(check_exposure(load_settings(DashboardSettings)))
    except SettingsError as error:
        return _wrong(error)


def _wrong(error: SettingsError) -> list[Finding]:
    """One for each setting that is wrong."""
    first, *lines = str(error).splitlines()
    advice = "No command begins until it is right; the environment wins over .env.local, which wins over .env."
    return [Finding(SETTINGS, "error", line.strip(), advice) for line in lines or [first]]


def _say(finding: Finding) -> None:
    head = f"{click.style(finding.level, fg=COLOURS[finding.level], bold=True)}  {finding.check}: "
    click.echo(f"{head}{printable(finding.text)}")
    click.echo(f"  → {printable(finding.advice)}")
