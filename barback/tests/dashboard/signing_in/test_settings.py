"""The settings: what is refused, in which words, and that no secret is among them."""

import pytest

from barback.dashboard.signing_in import Role, SignIn, hash_password
from barback.errors import SettingsError

from .house import PASSWORD, SECRET, settings_of, with_password

CANARY = "canary-7f3a"


def wrong(**variables: str) -> str:
    """What is said of these variables."""
    with pytest.raises(SettingsError) as refusal:
        SignIn(settings_of(**variables))
    assert refusal.value.exit_code == 2
    return str(refusal.value)


def test_without_a_way_to_sign_in_the_dashboard_does_not_start() -> None:
    assert wrong() == (
        "Wrong settings:\n  DASHBOARD_PASSWORD: not set, and there is no other way to sign in. Set it (12 characters "
        "or more), or DASHBOARD_PASSWORD_HASH, or DASHBOARD_SUPABASE=1, or DASHBOARD_PROXY_USER_HEADER; "
        "see docs/sign-in.md."
    )
    # People of whom none has a password are no way in.
    assert "no other way" in wrong(DASHBOARD_USERS="vera:viewer")
    assert "no other way" in wrong(DASHBOARD_TRUSTED_PROXY="10.0.0.1")
    assert "no other way" in wrong(NEXT_PUBLIC_SUPABASE_URL="https://x.supabase.co")


@pytest.mark.parametrize(
    "variables",
    [
        {"DASHBOARD_PASSWORD": PASSWORD},
        {"DASHBOARD_PASSWORD_HASH": hash_password(PASSWORD)},
        {"DASHBOARD_USERS": f"vera:viewer:{hash_password(PASSWORD)}\n otto:operator:{hash_password(PASSWORD)}\n"},
        {"DASHBOARD_SUPABASE": "1", "NEXT_PUBLIC_SUPABASE_URL": "https://x.supabase.co"},
        {"DASHBOARD_TRUSTED_PROXY": "10.0.0.0/8, ::1", "DASHBOARD_PROXY_USER_HEADER": "X-Forwarded-User"},
    ],
)
def test_any_way_in_is_enough(variables: dict[str, str]) -> None:
    SignIn(settings_of(**variables))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DASHBOARD_PASSWORD", "canary-7f3a", "DASHBOARD_PASSWORD: expected at least 12 characters."),
        ("DASHBOARD_PASSWORD", "changeme-changeme", "DASHBOARD_PASSWORD: expected something else than digits and"),
        ("DASHBOARD_PASSWORD_HASH", CANARY, "DASHBOARD_PASSWORD_HASH: expected what `barback dashboard hash` prints"),
        ("DASHBOARD_USERS", f"vera:viewer:{CANARY}", "DASHBOARD_USERS: entry 1: expected a hash made by"),
        ("DASHBOARD_USERS", f"vera:viewer,otto:{CANARY}", "DASHBOARD_USERS: entry 2: expected name:role:hash"),
        ("DASHBOARD_USERS", "vera:viewer,vera:admin", "DASHBOARD_USERS: expected each name once, got 'vera' twice."),
        ("DASHBOARD_SECRET", CANARY, "DASHBOARD_SECRET: expected at least 32 random characters"),
        ("DASHBOARD_SUPABASE_JWT_SECRET", CANARY, "DASHBOARD_SUPABASE_JWT_SECRET: expected at least 32"),
        ("DASHBOARD_TRUSTED_PROXY", "10.0.0.0/8,proxy", "DASHBOARD_TRUSTED_PROXY: expected addresses or networks"),
        ("DASHBOARD_TRUSTED_PROXY", "0.0.0.0/0", "DASHBOARD_TRUSTED_PROXY: expected the addresses of your proxies"),
        ("DASHBOARD_TRUSTED_PROXY", "::/0", "DASHBOARD_TRUSTED_PROXY: expected the addresses of your proxies"),
        ("DASHBOARD_PROXY_USER_HEADER", "X User", "DASHBOARD_PROXY_USER_HEADER: string should match"),
        ("DASHBOARD_PROXY_USER_HEADER", "X-User", "DASHBOARD_TRUSTED_PROXY: not set, and nobody else may send"),
        ("DASHBOARD_PROXY_ROLE", "root", "DASHBOARD_PROXY_ROLE: expected viewer, operator or admin, got 'root'."),
        ("DASHBOARD_ORIGIN", "https://a.example/path", "DASHBOARD_ORIGIN: expected https://host"),
        ("DASHBOARD_ORIGIN", "*", "DASHBOARD_ORIGIN: expected https://host"),
        ("DASHBOARD_SUPABASE", "1", "NEXT_PUBLIC_SUPABASE_URL: not set, and DASHBOARD_SUPABASE is on."),
        ("NEXT_PUBLIC_SUPABASE_URL", "file:///etc/passwd", "NEXT_PUBLIC_SUPABASE_URL: expected https://<project>"),
        ("DASHBOARD_SIGN_IN_URL", "javascript:alert(1)", "DASHBOARD_SIGN_IN_URL: string should match"),
        ("DASHBOARD_USER", "a b", "DASHBOARD_USER: string should match"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(name: str, value: str, says: str) -> None:
    message = wrong(**{name: value})
    assert f"  {says}" in message
    assert CANARY not in message


def test_a_password_and_a_hash_are_one_too_many() -> None:
    message = wrong(DASHBOARD_PASSWORD=PASSWORD, DASHBOARD_PASSWORD_HASH=hash_password(PASSWORD))
    assert "DASHBOARD_PASSWORD_HASH: set this or DASHBOARD_PASSWORD, not both." in message


def test_the_same_name_twice_is_refused() -> None:
    message = wrong(DASHBOARD_PASSWORD=PASSWORD, DASHBOARD_USER="vera", DASHBOARD_USERS="vera:viewer")
    assert "DASHBOARD_USERS: expected other names than that of DASHBOARD_USER" in message


def test_a_password_like_its_own_user_is_refused() -> None:
    assert "DASHBOARD_PASSWORD: expected something else" in wrong(
        DASHBOARD_USER="philippa-lovelace", DASHBOARD_PASSWORD="philippa-lovelace"
    )


def test_settings_that_are_printed_show_no_secret() -> None:
    hashed = hash_password(PASSWORD)
    settings = with_password(DASHBOARD_USERS=f"vera:viewer:{hashed}", DASHBOARD_SUPABASE_JWT_SECRET=SECRET)
    shown = repr(settings) + str(settings.model_dump()) + repr(settings.further_accounts())
    assert not [secret for secret in (PASSWORD, hashed, SECRET) if secret in shown]


def test_lists_are_written_with_commas() -> None:
    settings = settings_of(
        DASHBOARD_TRUSTED_PROXY="10.1.2.3/8, ::1,", DASHBOARD_ORIGIN="https://A.example,http://b:3000"
    )
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.origins == ["https://a.example", "http://b:3000"]
    assert settings_of(DASHBOARD_PROXY_ROLE="Operator").proxy_role is Role.OPERATOR
