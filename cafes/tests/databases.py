"""Databases for tests: made from a template in milliseconds, dropped at the end."""

import itertools
import os
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

_numbers = itertools.count()


@contextmanager
def new_database(server_url: str, template: str = "template0") -> Generator[str]:
    """The address of a new database on this server, which is named as any of its others."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _run(server_url, "create database {} template {}", name, template)
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        _run(server_url, "drop database {} with (force)", name)


def name_in(url: str) -> str:
    return urlsplit(url).path.strip("/")


def _run(server_url: str, statement: str, *names: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # pyright: ignore[reportArgumentType]
