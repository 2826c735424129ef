"""Closed by default: what passes without credentials, with too low a role, from other sites, too large (B1)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from barback.dashboard.signing_in import SignIn, hash_password

from .house import HOST, OURS, PAGE, PASSWORD, ROUTES, house, knocking, sign_in, templates, with_password

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "ANY"]
PUBLIC = {
    *(("GET", "/sign-in"), ("HEAD", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out")),
    *(("GET", "/static/style.css"), ("HEAD", "/static/style.css")),
}
PREFIXES = ["", "/dashboard/queues"]


def paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Of every route there is: a new one is tested without touching the test."""
    for route in routes:
        if isinstance(route, Route):
            yield prefix + route.path
        elif isinstance(route, Mount):
            yield from paths(route.routes, prefix + route.path)


EVERY_PATH = sorted(
    {*paths(SignIn(with_password()).routes(templates()) + ROUTES), "/nowhere", "/static", "/static/../jobs"}
)


@pytest.fixture
def apps() -> dict[str, Any]:
    return {prefix: house(with_password(), prefix) for prefix in PREFIXES}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("kind", ["page", "program", "htmx", "events"])
async def test_no_route_and_no_method_answers_without_credentials(apps: dict[str, Any], prefix: str, kind: str) -> None:
    headers = {
        "page": {**OURS, **PAGE},
        "program": OURS,
        "htmx": {**OURS, "HX-Request": "true", "Accept": "text/html"},
        "events": {**OURS, "Accept": "text/event-stream"},
    }[kind]
    async with knocking(apps[prefix]) as client:
        for method, path in product(METHODS, EVERY_PATH):
            if (method, path) not in PUBLIC:
                # Not normalised, as an attacker sends it.
                url = httpx2.URL(HOST, raw_path=f"{prefix}{path}".encode())
                response = await client.request(method, url, headers=headers)
                refused = response.status_code == 401 or (
                    response.status_code == 303 and response.headers["location"].startswith(f"{prefix}/sign-in")
                )
                assert refused, (method, path, response.status_code)
                assert ":admin" not in response.text


