"""A trusted proxy's header, and development on this machine."""

import pytest

from .house import HOST, OURS, house, knocking, settings_of, sign_in, with_password

PROXY = ("10.0.0.1", 1)
BY_PROXY = {"DASHBOARD_TRUSTED_PROXY": "10.0.0.0/24", "DASHBOARD_PROXY_USER_HEADER": "X-Forwarded-User"}


async def test_a_trusted_proxy_says_who_is_signed_in() -> None:
    app = house(settings_of(**BY_PROXY, DASHBOARD_USERS="otto@bar.example:operator"))
    async with knocking(app, peer=PROXY) as client:
        assert (
            await client.get("/", headers={"X-Forwarded-User": "vera@bar.example"})
        ).text == "vera@bar.example:viewer"
        assert (await client.get("/", headers={"X-Forwarded-User": "otto@bar.example"})).text.endswith(":operator")
        assert (await client.get("/")).status_code == 401


async def test_the_role_of_those_who_are_not_named_can_be_set() -> None:
    async with knocking(house(settings_of(**BY_PROXY, DASHBOARD_PROXY_ROLE="admin")), peer=PROXY) as client:
        assert (await client.get("/", headers={"X-Forwarded-User": "vera"})).text == "vera:admin"


@pytest.mark.parametrize(
    "peer", [("10.0.1.1", 1), ("203.0.113.9", 1), ("::1", 1), ("127.0.0.1", 1), None, ("testclient", 1)]
)
async def test_from_anybody_else_the_header_means_nothing(peer: tuple[str, int] | None) -> None:
    async with knocking(house(settings_of(**BY_PROXY)), peer=peer) as client:
        for forged in ({}, {"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}):
            response = await client.get("/", headers={"X-Forwarded-User": "admin", **forged})
            assert response.status_code == 401


@pytest.mark.parametrize("value", ["", " ", "x" * 201, "a\tb", "\u202eevil"])
async def test_a_name_that_is_none_is_nobody(value: str) -> None:
    async with knocking(house(settings_of(**BY_PROXY)), peer=PROXY) as client:
        response = await client.get("/", headers=[("X-Forwarded-User", value.encode())])  # pyright: ignore[reportArgumentType]
        assert response.status_code == 401


async def test_a_header_that_comes_twice_is_nobody() -> None:
    async with knocking(house(settings_of(**BY_PROXY)), peer=PROXY) as client:
        twice = [("X-Forwarded-User", "admin"), ("X-Forwarded-User", "vera")]
        assert (await client.get("/", headers=twice)).status_code == 401


async def test_the_proxys_address_written_as_ipv6_is_the_same_one() -> None:
    async with knocking(house(settings_of(**BY_PROXY)), peer=("::ffff:10.0.0.1", 1)) as client:
        assert (await client.get("/", headers={"X-Forwarded-User": "vera"})).text == "vera:viewer"


async def test_several_ways_may_be_on() -> None:
    app = house(with_password(**BY_PROXY))
    async with knocking(app, peer=PROXY) as client:
        assert (await client.get("/", headers={"X-Forwarded-User": "vera"})).text == "vera:viewer"
        await sign_in(client)
        assert (await client.get("/", headers={"X-Forwarded-User": "vera"})).text == "admin:admin"


# ── development ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "base", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:9", "http://bar.localhost"]
)
async def test_in_development_this_machine_needs_no_password(peer: str, base: str) -> None:
    async with knocking(house(settings_of(), development=True), base, (peer, 1)) as client:
        assert (await client.get("/")).text == "developer:admin"
        assert (await client.post("/jobs")).status_code == 403
        assert (await client.post("/jobs", headers=OURS)).status_code == 200
        # Next.js passes requests on and says for whom.
        by_next = {"X-Forwarded-For": "::1", "X-Forwarded-Host": "localhost:3000"}
        assert (await client.get("/", headers=by_next)).status_code == 200


@pytest.mark.parametrize(
    ("peer", "base", "headers"),
    [
        ("192.168.1.2", "http://localhost", {}),
        ("", "http://localhost", {}),
        ("127.0.0.1", HOST, {}),
        ("127.0.0.1", "http://localhost.evil.example", {}),
        ("127.0.0.1", "http://192.168.1.2", {}),
        ("127.0.0.1", "http://localhost", {"X-Forwarded-For": "203.0.113.9"}),
        ("127.0.0.1", "http://localhost", {"X-Forwarded-For": "203.0.113.9, 127.0.0.1"}),
        ("127.0.0.1", "http://localhost", {"X-Forwarded-Host": "bar.example"}),
        ("127.0.0.1", "http://localhost", {"Forwarded": "for=203.0.113.9"}),
        ("127.0.0.1", "http://localhost", {"Host": ""}),
        ("127.0.0.1", "http://localhost", {"Host": "[::1"}),
    ],
)
async def test_nobody_else_is_let_in_by_development(peer: str, base: str, headers: dict[str, str]) -> None:
    async with knocking(house(settings_of(), development=True), base, (peer, 1)) as client:
        assert (await client.get("/", headers=headers)).status_code == 401


async def test_in_development_a_password_that_is_set_is_asked_for() -> None:
    async with knocking(house(with_password(), development=True), "http://localhost", ("127.0.0.1", 1)) as client:
        assert (await client.get("/")).status_code == 401
