"""The fields of a payload's form, from its JSON Schema. Pure; `form_values` puts values into them and reads them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from barback.masking import ANY, Path, Schema
from barback.printable import UNPRINTABLE_IN_LINES

Kind = Literal["text", "secret", "integer", "number", "checkbox", "select", "date-time", "json"]

MOST_FIELDS = 60
"""Of a larger form nobody would see the end: it is edited as JSON."""
DEEPEST = 4
MISSING: Any = object()
"""Stands for a field that is left out."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `choices`: of a select, each as JSON text. `secrets`: where its value holds some, from there on."""

    path: Path
    kind: Kind
    label: str
    hint: str = ""
    required: bool = False
    nullable: bool = False
    default: Any = MISSING
    """What counts where it is left out, if that is known."""
    choices: Sequence[str] = ()
    secrets: Sequence[Path] = ()

    @property
    def name(self) -> str:
        """In the submitted form: a JSON pointer."""
        return _pointer(self.path)


@dataclass(frozen=True, slots=True)
class Fieldset:
    """A nested model."""

    path: Path
    label: str
    parts: Sequence["Field | Fieldset"] = ()

    @property
    def name(self) -> str:
        """As a field's."""
        return _pointer(self.path)

    def fieldsets(self) -> Iterator["Fieldset"]:
        """It and all that are nested in it."""
        yield self
        for part in self.parts:
            if isinstance(part, Fieldset):
                yield from part.fieldsets()

    def fields(self) -> Iterator[Field]:
        """All of them, the nested ones too."""
        for part in self.parts:
            if isinstance(part, Field):
                yield part
            else:
                yield from part.fields()


# ── schema → fields ─────────────────────────────────────────────────────────────────────────────────────


def form_of(schema: Schema | None, secrets: Sequence[Path] = ()) -> Fieldset | None:
    """The form of a payload; None: it has no schema, or one that is better edited as JSON."""
    if schema is None or () in secrets:
        return None
    try:
        form = _Builder(schema.get("$defs", {})).fieldset((), "", schema, secrets)
    except (AttributeError, TypeError, ValueError):
        return None  # Whoever writes to Redis may have published what is no schema.
    return form if form is not None and sum(1 for _ in form.fields()) <= MOST_FIELDS else None


class _Builder:
    """Makes fields of the parts of one schema."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions

    def fieldset(self, path: Path, label: str, schema: Schema, secrets: Sequence[Path]) -> Fieldset | None:
        """None: it is no object with named fields, or too deep."""
        schema, nullable = self.plain(schema)
        properties = schema.get("properties")
        if nullable or len(path) >= DEEPEST or not (isinstance(properties, Mapping) or _is_empty(schema)):
            return None
        required = schema.get("required", ())
        parts = [
            self._part((*path, key), one, key in required, _below(secrets, key))
            for key, one in cast("Mapping[str, Schema]", properties or {}).items()
        ]
        return Fieldset(path, label, parts)

    def plain(self, schema: Schema) -> tuple[Schema, bool]:
        """What a schema refers to, without `| None`; and whether it had that."""
        for _ in range(10):
            choices = schema.get("anyOf", ())
            others = [one for one in choices if one.get("type") != "null"]
            if "$ref" in schema:
                found = self._definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
                schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
            elif len(others) == 1 and len(choices) == 2:
                own = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
                return {**self.plain(others[0])[0], **own}, True
            else:
                break
        return schema, False

    def _part(self, path: Path, schema: Schema, required: bool, secrets: Sequence[Path]) -> Field | Fieldset:
        plain, nullable = self.plain(schema)
        label = _label(path[-1], plain.get("title"))
        nested = self.fieldset(path, label, schema, secrets) if required and () not in secrets else None
        if nested is not None:
            return nested
        always = required or "default" in schema
        kind = "secret" if () in secrets and plain.get("type") == "string" else _kind(plain, always and not nullable)
        choices = tuple(as_json(one) for one in _choices(plain)) if kind == "select" else ()
        default = schema.get("default", MISSING)
        hint = str(plain.get("description") or "")
        return Field(path, kind, label, hint, required, nullable, default, choices, tuple(secrets))


def _label(key: str, title: object) -> str:
    """The title, if it is not what pydantic makes of the name by itself."""
    own = isinstance(title, str) and title.replace(" ", "").casefold() != key.replace("_", "").casefold()
    return str(title) if own else key


def _kind(schema: Schema, always: bool) -> Kind:
    """`always`: it is never null and never left out, or has a default."""
    match schema.get("type"):
        case "boolean" if always:
            return "checkbox"
        case _ if _choices(schema):
            return "select"
        case "string":
            return "date-time" if schema.get("format") == "date-time" else "text"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case _:
            return "json"


def _choices(schema: Schema) -> Sequence[Any]:
    if "const" in schema:
        return [schema["const"]]
    usual = [True, False] if schema.get("type") == "boolean" else []
    return cast("Sequence[Any]", schema.get("enum", usual))


def as_json(value: Any, indent: int | None = None) -> str:
    """As JSON that can be shown, and read again: what is unprintable is escaped as JSON does."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return UNPRINTABLE_IN_LINES.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _pointer(path: Path) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


def _is_empty(schema: Schema) -> bool:
    return schema.get("type") == "object" and schema.get("additionalProperties") is False


def _below(secrets: Sequence[Path], key: str) -> list[Path]:
    return [path[1:] for path in secrets if path and path[0] in (key, ANY)]
