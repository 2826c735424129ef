"""Which fields of a payload are secret, and how a payload is shown without them. Pure.

    class SendInvoice(Payload, frozen=True):
        token: Annotated[str, Secret()]     # or SecretStr, whose value pydantic hides from Python's own output too

A secret field is marked `writeOnly` in the JSON Schema, as pydantic marks `SecretStr`: what reads the schema needs to
know nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MASK = "•••"
ANY = "*"
"""In a path: each element of a list, or each value of an object, whatever its key."""

VALUES = frozenset({"default", "examples", "example", "const", "enum"})
"""Where in a schema values stand."""

Schema = Mapping[str, Any]
Path = tuple[str, ...]
"""Where a secret is: keys as they stand in the JSON, from the outside in. `()`: all of it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a payload's field: no face shows its value. It is stored in Redis as any other."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"writeOnly": True}


def secret_paths(schema: Schema) -> list[Path]:
    """The paths of what is `writeOnly` in a JSON Schema, sorted.

    Where a model holds itself, all of the inner one is secret if anything in it is.
    """
    return sorted(set(_Reader(schema).paths(schema)))


def without_values(schema: Schema) -> dict[str, Any]:
    """A copy of a JSON Schema without the defaults and examples of what is secret, or holds what is."""
    return _Reader(schema).without_values(schema)


def mask(value: Any, paths: Iterable[Path]) -> Any:
    """A copy of a JSON value with what lies at these paths replaced by `MASK`."""
    paths = list(paths)
    if () in paths:
        return MASK
    if not paths:
        return value
    match value:
        case dict():
            return {key: mask(inner, _below(paths, key)) for key, inner in cast("dict[str, Any]", value).items()}
        case list():
            return [mask(inner, _below(paths, ANY)) for inner in cast("list[Any]", value)]
        case _:
            return value


def _below(paths: Iterable[Path], key: str) -> list[Path]:
    return [path[1:] for path in paths if path[0] in (key, ANY)]


class _Reader:
    """Reads the parts of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._definitions: Schema = schema.get("$defs", {})

    def paths(self, part: Schema, inside: tuple[str, ...] = ()) -> Iterator[Path]:
        """`inside`: the definitions that are being read."""
        if part.get("writeOnly") is True:
            yield ()
            return
        name = _definition(part)
        if name in inside:
            if self._holds_secret(part, set()):
                yield ()
        elif name is not None:
            yield from self.paths(self._definitions[name], (*inside, name))
        for key, one in _inner(part):
            for path in self.paths(one, inside):
                yield path if key is None else (key, *path)

    def without_values(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self.without_values(one) for one in cast("list[Any]", part)]
        if not isinstance(part, Mapping):
            return part
        part = cast("Schema", part)
        hidden = VALUES if self._holds_secret(part, set()) else ()
        return {
            key: {name: self.without_values(one) for name, one in inner.items()}
            if key in ("properties", "patternProperties", "$defs")
            else inner
            if key in VALUES
            else self.without_values(inner)
            for key, inner in part.items()
            if key not in hidden
        }

    def _holds_secret(self, part: Schema, seen: set[str]) -> bool:
        if part.get("writeOnly") is True:
            return True
        name = _definition(part)
        if name is not None and name not in seen:
            seen.add(name)
            if self._holds_secret(self._definitions[name], seen):
                return True
        return any(self._holds_secret(one, seen) for _, one in _inner(part))


def _definition(part: Schema) -> str | None:
    """The name of the definition that it refers to."""
    return str(part["$ref"]).rpartition("/")[2] if "$ref" in part else None


def _inner(part: Schema) -> Iterator[tuple[str | None, Schema]]:
    """The schemas in a schema, by the key of what they describe; None: they describe the same value."""
    found: list[tuple[str | None, Any]] = [*part.get("properties", {}).items()]
    found += [(ANY, one) for one in part.get("patternProperties", {}).values()]
    found += [(ANY, one) for one in part.get("prefixItems", ())]
    found += [(ANY, part.get(kind)) for kind in ("items", "additionalProperties")]
    found += [(None, one) for kind in ("anyOf", "oneOf", "allOf") for one in part.get(kind, ())]
    return ((key, cast("Schema", one)) for key, one in found if isinstance(one, Mapping))
