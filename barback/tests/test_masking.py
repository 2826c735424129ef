"""Secret fields are found wherever they are, and what is shown holds none of them."""

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from barback.masking import MASK, Path, Secret, mask, secret_paths, without_values
from barback.payload import Payload

Token = Annotated[str, Secret()]


class Account(Payload, frozen=True):
    user_name: str
    api_token: Token = "canary-default"


class Node(Payload, frozen=True):
    label: str
    token: Token = "canary-node"
    children: "tuple[Node, ...]" = ()


class Everything(Payload, frozen=True):
    plain: str = "plain default"
    marked: Token = Field("canary-marked", examples=["canary-example"])
    maybe: Token | None = None
    text: SecretStr = SecretStr("canary-text")
    data: SecretBytes = SecretBytes(b"canary-bytes")
    account: Account = Account(user_name="a", api_token="canary-nested")
    accounts: list[Account] = Field(default_factory=list[Account])
    by_name: dict[str, Account] = Field(default_factory=dict[str, Account])
    pair: tuple[str, Token] = ("a", "canary-pair")
    either: Account | int = 1
    all_of_it: Annotated[Account, Secret()] | None = None
    tree: Node | None = None


class Plain(Payload, frozen=True):
    name: str = "shown"
    tags: tuple[str, ...] = ()


class Loop(Payload, frozen=True):
    name: str
    inner: "Loop | None" = None


def paths(kind: type[BaseModel]) -> list[Path]:
    return secret_paths(kind.model_json_schema(by_alias=True))


def test_secrets_are_found_in_fields_models_lists_mappings_and_unions() -> None:
    assert paths(Everything) == [
        ("account", "apiToken"),
        ("accounts", "*", "apiToken"),
        ("allOfIt",),
        ("byName", "*", "apiToken"),
        ("data",),
        ("either", "apiToken"),
        ("marked",),
        ("maybe",),
        ("pair", "*"),
        ("text",),
        ("tree", "children", "*"),
        ("tree", "token"),
    ]


def test_a_payload_without_secrets_has_no_paths() -> None:
    assert paths(Plain) == paths(Loop) == []


def test_a_payload_is_shown_with_its_secrets_masked_and_all_else_as_it_is() -> None:
    payload: Any = {
        "plain": "shown",
        "marked": "canary",
        "maybe": None,
        "account": {"userName": "shown", "apiToken": "canary"},
        "accounts": [{"userName": "shown", "apiToken": {"deep": "canary"}}],
        "tree": {"label": "shown", "children": [{"label": "canary", "children": [{"token": "canary"}]}]},
    }
    before = json.dumps(payload)
    shown = mask(payload, paths(Everything))
    assert "canary" not in json.dumps(shown)
    assert shown["account"] == {"userName": "shown", "apiToken": MASK}
    assert shown["tree"] == {"label": "shown", "children": [MASK]}
    assert json.dumps(payload) == before


@pytest.mark.parametrize("value", [None, "canary", 7, [], {}, [{"marked": "x"}], {"account": "shown"}])
def test_what_is_not_as_declared_is_masked_without_fail(value: Any) -> None:
    mask(value, paths(Everything))


def test_a_path_to_all_masks_all() -> None:
    assert mask({"a": 1}, [()]) == MASK


def test_a_schema_is_told_without_what_secrets_are_by_default() -> None:
    schema = without_values(Everything.model_json_schema(by_alias=True))
    assert "canary" not in json.dumps(schema)
    assert schema["properties"]["plain"]["default"] == "plain default"
    assert secret_paths(schema) == paths(Everything)


def test_fields_named_as_words_of_a_schema_stay() -> None:
    class Odd(Payload, frozen=True):
        default: str
        examples: Token
        properties: Plain

    schema = without_values(Odd.model_json_schema(by_alias=True))
    assert list(schema["properties"]) == ["default", "examples", "properties"]
    assert without_values(Plain.model_json_schema()) == Plain.model_json_schema()


def test_a_marked_field_is_still_read_and_written_as_any_other() -> None:
    account = Account.model_validate_json('{"userName": "a", "apiToken": "t"}')
    assert account.api_token == "t"
    assert json.loads(account.model_dump_json()) == {"userName": "a", "apiToken": "t"}
