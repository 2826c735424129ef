"""What an answer that is none means: whether waiting helps, whether anything was written, and what to check."""

import httpx
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.store.troubles import Trouble, trouble_of_answer, trouble_of_error

CHECK_URL, CHECK_KEY, CHECK_SCHEMA = "NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "cafes migrate"


def trouble(status: int, code: str | None = None, **headers: str) -> Trouble:
    return trouble_of_answer(status, headers, None if code is None else {"code": code, "message": "so it is"})


@pytest.mark.parametrize(
    ("status", "code", "passes", "undone", "raises"),
    [
        # Certainly not begun, or rolled back, and over soon: anything may be asked again.
        (429, None, True, True, StoreUnavailable),
        (503, "PGRST000", True, True, StoreUnavailable),
        (503, "PGRST002", True, True, StoreUnavailable),
        (504, "PGRST003", True, True, StoreUnavailable),
        (503, "53300", True, True, StoreUnavailable),
        (500, "40P01", True, True, StoreError),
        (500, "40001", True, True, StoreError),
        # Perhaps done: only what may be done twice is asked again.
        (500, None, True, False, StoreUnavailable),
        (502, None, True, False, StoreUnavailable),
        (503, None, True, False, StoreUnavailable),
        (504, None, True, False, StoreUnavailable),
        (520, None, True, False, StoreUnavailable),
        (503, "PGRST001", True, False, StoreUnavailable),
        (503, "08006", True, False, StoreUnavailable),
        (500, "57P01", True, False, StoreUnavailable),
        (500, "40003", True, False, StoreUnavailable),
        # Not over soon.
        (401, "", False, True, StoreUnavailable),
        (401, "PGRST301", False, True, StoreUnavailable),
        (401, "42501", False, True, StoreUnavailable),
        (403, "42501", False, True, StoreUnavailable),
        (405, "25006", False, True, StoreUnavailable),
        (406, "PGRST106", False, True, StoreUnavailable),
        (404, None, False, False, StoreUnavailable),
        (200, None, False, False, StoreUnavailable),
        (302, None, False, False, StoreUnavailable),
        # What was asked is at fault.
        (404, "PGRST202", False, True, StoreError),
        (404, "PGRST205", False, True, StoreError),
        (404, "42883", False, True, StoreError),
        (500, "57014", False, True, StoreError),
        (409, "23505", False, True, StoreError),
        (400, "P0001", False, True, StoreError),
        (500, "XX000", False, True, StoreError),
        (400, "PGRST102", False, False, StoreError),
    ],
)
def test_what_an_answer_means(
    status: int, code: str | None, passes: bool, undone: bool, raises: type[Exception]
) -> None:
    """C3. Nothing may be asked again whose first answer, once lost, somebody needed."""
    found = trouble(status, code)
    assert (found.passes, found.undone, found.raises) == (passes, undone, raises)
    assert found.says.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("status", "code", "named"),
    [
        (401, "", CHECK_KEY),
        (401, "PGRST301", CHECK_KEY),
        (403, "42501", CHECK_KEY),
        (403, "42501", "row-level security"),
        (404, "PGRST202", CHECK_SCHEMA),
        (404, "PGRST202", "notify pgrst, 'reload schema'"),
        (404, "42P01", CHECK_SCHEMA),
        (406, "PGRST106", "schema 'public'"),
        (500, "57014", "statement_timeout"),
        (540, None, "a project that is not paused"),
        (404, None, CHECK_URL),
        (200, None, CHECK_URL),
        (429, None, "limits"),
    ],
)
def test_what_to_check_is_named(status: int, code: str | None, named: str) -> None:
    assert named in trouble(status, code).says


def test_what_was_said_is_passed_on_in_one_line_of_bounded_length() -> None:
    said = {"code": "23505", "message": "duplicate\nkey " + "x" * 10_000}
    says = trouble_of_answer(409, {}, said).says
    assert says.startswith("HTTP 409 23505: duplicate key xxx")
    assert len(says) < 400


@pytest.mark.parametrize("said", [None, {}, {"code": None, "message": None}, {"code": 7, "message": ["a"]}, {"x": "y"}])
def test_an_answer_of_any_form_is_understood(said: dict[str, object] | None) -> None:
    for status in range(200, 600):
        assert trouble_of_answer(status, {}, said).says.startswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("x", None)]
)
def test_how_long_a_server_wants_to_be_left_alone(header: str, seconds: float | None) -> None:
    assert trouble(429, **{"retry-after": header}).retry_after_s == seconds


@pytest.mark.parametrize(
    ("error", "passes", "undone"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), True, True),
        (httpx.ConnectTimeout(""), True, True),
        (httpx.PoolTimeout(""), False, True),
        (httpx.ReadTimeout(""), False, False),
        (httpx.WriteTimeout(""), False, False),
        (httpx.ReadError(""), True, False),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), True, False),
    ],
)
def test_what_it_means_that_no_answer_came(error: httpx.TransportError, passes: bool, undone: bool) -> None:
    """C3. Only a request that never left is certain to have done nothing."""
    found = trouble_of_error(error)
    assert (found.passes, found.undone, found.raises) == (passes, undone, StoreUnavailable)
    assert "Check" in found.says or "DATABASE_CONNECTIONS" in found.says
