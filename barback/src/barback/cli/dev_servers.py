"""The servers that `barback dev` brings: those whose addresses nobody has set."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import click

from barback.app import AnyApp
from barback.cli.dashboard import PORT as DASHBOARD_PORT
from barback.cli.dashboard import is_installed
from barback.cli.running_dev import POSTGRES_FOLDER, VALKEY_FOLDER, announced
from barback.embedded import EmbeddedPostgres, EmbeddedValkey
from barback.embedded.valkey import free_port, is_free
from barback.settings import Settings, read_variable

USUAL_REDIS_PORT = 6379


@dataclass(slots=True)
class DevServers:
    """What was started. None: nothing was, because an address is set or the app needs none."""

    valkey: EmbeddedValkey | None = None
    postgres: EmbeddedPostgres | None = None
    dashboard_port: int | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """The addresses, for the app's processes."""


def start_servers(
    app: AnyApp, settings: Settings, folder: Path, redis_port: int | None, closing: contextlib.ExitStack
) -> DevServers:
    """Start what is not set; stopped when `closing` closes. `redis_port` None: the last one, the usual one, or any.

    :raises UsageError: one already runs over this folder.
    :raises BarbackError: one does not start; says why.
    """
    servers = DevServers()
    folder.mkdir(exist_ok=True)
    if settings.redis_url is None:
        _start_valkey(servers, settings, folder, redis_port, closing)
    variable = app.development.postgres_url
    if variable and not any(map(read_variable, (variable, *app.development.instead))):
        click.echo("starting Postgres …", err=True)
        servers.postgres = closing.enter_context(EmbeddedPostgres(folder / POSTGRES_FOLDER))
        servers.environment[variable] = servers.postgres.url
    if servers.environment:
        closing.enter_context(announced(folder, servers.environment))
    if is_installed():
        servers.dashboard_port = choose_port(folder / "dashboard-port", DASHBOARD_PORT)
        (folder / "dashboard-port").write_text(f"{servers.dashboard_port}\n")
    return servers


def _start_valkey(
    servers: DevServers, settings: Settings, folder: Path, port: int | None, closing: contextlib.ExitStack
) -> None:
    port = port or choose_port(folder / "redis-port", USUAL_REDIS_PORT)
    servers.valkey = closing.enter_context(EmbeddedValkey(folder / VALKEY_FOLDER, port=port))
    (folder / "redis-port").write_text(f"{port}\n")
    servers.environment |= {"REDIS_URL": servers.valkey.url, "REDIS_DB": str(settings.redis_db)}


def choose_port(remembered: Path, usual: int) -> int:
    """The same port each time if it can be had: a TypeScript app has it in its settings."""
    text = remembered.read_text().strip() if remembered.is_file() else ""
    wanted = int(text) if text.isdigit() else usual
    return wanted if is_free(wanted) else free_port()
