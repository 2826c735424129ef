r"""The dashboard in an app that signs people in by itself (Starlette; the same in FastAPI).

REDIS_URL=redis://127.0.0.1:6379 STAFF_TOKEN=… \
    uvicorn --app-dir docs --timeout-graceful-shutdown 5 mounted_dashboard:app
"""

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from barback.connect import open_broker
from barback.dashboard import Control, Live, create_app
from barback.dashboard.mounting import At


@asynccontextmanager
async def lifespan(host: Starlette) -> AsyncGenerator[None]:
    async with open_broker() as broker:
        control = Control(broker)
        live = Live(broker, control.queues)
        # Last: what no route of the host answers. `Mount` at the path itself would redirect to a slash at its end.
        host.mount("", At("/dashboard/queues", for_staff(create_app(control, live))))
        await control.overviews.warm()
        warming = asyncio.create_task(control.overviews.stay_warm())
        yield
        warming.cancel()
        live.close()
        await control.close()


def for_staff(dashboard: ASGIApp) -> ASGIApp:
    """Asks who it is, as your app does: whoever passes may do everything."""

    async def asking(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_staff(Request(scope)):
            await PlainTextResponse("Sign in first.", 401)(scope, receive, send)
        else:
            await dashboard(scope, receive, send)

    return asking


def _is_staff(request: Request) -> bool:
    return secrets.compare_digest(
        request.headers.get("authorization", "").encode(), f"Bearer {os.environ['STAFF_TOKEN']}".encode()
    )


app = Starlette(lifespan=lifespan)
