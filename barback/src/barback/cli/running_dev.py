"""How other commands find the servers of this project's `barback dev`: a file in its data folder."""

import contextlib
import json
import os
from collections.abc import Generator, Mapping
from pathlib import Path

import click

from barback.embedded.data_folder import is_claimed
from barback.settings import read_variable

FILE_NAME = "dev.json"
VALKEY_FOLDER = "valkey"
POSTGRES_FOLDER = "postgres"


@contextlib.contextmanager
def announced(data_folder: Path, environment: Mapping[str, str]) -> Generator[None]:
    """Let other commands find these addresses, by the names of their variables."""
    file = data_folder / FILE_NAME
    file.write_text(json.dumps(dict(environment)))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def running_dev(data_folder: Path) -> dict[str, str]:
    """The addresses of the servers that a `barback dev` brought and that run now; none if none does."""
    file = data_folder / FILE_NAME
    # A killed one leaves its file: the locks say whether its servers are still there.
    if not file.is_file() or not any(is_claimed(data_folder / name) for name in (VALKEY_FOLDER, POSTGRES_FOLDER)):
        return {}
    environment: dict[str, str] = json.loads(file.read_text())
    return environment


def borrow_environment(data_folder: Path) -> None:
    """For this command, set what is not set to the servers of the running `barback dev`.

    Nothing is borrowed where `REDIS_URL` is set: two halves of two worlds are worse than one that is missing.
    """
    if read_variable("REDIS_URL") is None:
        click.get_current_context().with_resource(_set(running_dev(data_folder)))


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
