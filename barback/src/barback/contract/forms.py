"""What a JSON Schema says first of all: a text, a number, one of several …"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from barback.payload_schema import Schema

REF = "#/$defs/"
Form = Literal[
    "any", "never", "reference", "literals", "union", "all", "text", "integer", "number", "boolean", "null", "array",
    "object",
]  # fmt: skip
BY_KEYWORD: Mapping[str, Form] = {
    "$ref": "reference", "const": "literals", "enum": "literals", "anyOf": "union", "oneOf": "union", "allOf": "all",
}  # fmt: skip
BY_TYPE: Mapping[str, Form] = {
    "string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "null": "null", "array": "array",
    "object": "object",
}  # fmt: skip


def read(schema: Any) -> tuple[Form, Schema]:
    """Its form, and the schema itself; of `true` and `false`, which are schemas too, an empty one."""
    if not isinstance(schema, Mapping):
        return ("never" if schema is False else "any"), {}
    keywords = cast("Schema", schema)
    for keyword, form in BY_KEYWORD.items():
        if keyword in keywords:
            return form, keywords
    kind: Any = keywords.get("type")
    if isinstance(kind, list):
        return "union", keywords
    return BY_TYPE.get(kind, "any"), keywords


def referred(schema: Schema) -> str:
    """The name of the definition that a reference names."""
    return str(schema["$ref"]).removeprefix(REF)


def literals(schema: Schema) -> Sequence[Any]:
    return [schema["const"]] if "const" in schema else schema["enum"]


def choices(schema: Schema) -> Sequence[Any]:
    """The schemas of a union."""
    if "type" in schema and isinstance(schema["type"], list):
        return [{**schema, "type": kind} for kind in cast("list[str]", schema["type"])]
    return schema["anyOf"] if "anyOf" in schema else schema["oneOf"]


def required(schema: Schema) -> Sequence[str]:
    return schema.get("required", ())


def fields(schema: Schema) -> Mapping[str, Any]:
    """The schemas of an object's own fields."""
    return schema.get("properties", {})
