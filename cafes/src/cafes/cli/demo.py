"""`cafes demo [FILE.csv…] [--json]`."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, last on stdout.")
def demo(files: tuple[Path, ...], as_json: bool) -> None:
    """Show the whole path: import these files, or a sample, and work every job.

    Brings a Valkey and a Postgres of its own in a temporary folder. Exits with 0 only if no job failed and the
    statistics equal a plain recount; refused rows are no failures.
    """
    from rich.console import Console
    from rich.table import Table

    from barback.logs import configure_logging
    from cafes.demo import run_demo

    configure_logging()
    result = run_demo(files, Console(stderr=True))
    if as_json:
        click.echo(json.dumps(asdict(result)))
    else:
        table = Table("Result", "", show_header=False, title="cafes demo")
        for name, value in asdict(result).items():
            table.add_row(name.replace("_", " "), str(value))
        Console().print(table)
    if not result.is_good:
        raise click.exceptions.Exit(1)