@pytest.mark.parametrize("given", ["nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "x" * 9_000])
async def test_credentials_that_are_none_are_refused_like_none(given: str, apps: dict[str, Any]) -> None:
    cookies = ["barback_session", "__Host-barback_session", "__Secure-barback_session", "sb-x-auth-token"]
    tries = [{"Cookie": f"{name}={given}"} for name in cookies]
    tries += [{"Authorization": f"{scheme} {given}"} for scheme in ("Bearer", "Basic")]
    tries += [{"X-Forwarded-User": "admin"}, {"Remote-User": "admin"}]
    for base in (HOST, "https://bar.example"):
        async with knocking(apps[""], base) as client:
            for headers in tries:
                assert (await client.get("/jobs", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "path", ["/sign-in/", "/sign-in/x", "//sign-in", "/SIGN-IN", "/sign-in%00", "/static/..%2fjobs"]
)
async def test_what_only_looks_like_a_public_path_is_guarded(apps: dict[str, Any], path: str) -> None:
    async with knocking(apps[""]) as client:
        response = await client.get(httpx2.URL(HOST, raw_path=path.encode()))
        assert response.status_code == 401


async def test_the_sign_in_page_and_what_it_needs_are_shown_to_anyone(apps: dict[str, Any]) -> None:
    async with knocking(apps[""]) as client:
        assert (await client.get("/sign-in")).status_code == 200
        assert (await client.get("/static/style.css")).headers["cache-control"] == "max-age=60"
        assert (await client.post("/static/style.css", headers=OURS)).status_code == 401


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_page_is_sent_to_sign_in_and_told_where_to_come_back_to(apps: dict[str, Any], prefix: str) -> None:
    async with knocking(apps[prefix], **{"Sec-Fetch-Mode": "navigate"}) as client:
        response = await client.get(f"{prefix}/jobs?state=failed&q=a%20b")
        assert response.status_code == 303
        assert response.headers["location"] == (
            f"{prefix}/sign-in?next={prefix.replace('/', '%2F')}%2Fjobs%3Fstate%3Dfailed%26q%3Da%2520b"
        )
        assert (await client.get(f"{prefix}/")).headers["location"] == f"{prefix}/sign-in"
        assert (await client.post(f"{prefix}/jobs", headers=OURS)).headers["location"] == f"{prefix}/sign-in"


async def test_behind_a_proxy_that_takes_a_part_of_the_path_away_all_addresses_have_it() -> None:
    async with knocking(house(with_password(), "/q", public_path="/app/q/"), **PAGE) as client:
        assert (await client.get("/q/jobs?x")).headers["location"] == "/app/q/sign-in?next=%2Fapp%2Fq%2Fjobs%3Fx"
        response = await sign_in(client, prefix="/q", next="/app/q/jobs")
        assert response.headers["location"] == "/app/q/jobs"
        assert "Path=/app/q;" in response.headers["set-cookie"]
        assert 'action="/app/q/sign-in"' in (await client.get("/q/sign-in")).text


async def test_an_old_browser_is_known_by_what_it_accepts(apps: dict[str, Any]) -> None:
    async with knocking(apps[""], Accept="text/html,*/*;q=0.8") as client:
        assert (await client.get("/jobs")).status_code == 303


async def test_htmx_is_told_to_take_the_whole_page_to_sign_in(apps: dict[str, Any]) -> None:
    async with knocking(apps[""], **{"HX-Request": "true", "Accept": "text/html"}) as client:
        here = {"HX-Current-URL": f"{HOST}/jobs?state=failed"}
        response = await client.get("/deep/er", headers=here)
        assert (response.status_code, response.headers["hx-redirect"]) == (
            401,
            "/sign-in?next=%2Fjobs%3Fstate%3Dfailed",
        )
        for evil in ("//evil", "http://[", "https://evil//x", "javascript:alert(1)"):
            response = await client.get("/deep/er", headers={"HX-Current-URL": evil})
            assert (response.status_code, response.headers["hx-redirect"]) == (401, "/sign-in")


async def test_a_program_gets_json(apps: dict[str, Any]) -> None:
    async with knocking(apps[""]) as client:
        response = await client.get("/jobs", headers={"Accept": "application/json"})
        assert (response.status_code, response.json()) == (401, {"error": "Sign in first."})


def test_a_web_socket_is_refused(apps: dict[str, Any]) -> None:
    with TestClient(apps[""]) as client, pytest.raises(WebSocketDisconnect), client.websocket_connect("/jobs"):
        pass


def test_the_app_starts_and_stops_through_the_gate() -> None:
    seen: list[str] = []

    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        seen.append("up")
        yield
        seen.append("down")

    app = SignIn(with_password()).wrap(Starlette(lifespan=asynccontextmanager(lifespan)))
    with TestClient(app):
        assert seen == ["up"]
    assert seen == ["up", "down"]


# ── roles ───────────────────────────────────────────────────────────────────────────────────────────


async def asked_as(role: str, **variables: str) -> dict[tuple[str, str], int]:
    users = f"vera:viewer:{hash_password(PASSWORD)},otto:operator:{hash_password(PASSWORD)}"
    name = {"viewer": "vera", "operator": "otto", "admin": "admin"}[role]
    async with knocking(house(with_password(DASHBOARD_USERS=users, **variables))) as client:
        assert (await sign_in(client, name)).status_code == 303
        asked = [("GET", "/jobs"), ("POST", "/jobs"), ("DELETE", "/jobs"), ("GET", "/admin"), ("POST", "/admin")]
        return {(m, path): (await client.request(m, path, headers=OURS)).status_code for m, path in asked}


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("viewer", [200, 403, 403, 403, 403]), ("operator", [200, 200, 200, 403, 403]), ("admin", [200] * 5)],
)
async def test_a_viewer_looks_an_operator_acts_and_an_admin_may_all(role: str, statuses: list[int]) -> None:
    assert list((await asked_as(role)).values()) == statuses


async def test_read_only_makes_a_viewer_of_everybody() -> None:
    for role in ("viewer", "operator", "admin"):
        assert list((await asked_as(role, DASHBOARD_READ_ONLY="1")).values()) == [200, 403, 403, 403, 403]


async def test_too_low_a_role_is_told_which_one_it_needs() -> None:
    async with knocking(house(with_password(DASHBOARD_READ_ONLY="1"))) as client:
        await sign_in(client)
        response = await client.post("/jobs", headers={**OURS, **PAGE})
        assert response.text == "You are signed in, but this needs the role 'operator'.\n"


# ── other sites ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HOST},
        {"Sec-Fetch-Site": ""},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://bar.example.evil.example"},
        {"Origin": "http://bar.example:8080"},
        {"Origin": "http://bar.example@evil.example"},
        {"Origin": "ftp://bar.example"},
        {"Origin": "http://["},
        {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
        {"Referer": f"{HOST}/jobs"},
    ],
)
async def test_a_page_of_another_site_cannot_act(headers: dict[str, str]) -> None:
    async with knocking(house(with_password())) as client:
        await sign_in(client)
        for method, path in product(["POST", "PUT", "PATCH", "DELETE", "ANY"], ["/jobs", "/sign-out", "/sign-in"]):
            response = await client.request(method, path, headers=headers)
            assert (response.status_code, "set-cookie" in response.headers) == (403, False)
        assert (await client.get("/jobs", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": HOST},
        {"Origin": "HTTP://Bar.Example"},
        {"Origin": "https://app.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_our_own_pages_can(headers: dict[str, str]) -> None:
    settings = with_password(DASHBOARD_ORIGIN="https://app.example, http://other.example:3000")
    async with knocking(house(settings), "https://bar.example") as client:
        await sign_in(client)
        assert (await client.post("/jobs", headers=headers)).status_code == 200


async def test_the_host_that_a_trusted_proxy_names_is_ours_too() -> None:
    settings = with_password(DASHBOARD_TRUSTED_PROXY="203.0.113.0/24")
    seen = {"X-Forwarded-Host": "evil.example, app.example", "X-Forwarded-Proto": "https"}
    async with knocking(house(settings), "https://inner", **seen) as client:
        await sign_in(client)
        assert (await client.post("/jobs", headers={"Origin": "https://app.example"})).status_code == 200
        assert (await client.post("/jobs", headers={"Origin": "https://evil.example"})).status_code == 403


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────

MB = 1024 * 1024


async def body_of(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 64 * 1024):
        yield b"x" * min(64 * 1024, size - start)


async def test_a_megabyte_is_taken_and_no_more() -> None:
    async with knocking(house(with_password()), **OURS) as client:
        await sign_in(client)
        assert (await client.post("/measure", content=b"x" * MB)).text == str(MB)
        assert (await client.post("/measure", content=body_of(MB))).text == str(MB)
        assert (await client.post("/measure", content=b"x" * (MB + 1))).status_code == 413
        assert (await client.post("/measure", content=body_of(MB + 1))).status_code == 413
        assert (await client.post("/sign-in", content=body_of(32 * MB))).status_code in (401, 413)


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 5_000, "²", " "])
async def test_a_length_that_is_none_is_refused(length: str) -> None:
    async with knocking(house(with_password()), **OURS) as client:
        await sign_in(client)
        headers = [*OURS.items(), ("Content-Length", length.encode())]
        request = client.build_request("POST", "/measure", headers=httpx2.Headers(headers))  # pyright: ignore[reportArgumentType]
        assert (await client.send(request)).status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
async def test_a_compressed_body_is_refused(encoding: str) -> None:
    async with knocking(house(with_password()), **OURS) as client:
        await sign_in(client)
        for path in ("/measure", "/sign-in"):
            response = await client.post(path, content=b"x", headers={"Content-Encoding": encoding})
            assert response.status_code == 415


async def test_a_body_too_large_is_refused_for_an_app_that_is_not_starlettes_too() -> None:
    async def bare(scope: Any, receive: Any, _send: Any) -> None:
        while scope["type"] == "http":
            await receive()

    async with knocking(house(with_password())) as signed_in:
        await sign_in(signed_in)
    async with knocking(SignIn(with_password()).wrap(bare)) as client:
        client.cookies = signed_in.cookies
        assert (await client.post("/x", content=body_of(MB + 1), headers=OURS)).status_code == 413
