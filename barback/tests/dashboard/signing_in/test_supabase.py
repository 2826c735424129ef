"""A Supabase session: which tokens are believed, where they are looked for, and what if the keys cannot be had."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.types import ASGIApp

from barback.dashboard.signing_in.project_keys import ASK_EVERY_S, KEEP_S, ProjectKeys
from barback.dashboard.signing_in.refusals import Refused
from barback.dashboard.signing_in.session_cookie import access_token, usual_name

from .house import PAGE, PASSWORD, SECRET, house, knocking, settings_of, sign_in

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
LEGACY = "legacy-secret-of-the-project-0123456789"
EC_JWK = {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec-1", "use": "sig", "alg": "ES256"}
RSA_JWK = {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa-1", "use": "sig", "alg": "RS256"}


class Project:
    """Serves a JWKS as Supabase does. `status` 0: hangs up."""

    def __init__(self) -> None:
        self.keys: Any = {"keys": [EC_JWK, RSA_JWK]}
        self.status, self.asked = 200, 0
        project = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                project.asked += 1
                if project.status == 0:
                    self.connection.close()
                    return
                body = json.dumps(project.keys).encode() if self.path == "/auth/v1/.well-known/jwks.json" else b""
                self.send_response(project.status if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — its name there
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def project() -> Iterator[Project]:
    serving = Project()
    yield serving
    serving.close()


def supabase(project: Project, **variables: str) -> ASGIApp:
    return house(settings_of(DASHBOARD_SUPABASE="1", NEXT_PUBLIC_SUPABASE_URL=project.url, **variables))


def claims_of(project: Project, **changed: Any) -> dict[str, Any]:
    """As Supabase fills them in; None leaves one out."""
    claims = {
        "iss": f"{project.url}/auth/v1",
        "aud": "authenticated",
        "role": "authenticated",
        "sub": "5b1b1f0e-0000-4000-8000-000000000001",
        "email": "vera@bar.example",
        "iat": int(time.time()),
        "exp": int(time.time()) + 3600,
        "app_metadata": {"provider": "email", "barback_role": "operator"},
        "user_metadata": {},
        "is_anonymous": False,
        **changed,
    }
    return {name: value for name, value in claims.items() if value is not None}


def token_of(project: Project, **changed: Any) -> str:
    return jwt.encode(claims_of(project, **changed), EC_KEY, "ES256", {"kid": "ec-1"})


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes | None = None) -> str:
    """A token that no honest library would write."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.digest(key, signed.encode(), hashlib.sha256)) if key else ''}"


async def status_of(app: ASGIApp, token: str) -> int:
    async with knocking(app, Authorization=f"Bearer {token}") as client:
        return (await client.get("/")).status_code


async def test_users_of_the_project_come_in_with_the_role_an_admin_gave_them(project: Project) -> None:
    app = supabase(project)
    for role in ("viewer", "operator", "admin"):
        async with knocking(app) as client:
            token = token_of(project, app_metadata={"barback_role": role})
            response = await client.get("/", headers={"Authorization": f"Bearer {token}"})
            assert response.text == f"vera@bar.example:{role}"
    by_rsa = jwt.encode(claims_of(project), RSA_KEY, "RS256", {"kid": "rsa-1"})
    assert await status_of(app, by_rsa) == 200
    assert project.asked == 1


async def test_a_token_of_another_making_is_refused(project: Project) -> None:
    app = supabase(project)
    claims = claims_of(project)
    ec_public = EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    rsa_public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = {
        "alg none": by_hand({"alg": "none", "typ": "JWT"}, claims),
        "alg none, with a key": by_hand({"alg": "none", "kid": "ec-1"}, claims),
        "alg NONE": by_hand({"alg": "NonE", "kid": "ec-1"}, claims),
        "HS256 with the EC key": by_hand({"alg": "HS256", "kid": "ec-1"}, claims, ec_public),
        "HS256 with the RSA key": by_hand({"alg": "HS256", "kid": "rsa-1"}, claims, rsa_public),
        "HS256 with the JWK": by_hand({"alg": "HS256", "kid": "ec-1"}, claims, json.dumps(EC_JWK).encode()),
        "HS256 with nothing": by_hand({"alg": "HS256", "kid": "ec-1"}, claims, b"\0"),
        "legacy secret that is not set": jwt.encode(claims, LEGACY, "HS256", {"kid": "ec-1"}),
        "another's key": jwt.encode(claims, OTHER_KEY, "ES256", {"kid": "ec-1"}),
        "the other kind of key": jwt.encode(claims, EC_KEY, "ES256", {"kid": "rsa-1"}),
        "unknown kid": jwt.encode(claims, EC_KEY, "ES256", {"kid": "ec-2"}),
        "no kid": jwt.encode(claims, EC_KEY, "ES256"),
        "its own key in the header": jwt.encode(
            claims, OTHER_KEY, "ES256", {"kid": "ec-3", "jwk": EC_JWK, "jku": "http://evil.example"}
        ),
        "PS256": jwt.encode(claims, RSA_KEY, "PS256", {"kid": "rsa-1"}),
        "a kid that is a list": by_hand({"alg": "ES256", "kid": ["ec-1"]}, claims),
        "changed claims": f"{token_of(project).rpartition('.')[0]}.AAAA",
    }
    assert {name: await status_of(app, token) for name, token in forged.items()} == dict.fromkeys(forged, 401)


