"""`barback dev`: servers, the app's preparation, and a worker that is started anew when code changes."""

import contextlib
import os
import signal

import click

from barback.cli.announcement import announce
from barback.cli.dev_servers import DevServers, start_servers
from barback.cli.invocation import Invocation
from barback.cli.reloading import run_reloading
from barback.embedded.guarded_process import Command, GuardedProcess
from barback.errors import BarbackError

STOP_WITHIN_S = 5.0
"""When we are killed, the servers go at once: a worker cannot finish anything after that."""


@click.command()
@click.option(
    "--redis-port", type=click.IntRange(1, 65_535), help="TCP port of the embedded server for other programs."
)
@click.option("--reload/--no-reload", default=True, help="Start the worker anew when code changes (on).")
@click.pass_obj
def dev(invocation: Invocation, redis_port: int | None, reload: bool) -> None:
    """Run the app with everything it needs; nothing has to be installed.

    Without REDIS_URL an embedded Valkey is started, without a database an embedded Postgres, if the app wants one; both
    keep their data in `.barback/`. Ctrl-C drains the worker and stops the servers; a second one stops at once.
    """
    # Until the worker runs there is nothing to drain: SIGTERM ends us as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app, settings = invocation.app, invocation.settings
    with contextlib.ExitStack() as closing:
        servers = start_servers(app, settings, invocation.data_folder, redis_port, closing)
        if app.development.prepare:
            _prepare(invocation, servers)
        announce(invocation, servers)
        if servers.dashboard_port is not None:
            shown = _child(invocation, servers, "dashboard", f"--port={servers.dashboard_port}")
            closing.callback(shown.stop)
        code = run_reloading(invocation, lambda: _child(invocation, servers, "work"), reload)
    raise click.exceptions.Exit(code)


@click.command(hidden=True)
@click.pass_obj
def prepare(invocation: Invocation) -> None:
    """Call the app's `Development.prepare`. `barback dev` does so in a process of its own: it may import anything."""
    if invocation.app.development.prepare:
        invocation.app.development.prepare()


def _prepare(invocation: Invocation, servers: DevServers) -> None:
    code = _child(invocation, servers, "prepare").wait()
    if code:
        raise BarbackError(f"The app's Development.prepare failed with exit code {code}; see above.")


def _child(invocation: Invocation, servers: DevServers, *command: str) -> GuardedProcess:
    environment = {**os.environ, **servers.environment}
    return GuardedProcess(
        Command(arguments=invocation.command_line(*command), env=environment, deadline_s=STOP_WITHIN_S)
    )
