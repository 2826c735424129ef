"""What a JSON Schema says first of all: a text, a number, one of several …"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from barback.payload_schema import OF_NAMES, Schema

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

OF_VALUES = frozenset({"default", "const", "enum", "examples", "discriminator"})
"""Keywords under which is no schema."""


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


def subschemas(schema: Any) -> Iterator[Schema]:
    """The schema and all that are written within it, without those it refers to."""
    if isinstance(schema, list):
        for one in cast("list[Any]", schema):
            yield from subschemas(one)
    elif isinstance(schema, Mapping):
        keywords = cast("Schema", schema)
        yield keywords
        for keyword, value in keywords.items():
            if keyword in OF_NAMES:
                for one in value.values():
                    yield from subschemas(one)
            elif keyword not in OF_VALUES:
                yield from subschemas(value)


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


def others(schema: Schema) -> Any:
    """The schema of an object's entries beside its own fields; None: nothing is said of them."""
    pattern = pattern_of_names(schema)
    return schema.get("additionalProperties") if pattern is None else schema["patternProperties"][pattern]


def pattern_of_names(schema: Schema) -> str | None:
    """Which form the names of those entries have, if one is asked for."""
    by_pattern: Mapping[str, Any] = schema.get("patternProperties", {})
    return next(iter(by_pattern)) if len(by_pattern) == 1 else None
