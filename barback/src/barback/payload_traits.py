"""What the JSON of one type of payload may hold, read off its schema once: what cannot be there is not searched for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel

CONTAINERS = frozenset({"model-fields", "dataclass-args", "typed-dict", "list", "set", "frozenset", "tuple", "dict"})
PLAIN = CONTAINERS | {
    *("model", "model-field", "dataclass", "dataclass-field", "typed-dict-field", "computed-field"),
    *("nullable", "default", "union", "tagged-union", "definitions", "definition-ref"),
    *("str", "bool", "bytes", "none", "uuid", "datetime", "date", "time", "timedelta", "decimal", "enum", "literal"),
    *("function-before", "function-after", "function-wrap", "no-info", "with-info", "url"),
}
"""Kinds of schema that are written as they are declared, and neither as whole numbers nor as floats."""
OF_THE_USERS = frozenset({"metadata", "default", "expected", "members"})
"""Keys of a schema under which any value may stand."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What may stand in payloads of one type. True also where that cannot be known."""

    floats: bool
    integers: bool
    silent: bool
    """Models that write NaN as null: those of another base than `Payload`."""
    loose: bool
    """Values of any type, among which such models can be too."""
    levels: int | None
    """How deeply it can be nested at most. None: as deeply as its values are."""


@lru_cache(maxsize=1_000)
def traits_of(kind: type[BaseModel]) -> Traits:
    """The traits of a type; reading them takes about as long as one payload of 100 KB."""
    nodes = list(_nodes(kind.__pydantic_core_schema__)) if kind.__pydantic_complete__ else []
    kinds = [node["type"] for node in nodes]
    loose = not nodes or any(map(_is_loose, nodes)) or not PLAIN.issuperset({*kinds} - {"int", "float"})
    endless = loose or "definition-ref" in kinds
    return Traits(
        floats=loose or "float" in kinds,
        integers=loose or "int" in kinds,
        silent=any(map(_is_silent, nodes)),
        loose=loose,
        # Without a reference no path through the schema meets a part of it twice.
        levels=None if endless else sum(kind in CONTAINERS for kind in kinds),
    )


def has_alternative_names(kind: type[BaseModel]) -> bool:
    """Whether a value anywhere in it may stand under several names, or at another place (AliasChoices, AliasPath)."""
    return any(isinstance(node.get("validation_alias"), list) for node in _nodes(kind.__pydantic_core_schema__))


def _nodes(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every part of a schema that has a type."""
    if isinstance(part, Mapping):
        node = cast("Mapping[str, Any]", part)
        if isinstance(node.get("type"), str):
            yield node
        for key, inner in node.items():
            if key not in OF_THE_USERS:
                yield from _nodes(inner)
    elif isinstance(part, list | tuple):
        for inner in cast("list[Any]", part):
            yield from _nodes(inner)


def _is_loose(node: Mapping[str, Any]) -> bool:
    """It is written otherwise than declared: by a function, as what it happens to be, or with fields of any name."""
    config = _config(node)
    return (
        "serialization" in node
        or "allow" in (node.get("extra_behavior"), config.get("extra_fields_behavior"))
        or bool(config.get("polymorphic_serialization"))
    )


def _is_silent(node: Mapping[str, Any]) -> bool:
    # A dataclass or a typed dict without rules of its own has those of the payload.
    has_rules = node["type"] == "model" or (node["type"] in ("dataclass", "typed-dict") and bool(_config(node)))
    return has_rules and _config(node).get("ser_json_inf_nan") != "constants"


def _config(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", node.get("config") or {})
