"""A payload in a form and out of it again: nothing is lost, nothing secret is shown, faults are where they belong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barback.dashboard.editor import JSON_NAME, Editor, editor_of
from barback.dashboard.forms import Field, Fieldset, form_of
from barback.dashboard.schema_check import Fault, check
from barback.masking import MASK
from barback.printable import printable_lines

from .declared import FULL, Order, declared

JOB = declared()
CANARY = "canary"


def editor(before: Any = FULL, *, as_json: bool = False) -> Editor:
    return editor_of(JOB.schema, JOB.secret, before, as_json=as_json)


def kinds() -> dict[str, str]:
    form = editor().form
    assert form is not None
    return {one.name: one.kind for one in form.fields()}


# ── the fields ──────────────────────────────────────────────────────────────────────────────────────────


def test_each_field_is_of_the_kind_its_schema_asks_for() -> None:
    assert kinds() == {
        "/drink": "text",
        "/cups": "integer",
        "/price": "number",
        "/hot": "checkbox",
        "/size": "select",
        "/readyAt": "date-time",
        "/note": "text",
        "/spice": "select",
        "/address/street": "text",
        "/address/doorNumber": "integer",
        "/extras": "json",
        "/token": "secret",
        "/pin": "secret",
        "/cards": "json",
    }


def test_nested_models_are_fieldsets_and_hints_are_the_descriptions() -> None:
    form = editor().form
    assert form is not None
    assert [part.label for part in form.parts if isinstance(part, Fieldset)] == ["address"]
    assert form.parts[0] == Field(("drink",), "text", "drink", "What the guest wants.", required=True)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {"type": "array"},
        {"type": "object"},
        {"anyOf": 7},
        {"properties": {"a": 5}},
        {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(61)}},
    ],
)
def test_what_cannot_be_a_form_is_edited_as_json(schema: Any) -> None:
    assert form_of(schema) is None


def test_of_a_payload_that_is_secret_as_a_whole_nothing_is_shown() -> None:
    edited = editor_of(JOB.schema, [()], FULL, as_json=False)
    assert edited.texts() == {JSON_NAME: f'"{MASK}"'}
    assert edited.read(edited.texts()).value == FULL


def test_a_model_that_holds_itself_ends_as_json() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}, "required": ["next"]}
    form = form_of({"$defs": {"N": node}, **node})
    assert form is not None
    assert [(one.name, one.kind) for one in form.fields()] == [("/next/next/next/next", "json")]


# ── value → texts → value ───────────────────────────────────────────────────────────────────────────────


def test_no_secret_is_shown() -> None:
    for as_json in (False, True):
        assert CANARY not in json.dumps(editor(as_json=as_json).texts())


def test_a_secret_that_is_left_alone_stays_and_one_that_is_typed_counts() -> None:
    shown = editor().texts()
    assert editor().read(shown).value["token"] == "canary-token"
    changed = editor().read(shown | {"/token": "new", "/pin": "1234"}).value
    assert (changed["token"], changed["pin"], changed["cards"]) == ("new", "1234", ["canary-card"])


def test_hidden_secrets_of_a_list_that_was_changed_are_asked_for() -> None:
    shown = editor().texts()
    read = editor().read(shown | {"/cards": json.dumps([MASK, MASK])})
    assert "type its value" in read.faults["/cards"]
    assert editor().read(shown | {"/cards": '["a", "b"]'}).value["cards"] == ["a", "b"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
addresses: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"street": texts.map(lambda text: text + "st"), "doorNumber": st.integers()}
)
orders: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "drink": texts.map(lambda text: text + "ok"),
        "cups": st.integers(1, 99),
        "address": addresses,
    },
    optional={
        "price": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
        "hot": st.booleans(),
        "size": st.sampled_from(["small", "large"]),
        "readyAt": st.none() | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
        "note": st.none() | texts,
        "spice": st.none() | st.booleans(),
        "extras": st.lists(texts, max_size=3),
        "token": texts,
        "pin": st.none() | texts,
        "cards": st.lists(texts, max_size=3),
    },
)


def as_a_browser_sends(texts: dict[str, str]) -> dict[str, str]:
    """Unchecked boxes are left out, lines end in CRLF (which `Visit` puts right), seconds that are 0 are dropped."""
    sent = {name: text.replace("\r\n", "\n") for name, text in texts.items()}
    if sent.get("/readyAt", "").endswith(":00"):
        sent["/readyAt"] = sent["/readyAt"].removesuffix(":00")
    return {name: text for name, text in sent.items() if text or kinds().get(name) != "checkbox"}


@given(orders, st.booleans())
def test_what_is_left_as_it_was_shown_stays_to_the_letter(order: dict[str, Any], as_json: bool) -> None:
    edited = editor(order, as_json=as_json)
    read = edited.read(as_a_browser_sends(edited.texts()))
    assert json.dumps(read.value) == json.dumps(order)


@given(orders)
def test_what_is_typed_into_an_empty_form_is_the_value(order: dict[str, Any]) -> None:
    """But for what no text can say: what is blank is left out, a moment is in whole seconds of UTC."""
    typed = editor(order).texts() | {"/token": order.get("token", ""), "/pin": order.get("pin") or ""}
    typed["/cards"] = json.dumps(order.get("cards", []))
    read = editor({}).read(as_a_browser_sends(typed))
    assert not read.faults
    assert read.value["cups"] == order["cups"]
    assert read.value.get("hot", True) == order.get("hot", True)
    assert read.value.get("size", "small") == order.get("size", "small")
    assert read.value.get("spice") == order.get("spice")
    assert read.value.get("price", 2.5) == order.get("price", 2.5)
    assert printable_lines(read.value["drink"]) == printable_lines(order["drink"].replace("\r\n", "\n"))
    assert read.value.get("token", "") == order.get("token", "").replace("\r\n", "\n") or not order["token"]


# ── what is wrong ───────────────────────────────────────────────────────────────────────────────────────


def test_a_new_payload_may_leave_out_what_has_a_default() -> None:
    new = {"/drink": "tea", "/cups": "1", "/address/street": "a", "/address/doorNumber": "1"}
    empty = editor({})
    read = empty.read(empty.texts() | new)
    assert not read.faults
    assert read.value == {"drink": "tea", "cups": 1, "address": {"street": "a", "doorNumber": 1}}
    assert Order.model_validate(read.value).hot


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("/drink", "", "Expected at least 2 characters."),
        ("/cups", "two", "Expected a whole number."),
        ("/cups", "1.5", "Expected a whole number."),
        ("/cups", "100", "Expected at most 99."),
        ("/cups", "", "Required."),
        ("/price", "1e999", "Expected a number."),
        ("/price", "NaN", "Expected a number."),
        ("/size", '"huge"', 'Expected one of ["small", "large"].'),
        ("/readyAt", "soon", "Expected a moment as 2026-01-31T09:30:00."),
        ("/extras", "[1]", "0: Expected a text."),
        ("/extras", "[NaN]", "JSON has no NaN."),
        ("/extras", "[", "This is no JSON: Expecting value: line 1 column 2 (char 1)."),
        ("/extras", "[" * 100_000, "This is no JSON"),
        ("/address/doorNumber", "x", "Expected a whole number."),
        ("/cards", f"{CANARY}", "This is no JSON"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(name: str, text: str, fault: str) -> None:
    read = editor().read(editor().texts() | {name: text})
    assert list(read.faults) == [name]
    assert read.faults[name].startswith(fault)


def test_a_new_payload_is_told_what_is_required() -> None:
    empty = editor({})
    wrong = empty.read(empty.texts()).faults
    assert set(wrong) == {"/drink", "/cups", "/address/street", "/address/doorNumber"}
    assert set(wrong.values()) == {"Required."}


def test_in_json_each_fault_has_its_place() -> None:
    text = json.dumps(FULL | {"cups": 0, "address": {"street": 1}, "colour": "red"})
    [told] = editor(as_json=True).read({JSON_NAME: text}).faults.values()
    assert told.splitlines() == [
        "address.doorNumber: Required.",
        "address.street: Expected a text.",
        "colour: There is no such field.",
        "cups: Expected at least 1.",
    ]


def test_no_fault_repeats_what_was_typed() -> None:
    text = json.dumps(FULL | {"token": ["canary"], "pin": {"canary": "canary"}, "cards": "canary"})
    for told in editor(as_json=True).read({JSON_NAME: text}).faults.values():
        assert CANARY not in told


def test_what_has_no_field_stays() -> None:
    before = FULL | {"older": {"name": 1}}
    assert editor_of(JOB.schema, JOB.secret, before, as_json=False).read(editor().texts()).value["older"] == {"name": 1}


def test_a_text_of_a_format_is_checked_and_the_value_is_not_repeated() -> None:
    assert check({"type": "string", "format": "uuid"}, CANARY) == [Fault((), "Expected a UUID.")]


def test_nothing_that_a_schema_refers_to_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", asked.append)
    assert check({"$ref": "http://there/schema.json"}, 1) == []
    assert not asked


@pytest.mark.parametrize(
    "schema", [{"type": 7}, {"type": "odd"}, {"pattern": "("}, {"required": 1}, {"$ref": "#/nowhere"}]
)
def test_a_schema_that_is_none_refuses_nothing(schema: Any) -> None:
    assert check(schema, "x") == []