async def test_a_token_that_is_not_for_us_is_refused(project: Project) -> None:
    app = supabase(project)
    now = int(time.time())
    refused = {
        "wrong issuer": {"iss": "https://evil.supabase.co/auth/v1"},
        "no issuer": {"iss": None},
        "wrong audience": {"aud": "anon"},
        "audience among others": {"aud": ["authenticated", "other"]},
        "no audience": {"aud": None},
        "expired": {"exp": now - 60},
        "never expires": {"exp": None},
        "not yet": {"nbf": now + 600},
        "nobody": {"sub": None},
        "anon token": {"role": "anon"},
        "service token": {"role": "service_role"},
        "no role of the database": {"role": None},
        "anonymous sign-in": {"is_anonymous": True},
        "anon key": {"iss": "supabase", "aud": None, "role": "anon", "sub": None},
    }
    statuses = {name: await status_of(app, token_of(project, **changed)) for name, changed in refused.items()}
    assert statuses == dict.fromkeys(refused, 401)


@pytest.mark.parametrize(
    "changed",
    [
        {"app_metadata": {}, "user_metadata": {"barback_role": "admin", "app_metadata": {"barback_role": "admin"}}},
        {"app_metadata": None, "barback_role": "admin"},
        {"app_metadata": "admin"},
        {"app_metadata": {"barback_role": "root"}},
        {"app_metadata": {"barback_role": ["admin"]}},
        {"app_metadata": {"barback_role": 3}},
        {"app_metadata": {"role": "admin"}},
    ],
)
async def test_who_has_no_role_in_app_metadata_is_told_so(project: Project, changed: dict[str, Any]) -> None:
    async with knocking(supabase(project), **PAGE) as client:
        response = await client.get("/", headers={"Authorization": f"Bearer {token_of(project, **changed)}"})
        assert response.status_code == 403
        assert "app_metadata.barback_role" in response.text


async def test_a_name_that_cannot_be_shown_is_replaced_by_the_users_id(project: Project) -> None:
    async with knocking(supabase(project)) as client:
        token = token_of(project, email="a\r\nb@bar.example")
        response = await client.get("/", headers={"Authorization": f"Bearer {token}"})
        assert response.text == "5b1b1f0e-0000-4000-8000-000000000001:operator"


async def test_old_projects_sign_with_a_secret_that_must_be_set(project: Project) -> None:
    app = supabase(project, DASHBOARD_SUPABASE_JWT_SECRET=LEGACY)
    project.status = 500
    assert await status_of(app, jwt.encode(claims_of(project), LEGACY, "HS256")) == 200
    assert await status_of(app, jwt.encode(claims_of(project), LEGACY[::-1], "HS256")) == 401
    service = claims_of(project, iss="supabase", aud=None, role="service_role", sub=None)
    assert await status_of(app, jwt.encode(service, LEGACY, "HS256")) == 401
    assert project.asked == 0
    project.status = 200
    assert await status_of(app, token_of(project)) == 200
    public = EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert await status_of(app, by_hand({"alg": "HS256", "kid": "ec-1"}, claims_of(project), public)) == 401


# ── the project's keys ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [0, 301, 404, 500])
async def test_without_the_keys_nobody_is_let_in_and_everybody_told_why(project: Project, status: int) -> None:
    project.status = status
    app = supabase(project, DASHBOARD_PASSWORD=PASSWORD, DASHBOARD_SECRET=SECRET)
    for _ in range(3):
        async with knocking(app, **PAGE) as client:
            response = await client.get("/", headers={"Authorization": f"Bearer {token_of(project)}"})
            assert response.status_code == 503
            assert "Supabase's keys cannot be fetched" in response.text
            assert response.headers["retry-after"] == "10"
    assert project.asked == 1
    async with knocking(app, Authorization=f"Bearer {token_of(project)}") as client:
        await sign_in(client)
        assert (await client.get("/")).text == "admin:admin"


