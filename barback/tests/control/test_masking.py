"""Nothing secret is shown, and nothing endless (B2)."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.control.masking import PAGE, ROW, Room, show
from barback.masking import MASK

CANARY = "c4n4ry"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=12,
)


def shown(value: Any, *secrets: tuple[str, ...], room: Room = PAGE) -> Any:
    return json.loads(show(json.dumps(value), secrets, room).text)


def test_a_secret_is_masked_wherever_its_path_leads() -> None:
    value = {"user": {"password": CANARY, "name": "x"}, "items": [{"token": CANARY}, {"token": CANARY}]}
    assert shown(value, ("user", "password"), ("items", "token")) == {
        "user": {"password": MASK, "name": "x"},
        "items": [{"token": MASK}, {"token": MASK}],
    }
    assert shown(value, ("items", "*", "token"), ("user",))["user"] == MASK
    assert shown({"by": {"x": CANARY, "y": CANARY}}, ("by", "*")) == {"by": {"x": MASK, "y": MASK}}
    assert shown({"pair": [1, CANARY]}, ("pair", "1")) == {"pair": [1, MASK]}


def test_a_secret_is_masked_under_either_of_its_names() -> None:
    assert shown({"apiKey": CANARY, "api_key": CANARY, "APIKEY": CANARY}, ("api_key",)) == {
        "apiKey": MASK, "api_key": MASK, "APIKEY": MASK,
    }  # fmt: skip


@given(JSON, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_no_secret_is_shown_of_any_payload(value: Any, path: list[str]) -> None:
    payload: dict[str, Any] = {"a": value, "b": [value]}
    here = payload
    for key in path[:-1]:
        here[key] = dict(here[key]) if isinstance(here.get(key), dict) else {}
        here = here[key]
    here[path[-1]] = {"deep": [CANARY, {CANARY: CANARY}]}
    for room in (PAGE, ROW):
        assert CANARY in show(json.dumps(payload), (), PAGE).text
        assert CANARY not in show(json.dumps(payload), [path], room).text


@pytest.mark.parametrize("data", [f'{{"password":"{CANARY}"', f'{{"password":"{CANARY}"}}' + " " * 300_000])
def test_what_cannot_be_read_is_not_shown_if_it_may_hold_a_secret(data: str) -> None:
    told = show(data, [("password",)])
    assert CANARY not in told.text
    assert "not shown" in told.text
    assert not told.complete
    assert CANARY in show(data).text


def test_a_huge_payload_is_not_read_for_a_row() -> None:
    data = '{"a":"' + "x" * 32_000_000 + '"}'
    began = time.perf_counter()
    told = show(data, room=ROW)
    assert time.perf_counter() - began < 0.5
    assert told.text == '{"a":"' + "x" * 94 + "… (32,000,008 bytes in all)"


def test_the_beginning_of_a_payload_is_known_to_be_one() -> None:
    data = '{"a":"é"}'
    assert show(data, size=len(data.encode())).complete
    assert show('{"a":"é', size=80_000).text == '{"a":"é… (80,000 bytes in all)'
    assert "not shown" in show('{"a":1}', [("b",)], size=80_000).text


def test_long_texts_lists_objects_and_deep_ones_are_cut_and_say_so() -> None:
    room = Room(text=3, items=2, depth=2)
    assert shown({"a": "abcdef"}, room=room) == {"a": "abc… (3 more characters)"}
    assert shown([1, 2, 3, 4], room=room) == [1, 2, "… 2 more"]
    assert shown({"a": 1, "b": 2, "c": 3}, room=room) == {"a": 1, "b": 2, "…": "1 more keys"}
    assert shown({"a": {"b": {"c": 1}}}, room=room) == {"a": {"b": "…"}}
    assert not show("[1,2,3]", room=room).complete
    assert show("[1,2]", room=room).complete


def test_a_payload_that_is_deeper_than_python_reads_is_shown_as_text() -> None:
    told = show("[" * 100_000)
    assert told.text.startswith("[[[")
    assert not told.complete
