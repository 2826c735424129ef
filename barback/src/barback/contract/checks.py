"""JSON Schema → Zod checks.

Where JavaScript cannot hold what Python means, a declaration is refused; where it cannot check it, the worker does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, cast

from barback.contract.forms import choices, fields, literals, others, pattern_of_names, read, referred, required
from barback.contract.names import field_name, quoted
from barback.contract.patterns import javascript_pattern
from barback.contract.types import WIDE
from barback.errors import DeclarationError
from barback.payload_schema import Schema

LARGEST_EXACT = 2**53 - 1
INHERITED = frozenset(
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"}
)
"""What each object of JavaScript's has."""
FORMATS = {
    "uuid": "z.guid()",
    "date": "z.iso.date()",
    "decimal": "decimal",
    "date-time": "z.iso.datetime({ offset: true, local: true })",
}
"""Of texts; all others are left to the worker: no two libraries agree on what an email address is."""


@dataclass(slots=True)
class Checks:
    """Writes the checks of one job's module.

    `fills_in`: what is left out gets its default. `known`: the definitions that are written already, by their names.
    """

    job: str
    types: Mapping[str, str]
    fills_in: bool = False
    known: set[str] = field(default_factory=set[str])
    imports: set[str] = field(default_factory=set[str])
    """What they take from `values.js`."""

    def definition(self, name: str, schema: Schema) -> str:
        """`const Name = …;`"""
        text = f"const {self.types[name]} = {self.check(schema, '')};\n"
        self.known.add(name)
        return text

    def check(self, schema: Any, indent: str) -> str:
        """As an expression."""
        form, known = read(schema)
        match form:
            case "reference":
                name = self.types[referred(known)]
                text = name if referred(known) in self.known else f"z.lazy(() => {name})"
            case "literals":
                text = self._literals(literals(known), indent)
            case "union":
                text = self._union(choices(known), known.get("discriminator"), indent)
            case "all":
                text = self._all(known["allOf"], indent)
            case "text":
                text = self._text(known)
            case "integer" | "number":
                text = self._number(form, known)
            case "array":
                text = self._array(known, indent)
            case "object":
                text = self._object(known, indent)
            case "any":
                text = self._import("anything")
            case _:
                text = f"z.{form}()"
        return text

    # ── one value ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _literals(self, values: Sequence[Any], indent: str) -> str:
        for value in values:
            self._refuse_rounded("literal", value)
        if any(isinstance(value, list | dict) for value in values):
            texts = [_constant(value) for value in values]
            return texts[0] if len(texts) == 1 else f"z.union({_list(texts, indent)})"
        if len(values) == 1:
            return _constant(values[0])
        of_texts = all(isinstance(value, str) for value in values)
        return f"z.{'enum' if of_texts else 'literal'}({_list([quoted(value) for value in values], indent)})"

    def _text(self, schema: Schema) -> str:
        if schema.get("javascript") == "Date":
            return self._import("moment")
        form = FORMATS.get(schema.get("format", ""))
        if schema.get("javascript") == "unchecked":
            return "z.string()"
        if form is not None:
            return self._import(form) if form.isidentifier() else form
        pattern = javascript_pattern(schema["pattern"]) if "pattern" in schema else None
        bounds = {"min": schema.get("minLength"), "max": schema.get("maxLength"), "pattern": pattern}
        given = [f"{name}: {bound}" for name, bound in bounds.items() if bound is not None]
        return f"{self._import('text')}({{ {', '.join(given)} }})" if given else "z.string()"

    def _number(self, kind: str, schema: Schema) -> str:
        text = self._import("whole") if kind == "integer" else "z.number()"
        for name, method in (
            ("minimum", "min"),
            ("maximum", "max"),
            ("exclusiveMinimum", "gt"),
            ("exclusiveMaximum", "lt"),
            ("multipleOf", "multipleOf"),
        ):
            bound = schema.get(name)
            # `whole` says that of each larger one.
            if bound is not None and not (isinstance(bound, int) and abs(bound) > LARGEST_EXACT):
                text += f".{method}({bound!r})"
        return text

    # ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _union(self, forms: Sequence[Any], discriminator: Any, indent: str) -> str:
        if len(forms) == 1:
            return self.check(forms[0], indent)
        if discriminator is not None and all("$ref" in one for one in forms):
            texts = [self.check(one, indent) for one in forms]
            return f"z.discriminatedUnion({quoted(discriminator['propertyName'])}, {_list(texts, indent)})"
        others = [one for one in forms if one != {"type": "null"}]
        if len(others) < len(forms):
            return f"{self._union(others, discriminator, indent)}.nullable()"
        return f"z.union({_list([self.check(one, indent) for one in forms], indent)})"

    def _all(self, parts: Sequence[Any], indent: str) -> str:
        first, *others = [self.check(one, indent) for one in parts]
        return reduce(lambda text, one: f"z.intersection({text}, {one})", others, first)

    def _array(self, schema: Schema, indent: str) -> str:
        least, most = schema.get("minItems"), schema.get("maxItems")
        first = [self.check(one, indent) for one in schema.get("prefixItems", ())]
        rest = schema.get("items", True)
        if first:
            open_ended = most != len(first) and rest is not False
            return f"z.tuple({_list(first, indent)}{', ' + self.check(rest, indent) if open_ended else ''})"
        # Of a set those that are there twice count once.
        most = None if schema.get("uniqueItems") else most
        bounds = (f".min({least})" if least else "") + (f".max({most})" if most is not None else "")
        return f"z.array({self.check(rest, indent)}){bounds}"

    def _object(self, schema: Schema, indent: str) -> str:
        own, beside = fields(schema), others(schema)
        if not own and beside is not False:
            return self._record(schema, True if beside is None else beside, indent)
        inner = indent + "  "
        needed = required(schema)
        lines = [
            f"{inner}{field_name(name)}: {self.check(one, inner)}{self._left_out(name, one, name in needed)},\n"
            for name, one in own.items()
        ]
        body = "{\n" + "".join(lines) + indent + "}" if lines else "{}"
        if isinstance(beside, Mapping):
            return f"z.object({body}).catchall({self.check(beside, indent)})"
        # What nobody knows goes on if it is not refused: which form of a union it is of is for Python to say.
        return f"z.{'strictObject' if beside is False else 'looseObject'}({body})"

    def _left_out(self, name: str, schema: Any, is_required: bool) -> str:
        """What becomes of a field that is left out."""
        if is_required:
            return ""
        if name in INHERITED:
            raise DeclarationError(
                f"Job '{self.job}': of its payload the field '{name}' may be left out, and in JavaScript each object "
                "has one of that name. Give it another alias, or no default."
            )
        if not self.fills_in:
            return ".optional()"
        # What a factory makes is known to Python alone: then there is no default here, and the field must be there.
        if "default" not in schema:
            return ""
        self._refuse_rounded("default", schema["default"])
        return f".default({quoted(schema['default'])})"

    def _refuse_rounded(self, what: str, value: Any) -> None:
        if isinstance(value, int) and abs(value) > LARGEST_EXACT:
            raise DeclarationError(
                f"Job '{self.job}': its payload holds the {what} {value}, and JavaScript rounds whole numbers "
                "beyond 2**53 - 1. Declare it as a text."
            )

    def _record(self, schema: Schema, values: Any, indent: str) -> str:
        names, pattern = schema.get("propertyNames", {}), pattern_of_names(schema)
        if read(names)[0] in ("reference", "literals"):
            text = f"z.partialRecord({self.check(names, indent)}, {self.check(values, indent)})"
        else:
            keys = self._text({"pattern": pattern}) if pattern else "z.string()"
            text = f"z.record({keys}, {self.check(values, indent)})"
        bounds = {"min": schema.get("minProperties"), "max": schema.get("maxProperties")}
        given = [f"{name}: {bound}" for name, bound in bounds.items() if bound is not None]
        return f"{self._import('sized')}({text}, {{ {', '.join(given)} }})" if given else text

    def _import(self, name: str) -> str:
        self.imports.add(name)
        return name


def _constant(value: Any) -> str:
    """The check that takes this JSON value and no other."""
    match value:
        case list():
            return f"z.tuple([{', '.join(map(_constant, cast('list[Any]', value)))}])"
        case dict():
            fields_of = cast("dict[str, Any]", value).items()
            return (
                f"z.strictObject({{ {', '.join(f'{field_name(name)}: {_constant(one)}' for name, one in fields_of)} }})"
            )
        case _:
            return f"z.literal({quoted(value)})"


def _list(texts: Sequence[str], indent: str) -> str:
    text = ", ".join(texts)
    if len(text) <= WIDE and "\n" not in text:
        return f"[{text}]"
    return "[\n" + "".join(f"{indent}  {one},\n" for one in texts) + indent + "]"
