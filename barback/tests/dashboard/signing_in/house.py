"""A small dashboard behind sign-in, and people who knock at it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from barback.dashboard.signing_in import TEMPLATES, DashboardSettings, Role, SignIn, requires
from barback.dashboard.signing_in.project_keys import Keys
from barback.dashboard.signing_in.security_headers import SECURITY_HEADERS
from barback.settings import load_settings

PASSWORD = "vermouth-orange-peel"
SECRET = "0123456789abcdef-canary-of-the-secret"
BASE = "<!doctype html><title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}"
HOST = "http://bar.example"
STRANGER = ("203.0.113.9", 4321)

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
OURS = {"Sec-Fetch-Site": "same-origin"}


def settings_of(**variables: str) -> DashboardSettings:
    """As if these were in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        return load_settings(DashboardSettings)


def with_password(**variables: str) -> DashboardSettings:
    """The usual ones: `admin` and a password."""
    return settings_of(**{"DASHBOARD_PASSWORD": PASSWORD, "DASHBOARD_SECRET": SECRET, **variables})


async def whoami(request: Request) -> Response:
    """Says who is signed in."""
    return PlainTextResponse(f"{request.user.name}:{request.user.role.word}")


@requires(Role.ADMIN)
async def for_admins(_request: Request) -> Response:
    """A route that asks for more than its method."""
    return PlainTextResponse("done")


async def measure(request: Request) -> Response:
    """Says how long the body is."""
    return PlainTextResponse(str(len(await request.body())))


async def events(_request: Request) -> Response:
    """A stream."""
    return StreamingResponse(iter([b"data: 1\n\n"]), media_type="text/event-stream")


async def style(_request: Request) -> Response:
    """What the sign-in page needs."""
    return PlainTextResponse("body {}", headers={"Cache-Control": "max-age=60"})


ROUTES = [
    Route("/", whoami),
    Route("/jobs", whoami, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    Route("/events", events),
    Route("/measure", measure, methods=["POST"]),
    Route("/admin", for_admins, methods=["GET", "POST"]),
    Route("/static/style.css", style),
    Mount("/deep", routes=[Route("/er", whoami)]),
]


def templates() -> Jinja2Templates:
    """The page of sign-in, in a frame that is somebody else's work."""
    loader = ChoiceLoader([FileSystemLoader(TEMPLATES), DictLoader({"base.html": BASE})])
    return Jinja2Templates(env=Environment(loader=loader, autoescape=True))


def house(settings: DashboardSettings, prefix: str = "", **options: Any) -> ASGIApp:
    """The whole of it, mounted below `prefix`."""
    sign_in = SignIn(settings, **options)
    app = sign_in.wrap(Starlette(routes=[*sign_in.routes(templates()), *ROUTES]))
    return Starlette(routes=[Mount(prefix, app)]) if prefix else app


@asynccontextmanager
async def knocking(
    app: ASGIApp, base: str = HOST, peer: Any = STRANGER, **headers: str
) -> AsyncGenerator[httpx2.AsyncClient]:
    """Somebody without credentials. Each of their answers has the security headers."""

    async def look(response: httpx2.Response) -> None:
        for name, value in SECURITY_HEADERS.items():
            assert response.headers.get_list(name) == [value]
        assert response.headers["cache-control"] in ("no-store", "max-age=60")

    transport = httpx2.ASGITransport(app=app, client=peer or ("", 0))
    hooks = {"response": [look]}
    async with httpx2.AsyncClient(transport=transport, base_url=base, headers=headers, event_hooks=hooks) as client:
        yield client


async def sign_in(
    client: httpx2.AsyncClient, name: str = "admin", password: str = PASSWORD, prefix: str = "", **more: Any
) -> httpx2.Response:
    """Fill in the form and send it."""
    form = {"name": name, "password": password, "next": more.pop("next", "")}
    headers: Mapping[str, str] = {**OURS, **PAGE, **more.pop("headers", {})}
    return await client.post(f"{prefix}/sign-in", data=form, headers=headers)


class NoKeys(Keys):
    """A project without any."""

    async def get(self, key_id: str) -> None:
        """None of that id."""
