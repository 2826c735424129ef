"""Passwords: what is refused, and what a hash looks like."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.dashboard.signing_in import hash_password
from barback.dashboard.signing_in.passwords import LONGEST, SHORTEST, is_hash, verify, weakness


@pytest.mark.parametrize(
    "password",
    [
        "admin", "changeme", "short-one-1", "password1234", "changeme-please", "ChangeMe!2026!", "P@ssw0rd1234",
        "adminadminadmin", "administrator", "123456789012", "aaaaaaaaaaaaaaaa", "qwertyuiop123", "letmein-letmein",
        "dashboard-2026", "barback-admin-1", "correct" + "x" * LONGEST, "            ", "supabase secret",
    ],
)  # fmt: skip
def test_a_password_that_others_would_try_is_refused(password: str) -> None:
    assert weakness(password, "admin")


@pytest.mark.parametrize("password", ["Philippa-Lovelace", "philippa-lovelace-1", "PHILIPPA-LOVELACE!!!"])
def test_a_password_that_is_the_name_of_its_user_is_refused(password: str) -> None:
    assert weakness(password, "philippa-lovelace") == "expected something else than the name of the user"


@pytest.mark.parametrize(
    "password", ["vermouth-orange-peel", "correct horse battery staple", "x7#Kq!vT2mZ9", "größere-käsetheke"]
)
def test_a_good_password_is_taken(password: str) -> None:
    assert weakness(password, "admin") is None


@given(st.text(alphabet=string.ascii_letters + string.digits, min_size=24, max_size=40))
def test_why_it_is_refused_never_shows_it(password: str) -> None:
    assert password not in (weakness(password, "admin") or "")


@pytest.mark.parametrize("password", ["", "pw", "x" * LONGEST, "größer", "\ud800"])
def test_a_hash_knows_its_password_and_no_other(password: str) -> None:
    hashed = hash_password(password)
    assert verify(password, hashed)
    assert not verify(f"{password}x", hashed)
    assert hashed != hash_password(password)
    assert is_hash(hashed)


def test_a_hash_can_stand_in_any_file_and_shell() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+", hash_password("pw"))


@pytest.mark.parametrize(
    "text",
    [
        "", "pw", "scrypt.15.8.3", "scrypt.15.8.3.AAAA.AAAA",
        *(f"scrypt.{cost}.{'A' * 22}.{'A' * 43}" for cost in ("13.8.1", "18.8.1", "99.99.99", "15.9.1", "15.8.5")),
        *(f"scrypt.{cost}.{'A' * 22}.{'A' * 43}" for cost in ("15.0.1", "15.8.0", "15.8", "\u06615.8.1")),
        "$argon2id$v=19$m=65536,t=3,p=4$AAAA$AAAA",
    ],
)  # fmt: skip
def test_what_is_no_hash_or_too_dear_a_one_is_not_taken(text: str) -> None:
    assert not is_hash(text)


def test_the_shortest_is_twelve() -> None:
    assert SHORTEST == 12
