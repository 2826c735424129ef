"""`barback doctor`: what is wrong, and what to do about it."""

from dataclasses import asdict

import click

from barback.cli.asking import ask
from barback.cli.invocation import Invocation
from barback.cli.printing import print_json
from barback.doctor.examination import examine
from barback.doctor.finding import Finding
from barback.printable import printable

COLOURS = {"error": "red", "warning": "yellow"}


@click.command()
@click.option("--json", "as_json_", is_flag=True, help="One JSON document, for machines.")
@click.pass_context
def doctor(context: click.Context, as_json_: bool) -> None:
    """Look for what is wrong, and say what to do about it; exit code 1 if jobs suffer."""
    invocation: Invocation = context.obj
    findings = ask(invocation, lambda broker: examine(broker, invocation.app.registry.queues))
    if as_json_:
        print_json({"findings": [asdict(finding) for finding in findings]})
    for finding in [] if as_json_ else findings:
        _say(finding)
    if not findings and not as_json_:
        click.echo("nothing is wrong")
    context.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _say(finding: Finding) -> None:
    click.echo(f"{click.style(finding.level, fg=COLOURS[finding.level], bold=True)}  {printable(finding.text)}")
    click.echo(f"  → {printable(finding.advice)}")
