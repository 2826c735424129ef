"""No secret in any answer or any log, whatever happens."""

import logging

import jwt
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from barback.dashboard.signing_in import hash_password

from .house import OURS, PAGE, PASSWORD, SECRET, house, knocking, sign_in, with_password

TYPED = "typed-canary-password"
TYPED_NAME = "typed-canary-as-name"
LEGACY = "legacy-canary-secret-0123456789abcdef"


@pytest.fixture(autouse=True)
def default_logging() -> None:
    """Whatever another test has configured."""
    structlog.reset_defaults()


async def test_no_secret_is_in_any_answer_or_log(caplog: pytest.LogCaptureFixture) -> None:
    hashed = hash_password(PASSWORD)
    settings = with_password(
        DASHBOARD_USERS=f"vera:viewer:{hashed}",
        DASHBOARD_SUPABASE="1",
        NEXT_PUBLIC_SUPABASE_URL="http://127.0.0.1:9",
        DASHBOARD_SUPABASE_JWT_SECRET=LEGACY,
    )
    bearer = jwt.encode({"sub": "x"}, LEGACY, "HS256")
    unknown_key = jwt.encode({"sub": "x"}, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "k"})
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    with capture_logs() as events:
        async with knocking(house(settings)) as client:
            for name, password in [(TYPED_NAME, TYPED), ("admin", TYPED), ("vera", PASSWORD), ("admin", PASSWORD)]:
                said.append((await sign_in(client, name, password)).text)
            said += [(await sign_in(client, TYPED_NAME, f"{TYPED}{n}")).text for n in range(25)]
            cookie = client.cookies["barback_session"]
            said += [(await client.get("/")).text, (await client.post("/sign-out", headers=OURS)).text]
            for path in ("/", "/jobs", "/nowhere", "/admin", "/sign-in"):
                for token in (bearer, unknown_key, "nonsense", cookie):
                    for headers in (PAGE, OURS):
                        answer = await client.get(path, headers={"Authorization": f"Bearer {token}", **headers})
                        said += [answer.text, str(answer.headers)]
    logged = "\n".join(map(str, events)) + caplog.text
    assert "signed in" in logged
    assert "too many wrong tries" in logged
    assert "a Supabase token was refused" in logged
    assert "keys cannot be fetched" in logged
    for secret in (PASSWORD, SECRET, hashed, LEGACY, TYPED, TYPED_NAME, bearer, unknown_key, cookie):
        assert secret not in logged
        # The name stands in its field again, as whoever typed it saw it before.
        assert secret == TYPED_NAME or not [text for text in said if secret in text]


async def test_a_missing_secret_is_told_at_the_start() -> None:
    with capture_logs() as events:
        house(with_password())
    assert not events
    with capture_logs() as events:
        house(with_password(DASHBOARD_SECRET=""))
    assert [event["event"] for event in events] == [
        "DASHBOARD_SECRET is not set: everybody has to sign in again when the dashboard restarts"
    ]