@pytest.mark.parametrize(
    "keys", [[], {}, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "oct", "k": "AA", "kid": "ec-1"}]}, None]
)
async def test_an_answer_that_holds_no_keys_is_like_none(project: Project, keys: Any) -> None:
    project.keys = keys
    assert await status_of(supabase(project), token_of(project)) in (401, 503)


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


async def test_keys_are_kept_and_unknown_ones_make_nobody_ask_often(project: Project) -> None:
    clock = Clock()
    keys = ProjectKeys(f"{project.url}/auth/v1/.well-known/jwks.json", clock)
    assert await keys.get("ec-1")
    for n in range(50):
        assert await keys.get(f"unknown-{n}") is None
    assert project.asked == 1
    clock.now += ASK_EVERY_S
    assert await keys.get("unknown") is None
    assert await keys.get("ec-1")
    assert project.asked == 2
    clock.now += KEEP_S - 1
    assert await keys.get("ec-1")
    assert project.asked == 2
    clock.now += 1
    assert await keys.get("ec-1")
    assert project.asked == 3


async def test_a_new_key_is_found_and_an_old_one_forgotten(project: Project) -> None:
    clock = Clock()
    keys = ProjectKeys(f"{project.url}/auth/v1/.well-known/jwks.json", clock)
    assert await keys.get("ec-2") is None
    project.keys = {"keys": [{**EC_JWK, "kid": "ec-2"}]}
    clock.now += ASK_EVERY_S
    assert await keys.get("ec-2")
    assert await keys.get("ec-1") is None


async def test_an_outage_does_not_hurt_while_keys_are_fresh_and_ends_by_itself(project: Project) -> None:
    clock = Clock()
    keys = ProjectKeys(f"{project.url}/auth/v1/.well-known/jwks.json", clock)
    assert await keys.get("ec-1")
    project.status = 500
    clock.now += ASK_EVERY_S
    assert await keys.get("unknown") is None
    assert await keys.get("ec-1")
    clock.now += KEEP_S
    with pytest.raises(Refused):
        await keys.get("ec-1")
    project.status = 200
    clock.now += ASK_EVERY_S
    assert await keys.get("ec-1")


# ── the cookie ──────────────────────────────────────────────────────────────────────────────────────


def session_text(token: str) -> str:
    return json.dumps({"access_token": token, "refresh_token": "r", "user": {"name": "Zoë"}}, ensure_ascii=False)


def in_base64(token: str) -> str:
    return "base64-" + base64.urlsafe_b64encode(session_text(token).encode()).decode().rstrip("=")


async def test_the_session_of_the_app_is_enough(project: Project) -> None:
    value = in_base64(token_of(project))
    chunks = [value[:500], value[500:1000], value[1000:]]
    forms = [
        {"sb-127-auth-token": value},
        {f"sb-127-auth-token.{n}": chunk for n, chunk in enumerate(chunks)},
        {"sb-127-auth-token": quote(session_text(token_of(project)), safe="")},
    ]
    app = supabase(project)
    for cookies in forms:
        async with knocking(app, Cookie="; ".join(f"{name}={text}" for name, text in cookies.items())) as client:
            assert (await client.get("/")).text == "vera@bar.example:operator"
            # A cookie is sent by whatever page asks.
            assert (await client.post("/jobs")).status_code == 403
            assert (await client.post("/jobs", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    async with knocking(app, Cookie=f"sb-other-auth-token={value}") as client:
        assert (await client.get("/")).status_code == 401
    named = supabase(project, DASHBOARD_SUPABASE_COOKIE="sb-other-auth-token")
    async with knocking(named, Cookie=f"sb-other-auth-token={value}") as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "base64-",
        "base64-!!",
        "base64-4",
        "base64-" + "/" * 8,
        "null",
        "[]",
        "{",
        "7",
        '{"access_token": 7}',
        "[" * 5_000,
    ],
)
def test_a_cookie_that_cannot_be_read_is_none(value: str) -> None:
    assert access_token({"name": value}, "name") is None
    assert access_token({"name.0": value}, "name") is None


def test_the_usual_name_is_made_of_the_projects_address() -> None:
    assert usual_name("https://abcdefgh.supabase.co") == "sb-abcdefgh-auth-token"
    assert usual_name("http://127.0.0.1:54321") == "sb-127-auth-token"
    assert usual_name("http://localhost:54321") == "sb-localhost-auth-token"


async def test_a_token_that_is_too_long_is_not_even_read(project: Project) -> None:
    assert await status_of(supabase(project), token_of(project, padding="x" * 20_000)) == 401
    assert project.asked == 0
