"""JSON Schema → TypeScript types."""

from collections.abc import Iterable, Mapping
from typing import Any

from barback.contract.forms import choices, fields, literals, others, read, referred, required
from barback.contract.names import field_name, quoted
from barback.payload_schema import Schema

WIDE = 110
"""Characters of a line, about."""
PLAIN: Mapping[str, str] = {
    "any": "unknown", "never": "never", "integer": "number", "number": "number", "boolean": "boolean", "null": "null",
}  # fmt: skip


def declaration(name: str, schema: Schema, types: Mapping[str, str]) -> str:
    """`export interface Name { … }`, or a type alias, with its comments."""
    doc = comment(schema.get("description", ""))
    if read(schema)[0] == "object" and fields(schema):
        return f"{doc}export interface {name} {_object(schema, types, '')}\n"
    return f"{doc}export type {name} = {type_of(schema, types)};\n"


def type_of(schema: Any, types: Mapping[str, str], indent: str = "") -> str:
    """As an expression."""
    form, known = read(schema)
    match form:
        case "reference":
            text = types[referred(known)]
        case "literals":
            text = _union(map(quoted, literals(known)), indent)
        case "union":
            text = _union((type_of(one, types, indent) for one in choices(known)), indent)
        case "all":
            text = " & ".join(_grouped(type_of(one, types, indent)) for one in known["allOf"])
        case "text":
            text = "string | Date" if known.get("javascript") == "Date" else "string"
        case "array":
            text = _array(known, types, indent)
        case "object":
            text = _object(known, types, indent)
        case _:
            text = PLAIN[form]
    return text


def comment(text: str, indent: str = "", default: str | None = None) -> str:
    """`/** … */` and the end of its line; nothing for no text."""
    lines = text.replace("*/", "*\\/").strip().splitlines() if text else []
    if default is not None:
        lines.append("@default " + default.replace("*/", "*\\/"))
    if not lines:
        return ""
    if len(lines) == 1 and len(lines[0]) < WIDE:
        return f"{indent}/** {lines[0]} */\n"
    inner = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{inner}{indent} */\n"


def _union(choices: Iterable[str], indent: str) -> str:
    different = list(dict.fromkeys(choices))
    text = " | ".join(different)
    if len(text) <= WIDE or len(different) < 2:
        return text
    return "".join(f"\n{indent}  | {one}" for one in different)


def _array(schema: Schema, types: Mapping[str, str], indent: str) -> str:
    first = [type_of(one, types, indent) for one in schema.get("prefixItems", ())]
    rest = schema.get("items", True)
    if not first:
        return "readonly []" if schema.get("maxItems") == 0 else f"readonly {_grouped(type_of(rest, types, indent))}[]"
    if schema.get("maxItems") != len(first) and rest is not False:
        first.append(f"...{_grouped(type_of(rest, types, indent))}[]")
    return f"readonly [{', '.join(first)}]"


def _object(schema: Schema, types: Mapping[str, str], indent: str) -> str:
    inner = indent + "  "
    lines = [_field(name, one, name in required(schema), types, inner) for name, one in fields(schema).items()]
    beside = others(schema)
    if beside is None:
        beside = not lines
    if beside is not False:
        # Fields and others share one signature, and only `unknown` takes all of them.
        value = "unknown" if lines else type_of(beside, types, inner)
        lines.append(_others(schema.get("propertyNames"), value, types, inner))
    return "{\n" + "".join(lines) + indent + "}" if lines else "Record<string, never>"


def _field(name: str, schema: Any, is_required: bool, types: Mapping[str, str], indent: str) -> str:
    _, told = read(schema)
    default = quoted(told["default"]) if "default" in told and not is_required else None
    doc = comment(told.get("description", ""), indent, default)
    kind = type_of(schema, types, indent)
    if is_required:
        return f"{doc}{indent}{field_name(name)}: {kind};\n"
    return f"{doc}{indent}{field_name(name)}?: {kind} | undefined;\n"


def _others(names: Any, value: str, types: Mapping[str, str], indent: str) -> str:
    if read(names)[0] in ("reference", "literals"):
        return f"{indent}[key in {type_of(names, types)}]?: {value};\n"
    return f"{indent}[key: string]: {value};\n"


def _grouped(text: str) -> str:
    return f"({text})" if any(sign in text for sign in (" | ", " & ", "readonly ", "\n")) else text
