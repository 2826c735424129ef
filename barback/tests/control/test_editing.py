"""A payload is edited without its secrets being seen, and none of them ends up where it does not belong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.control.editing import hidden, restored
from barback.errors import UsageError
from barback.masking import ANY, MASK

STORED = {"user": "ada", "apiToken": "s1", "cards": [{"name": "a", "no": "s2"}, {"name": "b", "no": "s3"}]}
SECRETS = [("api_token",), ("cards", ANY, "no")]


def test_what_is_hidden_comes_back() -> None:
    seen = hidden(STORED, SECRETS)
    assert not [secret for secret in ("s1", "s2", "s3") if secret in json.dumps(seen)]
    assert restored(seen, STORED, SECRETS) == STORED
    assert restored(seen | {"user": "bob"}, STORED, SECRETS) == STORED | {"user": "bob"}
    assert restored(seen | {"apiToken": "new"}, STORED, SECRETS) == STORED | {"apiToken": "new"}


@pytest.mark.parametrize(
    "edited",
    [
        {"apiToken": "x", "cards": [{"name": "b", "no": MASK}]},
        {"apiToken": "x", "cards": [{"name": "b", "no": MASK}, {"name": "a", "no": MASK}]},
        {"cards": {"a": {"no": MASK}}},
        {"api_token": MASK},
    ],
)
def test_a_secret_never_moves_to_another_place(edited: Any) -> None:
    with pytest.raises(UsageError, match="type its value in place of •••"):
        restored(edited, STORED, SECRETS)


def test_true_is_not_one() -> None:
    assert restored({"a": 1, "s": MASK}, {"a": True, "s": "x"}, [("s",)])["a"] is not True


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
paths = st.lists(st.lists(st.sampled_from(["a", "b", "c", ANY]), max_size=3).map(tuple), max_size=3)


@given(json_values, paths)
def test_whatever_is_hidden_comes_back(value: Any, secrets: list[tuple[str, ...]]) -> None:
    assert json.dumps(restored(hidden(value, secrets), value, secrets)) == json.dumps(value)
