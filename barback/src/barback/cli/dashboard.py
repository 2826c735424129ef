"""`barback dashboard`: the dashboard by itself, beside workers that may be anywhere."""

import asyncio
import importlib.util

import click
import structlog

from barback.cli.invocation import Invocation
from barback.cli.logging import configure_logging
from barback.connect import open_broker
from barback.errors import UsageError
from barback.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

PORT = 8321
PATH = "/dashboard/queues"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True)
@click.option("--queue", "queues", multiple=True, metavar="NAME", help="Show this queue (again for more).")
@click.pass_obj
def dashboard(invocation: Invocation, host: str, port: int, queues: tuple[str, ...]) -> None:
    """Look at the queues and their jobs in a browser, and act on them.

    Needs Redis alone; with --queue not even the app. Ctrl-C or SIGTERM ends it.
    """
    check_host(host)
    if not is_installed():
        raise UsageError("The dashboard is not installed: install barback[dashboard].")
    settings = invocation.own_settings_or_dev() if queues else invocation.settings_or_dev()
    configure_logging()
    asyncio.run(_serve(settings, host, port, queues or invocation.app.registry.queues))


def is_installed() -> bool:
    """Whether barback[dashboard] is."""
    return all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn", "jinja2"))


def address_of(host: str, port: int) -> str:
    """Where a browser finds it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"


def check_host(host: str) -> None:
    """:raises UsageError: others could reach it there, and it asks nobody who he is."""
    if host not in LOOPBACK:
        raise UsageError(
            f"--host {host}: the dashboard has no sign-in yet, and everybody who reaches it may remove jobs. "
            "Leave it at 127.0.0.1, and reach it through an SSH tunnel or behind a proxy that asks for a password."
        )


async def _serve(settings: Settings, host: str, port: int, queues: tuple[str, ...]) -> None:
    from barback.dashboard import Control, Live, create_app
    from barback.dashboard.mounting import At
    from barback.dashboard.serving import Server

    async with open_broker(settings) as broker:
        control = Control(broker, queues)
        live = Live(broker, control.queues)
        server = Server(At(PATH, create_app(control, live)), live, host, port)
        log.info("dashboard started", url=address_of(host, port), queues=list(queues))
        await server.serve()
    log.info("dashboard stopped")
