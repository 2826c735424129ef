"""The JSON Schema of a type as it stands on the wire, and a short name for it: its hash."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal, cast

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import BytesSchema, DatetimeSchema, DecimalSchema, StringSchema

Mode = Literal["validation", "serialization"]
Schema = Mapping[str, Any]

TOLD_ONLY = frozenset({"title", "description", "examples", "deprecated"})
"""What a schema says to people: no value fits more or less because of it."""
OF_NAMES = frozenset({"properties", "$defs", "patternProperties"})
"""Under which keys are names, not words of JSON Schema."""
VALUES = frozenset({"default", "const", "enum"})
LONGEST_HASH = 12
"""Hexadecimal digits: enough that two schemas of one job do not share one."""


class WireSchema(GenerateJsonSchema):
    """pydantic's generator, with what it leaves out.

    Texts that are decimals have a format. `javascript` tells of moments that may be given as a `Date`, and of texts
    whose bounds are not those of what is written: they are of bytes, of what is left without spaces, or Python's own.
    """

    def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:
        # Its pattern refuses `1E+2`, which it writes itself.
        text = {"type": "string", "format": "decimal"}
        pydantic_s = super().decimal_schema(schema)
        return {"anyOf": [pydantic_s["anyOf"][0], text]} if self.mode == "validation" else text

    def field_is_required(self, field: Any, total: bool) -> bool:
        # What Python writes has every field, those with a default too.
        is_written = self.mode == "serialization" and "serialization_exclude_if" not in field
        return (is_written and not field.get("serialization_exclude")) or super().field_is_required(field, total)

    def datetime_schema(self, schema: DatetimeSchema) -> JsonSchemaValue:
        may_be_date = self.mode == "validation" and schema.get("tz_constraint") != "naive"
        return super().datetime_schema(schema) | ({"javascript": "Date"} if may_be_date else {})

    def str_schema(self, schema: StringSchema) -> JsonSchemaValue:
        pattern = schema.get("pattern")
        # Compiled, or by its engine: then it is Python that matches it, otherwise than Rust and JavaScript do.
        is_pythons = isinstance(pattern, re.Pattern) or schema.get("regex_engine") == "python-re"
        is_changed = any(schema.get(change) for change in ("strip_whitespace", "to_lower", "to_upper"))
        return super().str_schema(schema) | ({"javascript": "unchecked"} if is_pythons or is_changed else {})

    def bytes_schema(self, schema: BytesSchema) -> JsonSchemaValue:
        return super().bytes_schema(schema) | {"javascript": "unchecked"}


def wire_schemas(types: Mapping[str, tuple[Any, Mode]]) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """The schemas of some types by the names given, and all definitions they refer to (`#/$defs/<name>`).

    "validation": what may be written; "serialization": what is written by Python.

    :raises pydantic.errors.PydanticUserError: one of them has no JSON Schema.
    """
    asked: list[tuple[str, Mode, TypeAdapter[Any]]] = [
        (name, mode, TypeAdapter(kind)) for name, (kind, mode) in types.items()
    ]
    found, rest = TypeAdapter.json_schemas(asked, by_alias=True, schema_generator=WireSchema)
    return {name: schema for (name, _), schema in found.items()}, rest.get("$defs", {})


@lru_cache(maxsize=1_000)
def schema_hash(kind: type[BaseModel]) -> str:
    """A short name of what a payload of this type may be; another one if anything about that differs.

    Texts for people and the order of fields do not count. "": it has no JSON Schema.
    """
    try:
        schema = kind.model_json_schema(by_alias=True, schema_generator=WireSchema)
        text = json.dumps(_without_texts(schema), sort_keys=True, default=str)
    except Exception:  # noqa: BLE001 — a type of the app's own may raise anything when asked for its schema
        return ""
    return sha256(text.encode()).hexdigest()[:LONGEST_HASH]


def _without_texts(part: Any, *, names: bool = False) -> Any:
    """`names`: its keys are names of fields, not words of JSON Schema."""
    if isinstance(part, Mapping):
        items = cast("Mapping[str, Any]", part).items()
        if names:
            return {key: _without_texts(value) for key, value in items}
        return {key: _comparable(key, value) for key, value in items if key not in TOLD_ONLY}
    if isinstance(part, list):
        return [_without_texts(one) for one in cast("list[Any]", part)]
    return part


def _comparable(keyword: str, value: Any) -> Any:
    if keyword in VALUES:
        return value
    # The only list whose order is that of the fields.
    return sorted(value) if keyword == "required" else _without_texts(value, names=keyword in OF_NAMES)
