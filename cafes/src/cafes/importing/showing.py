"""Imports as a person sees them: a bar while they run, and at the end what was taken and each row that was not."""

from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from barback import Producer
from barback.printable import printable
from cafes.importing.importer import ImportReport, import_files
from cafes.importing.reader import CafeFile
from cafes.jobs.process_cafe import ProcessCafe, process_cafe
from cafes.store import Store


@contextmanager
def opened(paths: Sequence[Path]) -> Generator[list[CafeFile]]:
    """All files, with their headers understood: a wrong third one stops an import before its first row.

    :raises NotCsv: one of them is no list of cafes.
    """
    with ExitStack() as closing:
        yield [closing.enter_context(CafeFile(path)) for path in paths]


async def import_shown(files: Sequence[CafeFile], store: Store, producer: Producer, console: Console) -> ImportReport:
    """Import, with a bar if the console is a terminal.

    :raises ImportBroken: the store or the queue failed.
    """

    async def enqueue_all(cafe_ids: Sequence[UUID]) -> None:
        await producer.many(process_cafe, (ProcessCafe(cafe_id=cafe_id) for cafe_id in cafe_ids))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[taken]} taken"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars = {
            file.name: progress.add_task(escape(printable(Path(file.name).name)), total=file.size or None, taken=0)
            for file in files
        }

        def show(file: CafeFile, report: ImportReport) -> None:
            progress.update(bars[file.name], completed=file.bytes_read(), taken=report.taken)

        return await import_files(files, store, enqueue_all, show)


def show_report(report: ImportReport, files: Sequence[CafeFile], console: Console) -> None:
    """Print what was taken, and every row that was not, with its line and the reason."""
    for file in files:
        if file.ignored_columns:
            ignored = printable(", ".join(file.ignored_columns))
            # One line, however wide the terminal: it may be read by a program.
            console.print(f"{printable(file.name)}: columns that are not read: {ignored}", markup=False, soft_wrap=True)
    console.print(_taken(report, files))
    if report.refused:
        table = Table(
            Column("File", overflow="fold"),
            Column("Line", justify="right"),
            Column("Refused because", overflow="fold"),
            title=f"{len(report.refused)} of {report.rows} rows refused",
        )
        for refused in report.refused:
            cells = (refused.file, str(refused.line), refused.reason)
            table.add_row(*(escape(printable(cell)) for cell in cells))
        console.print(table)
    console.print(f"{report.taken} of {report.rows} rows taken, {len(report.refused)} refused.", markup=False)


def _taken(report: ImportReport, files: Sequence[CafeFile]) -> Table:
    table = Table(
        Column("File", overflow="fold"), *(Column(name, justify="right") for name in ("Rows", "Taken", "Refused"))
    )
    refused = Counter(row.file for row in report.refused)
    for name in dict.fromkeys(file.name for file in files):
        taken = report.taken_by_file[name]
        counts = (taken + refused[name], taken, refused[name])
        table.add_row(escape(printable(name)), *map(str, counts))
    return table
