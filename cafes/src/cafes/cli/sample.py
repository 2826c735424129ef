"""`cafes sample`: a CSV of made-up cafes, of any size."""

import sys
from pathlib import Path

import click

from cafes.sample import DEFAULT_ROWS, DEFAULT_SEED, write, write_file


@click.command()
@click.option("--rows", type=click.IntRange(0), default=DEFAULT_ROWS, show_default=True)
@click.option("--seed", type=int, default=DEFAULT_SEED, show_default=True, help="The same seed makes the same cafes.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Default: stdout.")
def sample(rows: int, seed: int, out: Path | None) -> None:
    """Write a CSV of made-up cafes in real cities, with the flaws that lists of cafes have."""
    if out is None:
        write(sys.stdout, rows, seed)
    else:
        write_file(out, rows, seed)
