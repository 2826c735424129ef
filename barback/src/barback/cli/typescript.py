"""`barback typescript`: the client that TypeScript enqueues with, written from the app's declarations."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click

from barback.cli.invocation import Invocation
from barback.contract.names import is_package_name
from barback.contract.package import HEADER, package
from barback.errors import UsageError
from barback.printable import printable

DEFAULT_OUT = "clients/typescript"


@click.command()
@click.option("--out", default=DEFAULT_OUT, show_default=True, type=click.Path(path_type=Path), help="Its folder.")
@click.option("--name", help="Of the npm package; the app's name and '-jobs', if it is left out.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with the difference if it is not up to date.")
@click.pass_context
def typescript(context: click.Context, out: Path, name: str | None, check: bool) -> None:
    """Write a TypeScript client of the app's jobs: types, checks, enqueueing, results and progress.

    The same app gives the same files, to be committed. What it wrote there before and would not write any more is
    removed; what others put beside it is left alone.
    """
    invocation: Invocation = context.obj
    if name is not None and not is_package_name(name):
        raise UsageError(f"--name: npm takes no package named {name!r}. Small letters, digits and '-', as 'shop-jobs'.")
    folder = invocation.project / out
    wanted = package(invocation.app, name)
    found = _read(folder, wanted)
    if check:
        differences = list(_differences(found, wanted))
        for line in differences:
            click.echo(_coloured(printable(line)))
        if differences:
            click.echo(
                f"barback: {out} is not up to date: run `barback typescript --out {out}` and commit it.", err=True
            )
            context.exit(1)
        click.echo(f"{out} is up to date")
        return
    changed = _write(folder, found, wanted)
    click.echo(f"{out}: {changed} of {len(wanted)} files written" if changed else f"{out} is up to date")


def _read(folder: Path, wanted: Iterable[str]) -> dict[str, str]:
    """What was written there before, by path.

    :raises UsageError: it is no folder of ours.
    """
    if not folder.exists():
        return {}
    ours = [path for pattern in ("*", "jobs/*") for path in folder.glob(pattern) if _is_ours(path)]
    if not folder.is_dir() or (any(folder.iterdir()) and not ours):
        raise UsageError(
            f"--out: {folder} holds files that `barback typescript` did not write. Give it a folder of its own."
        )
    paths = {path for path in wanted if (folder / path).is_file()} | {it.relative_to(folder).as_posix() for it in ours}
    return {path: (folder / path).read_text("utf-8", errors="replace") for path in sorted(paths)}


def _is_ours(path: Path) -> bool:
    """Whether `barback typescript` wrote this file."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline() == HEADER


def _write(folder: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> int:
    changed = {path: text for path, text in wanted.items() if found.get(path) != text}
    gone = found.keys() - wanted.keys()
    try:
        for path, text in changed.items():
            _replace(folder / path, text)
        for path in gone:
            (folder / path).unlink(missing_ok=True)  # one that was being written was renamed just now
    except OSError as error:
        raise UsageError(f"--out: {error.filename} cannot be written: {error.strerror}.") from error
    return len(changed) + len(gone)


def _replace(path: Path, text: str) -> None:
    """Whole or not at all; a link by a file, and not what it leads to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, "utf-8", newline="\n")
    beside.replace(path)


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for path in sorted({*found, *wanted}):
        before, after = (texts.get(path, "").splitlines() for texts in (found, wanted))
        yield from difflib.unified_diff(before, after, f"{path} (there)", f"{path} (declared)", lineterm="")


def _coloured(line: str) -> str:
    colour = {"+": "green", "-": "red"}.get(line[:1])
    return click.style(line, fg=colour) if colour else line
