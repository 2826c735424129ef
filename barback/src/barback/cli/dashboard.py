"""`barback dashboard`: the dashboard by itself, beside workers that may be anywhere."""

import asyncio
import importlib.util

import click
import structlog

from barback.cli.invocation import Invocation
from barback.connect import open_broker
from barback.errors import UsageError
from barback.settings import Settings, load_settings

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.dashboard")

PORT = 8321
PATH = "/dashboard/queues"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True)
@click.option(
    "--queue", "queues", multiple=True, metavar="NAME", help="Show this queue (again for more), and no other."
)
@click.pass_context
def dashboard(context: click.Context, host: str, port: int, queues: tuple[str, ...]) -> None:
    """Look at the queues and their jobs in a browser, and act on them.

    Needs Redis alone, not the app: it shows all queues that are stored there or that live workers have. How people
    sign in is set by DASHBOARD_PASSWORD and others (docs/sign-in.md); without any it is for this machine alone. Ctrl-C
    or SIGTERM ends it.
    """
    if not is_installed():
        raise UsageError("The dashboard is not installed: install barback[dashboard].")
    if context.invoked_subcommand is not None:
        return
    invocation: Invocation = context.obj
    settings = invocation.own_settings_or_dev()
    asyncio.run(_serve(settings, host, port, queues))


@dashboard.command("hash")
def hash_() -> None:
    """Ask for a password and print its hash, for DASHBOARD_PASSWORD_HASH or DASHBOARD_USERS."""
    from barback.dashboard.signing_in import hash_password
    from barback.dashboard.signing_in.passwords import weakness

    password: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    if why := weakness(password, ""):
        raise UsageError(f"That password will not do: {why}.")
    click.echo(hash_password(password))


def is_installed() -> bool:
    """Whether barback[dashboard] is."""
    return all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn", "jinja2"))


def address_of(host: str, port: int) -> str:
    """Where a browser finds it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"


async def _serve(settings: Settings, host: str, port: int, queues: tuple[str, ...]) -> None:
    from barback.dashboard import Control, Live, create_app
    from barback.dashboard.mounting import At
    from barback.dashboard.serving import Server, listen
    from barback.dashboard.signing_in import DashboardSettings, SignedOutOnBoard, SignIn

    who = load_settings(DashboardSettings)
    async with open_broker(settings) as broker:
        # Without a way to sign in only people at this machine may see it, and only if nobody else can ask at all.
        sign_in = SignIn(who, development=host in LOOPBACK, signed_out=SignedOutOnBoard(broker.board))
        control = Control(broker, queues or None)
        live = Live(broker, control.queues)
        # The first look goes through all keys and a week of counts: before somebody waits for its end.
        await control.overviews.warm()
        warming = asyncio.create_task(control.overviews.stay_warm())
        with listen(host, port) as listening:
            log.info("dashboard started", url=address_of(host, port), queues=list(queues) or "all")
            await Server(At(PATH, create_app(control, live, sign_in)), live).serve([listening])
        warming.cancel()
        await control.close()
    log.info("dashboard stopped")
