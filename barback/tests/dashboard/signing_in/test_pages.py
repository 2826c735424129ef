"""Signing in with a password, staying signed in, signing out, and guessing."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest

from barback.dashboard.signing_in import gate, hash_password, passwords
from barback.dashboard.signing_in import sessions as sessions_module
from barback.dashboard.signing_in.bodies import BodyLimit

from .house import HOST, OURS, PAGE, PASSWORD, house, knocking, settings_of, sign_in, with_password


async def test_the_right_password_opens_and_leads_back() -> None:
    async with knocking(house(with_password())) as client:
        response = await sign_in(client, next="/jobs?state=failed")
        assert (response.status_code, response.headers["location"]) == (303, "/jobs?state=failed")
        assert (await client.get("/")).text == "admin:admin"
        assert (await client.get("/events")).text == "data: 1\n\n"


@pytest.mark.parametrize("prefix", ["", "/dashboard/queues"])
async def test_next_never_leads_elsewhere(prefix: str) -> None:
    async with knocking(house(with_password(), prefix)) as client:
        for evil in ("//evil", "\\evil", "/\\evil", "https://evil", "/%2e%2e/%2e%2e/x", f"{prefix}/../x", "/a\r\nX: y"):
            response = await sign_in(client, prefix=prefix, next=evil)
            assert response.headers["location"] == (prefix or "/")
            page = await client.get(f"{prefix}/sign-in", params={"next": evil})
            assert f'name="next" value="{prefix or "/"}"' in page.text


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("admin", "wrong-password"),
        ("nobody", PASSWORD),
        ("", ""),
        ("admin", ""),
        ("admin", "x" * 10_000),
        ("é", "\ud800"),
    ],
)
async def test_a_wrong_name_or_password_is_told_the_same(name: str, password: str) -> None:
    async with knocking(house(with_password())) as client:
        response = await sign_in(client, name, password.encode("utf-8", "replace").decode())
        assert response.status_code == 401
        assert "Wrong name or password." in response.text
        assert "set-cookie" not in response.headers
        assert (await client.get("/")).status_code == 401


async def test_after_a_wrong_password_the_name_need_not_be_typed_again() -> None:
    async with knocking(house(with_password())) as client:
        response = await sign_in(client, "<script>name", "<script>password")
        assert 'name="name"' in response.text
        assert 'value="&lt;script&gt;name"' in response.text
        assert "<script>" not in response.text
        assert "password&" not in response.text
        assert ";password" not in response.text


async def test_strangers_cannot_fill_memory_nor_keep_a_request_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FROM_STRANGERS", BodyLimit(16 * 1024, 0.1))

    async def endless() -> AsyncIterator[bytes]:
        yield b"name=admin&"
        await asyncio.sleep(3600)

    async with knocking(house(with_password()), **OURS) as client:
        answer = await client.post("/sign-in", content=b"name=" + b"x" * 16 * 1024)
        assert (answer.status_code, "larger than 16 KB" in answer.text) == (413, True)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post("/sign-in", content=endless(), headers=headers)
        assert (answer.status_code, answer.headers["connection"]) == (408, "close")


async def test_whoever_has_signed_in_sends_as_much_and_as_slowly_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "FROM_STRANGERS", BodyLimit(16 * 1024, 0.05))

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 16 * 1024
        await asyncio.sleep(0.1)
        yield b"x"

    async with knocking(house(with_password()), **OURS) as client:
        await sign_in(client)
        assert (await client.post("/measure", content=slow())).text == str(16 * 1024 + 1)


async def test_a_name_that_is_not_known_costs_as_much_as_one_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[tuple[int, int, int]] = []
    scrypt = passwords._scrypt  # pyright: ignore[reportPrivateUsage]

    def counting(password: str, salt: bytes, *cost: int) -> bytes:
        costs.append((cost[0], cost[1], cost[2]))
        return scrypt(password, salt, *cost)

    app = house(with_password(DASHBOARD_USERS="vera:viewer"))
    monkeypatch.setattr(passwords, "_scrypt", counting)
    async with knocking(app) as client:
        for name in ("admin", "nobody", "vera"):
            await sign_in(client, name, "wrong-password")
    assert len(costs) == 3
    assert len(set(costs)) == 1


async def test_a_file_in_place_of_a_password_is_refused() -> None:
    async with knocking(house(with_password()), **OURS) as client:
        response = await client.post("/sign-in", data={"name": "admin"}, files={"password": b"x"})
        assert response.status_code == 400


# ── the cookie ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("base", "prefix", "settings", "name", "secure"),
    [
        (HOST, "", {}, "barback_session", False),
        (HOST, "/q", {}, "barback_session", False),
        ("https://bar.example", "", {}, "__Host-barback_session", True),
        ("https://bar.example", "/q", {}, "__Secure-barback_session", True),
        (HOST, "/q", {"DASHBOARD_ORIGIN": "https://app.example"}, "__Secure-barback_session", True),
        (HOST, "", {"DASHBOARD_TRUSTED_PROXY": "203.0.113.9"}, "__Host-barback_session", True),
    ],
)
async def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(
    base: str, prefix: str, settings: dict[str, str], name: str, secure: bool
) -> None:
    async with knocking(house(with_password(**settings), prefix), base, **{"X-Forwarded-Proto": "https"}) as client:
        response = await sign_in(client, prefix=prefix)
        (cookie,) = SimpleCookie(response.headers["set-cookie"]).values()
        assert (cookie.key, cookie["path"], bool(cookie["secure"])) == (name, prefix or "/", secure)
        assert (cookie["httponly"], cookie["samesite"].lower(), cookie["domain"]) == (True, "lax", "")
        assert int(cookie["max-age"]) == 12 * 3600
        page = await client.get(f"{prefix}/", headers={"Cookie": f"{name}={cookie.value}"})
        assert page.status_code == 200


async def test_each_sign_in_has_a_session_of_its_own_and_ends_the_one_before() -> None:
    app = house(with_password())
    async with knocking(app) as client:
        await sign_in(client)
        first = client.cookies["barback_session"]
        await sign_in(client)
        assert client.cookies["barback_session"] != first
        assert (await client.get("/")).status_code == 200
    async with knocking(app, Cookie=f"barback_session={first}") as thief:
        assert (await thief.get("/")).status_code == 401


async def test_signing_out_ends_the_session_not_only_the_cookie() -> None:
    app = house(with_password())
    async with knocking(app) as client:
        await sign_in(client)
        kept = client.cookies["barback_session"]
        response = await client.post("/sign-out", headers=OURS)
        assert (response.status_code, response.headers["location"]) == (303, "/sign-in")
        assert "barback_session" not in client.cookies
    async with knocking(app, Cookie=f"barback_session={kept}") as thief:
        assert (await thief.get("/")).status_code == 401


async def test_a_session_outlives_a_restart() -> None:
    hashed = settings_of(DASHBOARD_PASSWORD_HASH=hash_password(PASSWORD))
    for settings in (with_password(), hashed):
        async with knocking(house(settings)) as client:
            await sign_in(client)
            cookie = client.cookies["barback_session"]
        async with knocking(house(settings), Cookie=f"barback_session={cookie}") as again:
            assert (await again.get("/")).text == "admin:admin"


async def test_a_session_is_kept_going_while_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "RENEW_AFTER_S", 0.0)
    async with knocking(house(with_password())) as client:
        await sign_in(client)
        assert "set-cookie" in (await client.get("/")).headers
        assert "set-cookie" in (await client.get("/events")).headers
        # Signing out wins over going on.
        await client.post("/sign-out", headers=OURS)
        assert (await client.get("/")).status_code == 401
    monkeypatch.setattr(sessions_module, "RENEW_AFTER_S", 60.0)
    async with knocking(house(with_password())) as client:
        await sign_in(client)
        assert "set-cookie" not in (await client.get("/")).headers


# ── guessing ────────────────────────────────────────────────────────────────────────────────────────


async def test_after_20_wrong_tries_the_right_one_is_refused_too() -> None:
    async with knocking(house(with_password())) as client:
        for n in range(20):
            # A forged header changes nothing.
            forged = {
                "X-Forwarded-For": f"198.51.100.{n}",
                "Forwarded": f"for=198.51.100.{n}",
                "X-Real-IP": f"10.0.0.{n}",
            }
            assert (await sign_in(client, password=f"wrong-{n}", headers=forged)).status_code == 401
        response = await sign_in(client, headers={"X-Forwarded-For": "198.51.100.77"})
        assert response.status_code == 429
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert "Too many wrong tries" in response.text
        assert (await sign_in(client, "other", "wrong")).status_code == 429
        assert "set-cookie" not in response.headers


async def test_20_wrong_tries_from_many_machines_close_the_account_to_all() -> None:
    app = house(with_password(DASHBOARD_USERS=f"vera:viewer:{hash_password(PASSWORD)}"))
    for n in range(20):
        async with knocking(app, peer=(f"198.51.100.{n}", 1)) as client:
            assert (await sign_in(client, password="wrong")).status_code == 401
    async with knocking(app, peer=("198.51.100.99", 1)) as client:
        assert (await sign_in(client)).status_code == 429
        assert (await sign_in(client, "vera")).status_code == 303


async def test_many_tries_at_a_time_are_no_more_than_one_after_the_other() -> None:
    async with knocking(house(with_password())) as client:
        tries = [sign_in(client, password=f"wrong-{n}") for n in range(40)]
        statuses = [response.status_code for response in await asyncio.gather(*tries)]
        assert (statuses.count(401), statuses.count(429)) == (20, 20)


async def test_the_right_password_uses_up_no_try() -> None:
    async with knocking(house(with_password())) as client:
        for _ in range(25):
            assert (await sign_in(client)).status_code == 303


async def test_behind_a_trusted_proxy_each_of_its_clients_has_tries_of_its_own() -> None:
    app = house(with_password(DASHBOARD_TRUSTED_PROXY="10.0.0.0/8"))
    async with knocking(app, peer=("10.0.0.1", 1)) as client:
        for n in range(20):
            passed_on = {"X-Forwarded-For": f"198.51.100.{n}, 203.0.113.5, 10.9.9.9"}
            await sign_in(client, f"name-{n}", "wrong", headers=passed_on)
        assert (await sign_in(client, headers={"X-Forwarded-For": "203.0.113.5"})).status_code == 429
        assert (await sign_in(client, headers={"X-Forwarded-For": "203.0.113.6"})).status_code == 303


# ── what the page says ──────────────────────────────────────────────────────────────────────────────


async def test_where_nobody_has_a_password_the_page_says_where_to_sign_in() -> None:
    proxied = {"DASHBOARD_TRUSTED_PROXY": "10.0.0.1", "DASHBOARD_PROXY_USER_HEADER": "X-User"}
    async with knocking(house(settings_of(**proxied))) as client:
        page = (await client.get("/sign-in", headers=PAGE)).text
        assert "<form" not in page
        assert "Nobody signs in on this page" in page
        assert (await sign_in(client)).status_code == 401
    async with knocking(house(settings_of(**proxied, DASHBOARD_SIGN_IN_URL="https://app.example/login"))) as client:
        assert 'href="https://app.example/login"' in (await client.get("/sign-in")).text
