"""Whether a JSON value is what a JSON Schema asks for, in words that never repeat the value: it may be secret."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator, FormatChecker  # pyright: ignore[reportMissingTypeStubs]
from referencing import Registry

from barback.masking import Schema
from barback.payload import Place

MOST_FAULTS = 50
TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
FORMATS = {"date-time": "a moment as 2026-01-31T09:30:00Z", "date": "a date as 2026-01-31", "uuid": "a UUID"}
BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} elements",
    "maxItems": "at most {} elements",
    "minProperties": "at least {} fields",
    "maxProperties": "at most {} fields",
    "pattern": "a text that matches {}",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and at which place of the value; `()`: the whole."""

    place: Place
    text: str


def check(schema: Schema, value: Any) -> list[Fault]:
    """All that is wrong, by place; the first fifty. A schema that cannot be read refuses nothing."""
    try:
        # Of its own registry: nothing that a schema refers to is ever fetched.
        validator: Any = Draft202012Validator(schema, registry=Registry(), format_checker=FormatChecker())
        faults = [fault for _, error in zip(range(MOST_FAULTS), validator.iter_errors(value), strict=False)
                  for fault in _faults(error)]  # fmt: skip
    except Exception:  # noqa: BLE001 — a schema comes from outside: of other types, regular expressions, references
        return []
    return sorted(set(faults), key=lambda fault: [str(step) for step in fault.place])


def _faults(error: Any) -> Iterator[Fault]:
    place: Place = tuple(error.absolute_path)
    wanted, schema = error.validator_value, cast("Mapping[str, Any]", error.schema)
    match error.validator:
        case "required":
            given = cast("Mapping[str, Any]", error.instance)
            yield from (Fault((*place, name), "Required.") for name in wanted if name not in given)
        case "additionalProperties":
            known = schema.get("properties", {})
            yield from (
                Fault((*place, name), "There is no such field.") for name in error.instance if name not in known
            )
        case "anyOf" | "oneOf":
            yield _of_choices(place, list(error.context or ()))
        case keyword:
            yield Fault(place, f"Expected {_expected(str(keyword), wanted)}.")


def _of_choices(place: Place, errors: Iterable[Any]) -> Fault:
    """What one of several schemas asks for: of `int | None` that it be a number."""
    asked = [error for error in errors if not (error.validator == "type" and error.validator_value == "null")]
    own = [error for error in asked if tuple(error.absolute_path) == place]
    told = dict.fromkeys(_expected(str(error.validator), error.validator_value) for error in own)
    return Fault(place, f"Expected {' or '.join(told)}." if told else "It is none of what is expected here.")


def _expected(keyword: str, wanted: Any) -> str:
    if keyword in BOUNDS:
        return BOUNDS[keyword].format(_short(wanted))
    match keyword:
        case "type":
            names = cast("list[str]", wanted) if isinstance(wanted, list) else [str(wanted)]
            return " or ".join(TYPES.get(name, name) for name in names)
        case "format":
            return FORMATS.get(str(wanted), f"a text of format {wanted}")
        case "uniqueItems":
            return "a list without repetitions"
        case "enum" | "const":
            return f"one of {_short(wanted)}" if keyword == "enum" else _short(wanted)
        case _:
            return f"what '{keyword}' of its schema asks for"


def _short(wanted: Any) -> str:
    text = json.dumps(wanted, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
