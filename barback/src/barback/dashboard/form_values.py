"""Values in a form's fields, and what was submitted as a value again. Pure.

What a field cannot show exactly (null beside an empty text, a fraction of a second) survives: a field that was left as
it was shown keeps the value that it had. So does a secret, which is never shown; and what has no field at all.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf, isinf
from typing import Any, cast

from barback.control.actions import USUAL_LIMITS
from barback.control.editing import UNKNOWN, hidden, is_deeper, restored
from barback.dashboard.forms import MISSING, Field, Fieldset, as_json
from barback.dashboard.schema_check import Fault
from barback.errors import UsageError
from barback.masking import Path
from barback.printable import printable_lines

INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
DEEPEST_JSON = USUAL_LIMITS.depth
"""Levels of a payload that is edited: no deeper one can be enqueued."""
NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Read:
    """What was submitted: a value, or by a field's name what is wrong with it."""

    value: Any
    faults: Mapping[str, str] = field(default_factory=dict[str, str])


class Unreadable(ValueError):
    """Says what was expected."""


# ── value → texts ───────────────────────────────────────────────────────────────────────────────────────


def texts_of(form: Fieldset, value: Any) -> dict[str, str]:
    """What each field shows, by its name."""
    return {one.name: _shown(one, _at(value, one.path)) for one in form.fields()}


def has(value: Any, field: Field) -> bool:
    """Whether it is in the value."""
    return _at(value, field.path) is not MISSING


def _shown(field: Field, value: Any) -> str:
    value = field.default if value is MISSING else value
    if value is MISSING or field.kind == "secret" or (value is None and field.kind not in ("json", "select")):
        return ""
    return printable_lines(_text(field, value))


def _text(field: Field, value: Any) -> str:
    match field.kind:
        case "checkbox":
            return "on" if value is True else ""
        case "date-time" if isinstance(value, str):
            return _local(value) or value
        case "text" if isinstance(value, str):
            return value
        case "json":
            return as_json(hidden(value, field.secrets), indent=2)
        case _:
            return as_json(value)


def _local(moment: str) -> str | None:
    """As `<input type=datetime-local>` takes it, in UTC; None: it is no moment."""
    try:
        parsed = datetime.fromisoformat(moment)
        at = parsed.astimezone(UTC) if parsed.tzinfo else parsed
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=None).isoformat(timespec="seconds")


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return MISSING
        value = cast("dict[str, Any]", value)[step]
    return value


# ── texts → value ───────────────────────────────────────────────────────────────────────────────────────


def read(form: Fieldset, texts: Mapping[str, str], before: Any) -> Read:
    """`before` with what was changed; texts are by name, their lines end in `\\n`, one that is not there is empty."""
    faults: dict[str, str] = {}
    value = cast("dict[str, Any]", json.loads(json.dumps(before))) if isinstance(before, dict) else {}
    for nested in form.fieldsets():
        if nested.path and not isinstance(_at(value, nested.path), dict):
            _put(value, nested.path, {})
    for one in form.fields():
        text = texts.get(one.name, "")
        old = _at(before, one.path)
        if _is_unchanged(one, text, old):
            continue
        try:
            _put(value, one.path, _read(one, text, old))
        except Unreadable as error:
            faults[one.name] = str(error)
    return Read(value, faults)


def read_json(text: str, before: Any, secrets: Sequence[Path]) -> Any:
    """A value that was edited as JSON; a hidden secret in it is the one of `before`.

    :raises Unreadable: it is no JSON, nested too deep, or a secret is not known.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if is_deeper(value, DEEPEST_JSON):
            raise Unreadable(f"It is nested deeper than {DEEPEST_JSON} levels.")
        return restored(value, before, secrets)
    except UsageError as error:
        raise Unreadable(str(error)) from None
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"This is no JSON: {error}.") from None


def place_faults(form: Fieldset, faults: Sequence[Fault]) -> dict[str, str]:
    """What a schema finds, by the name of the field or fieldset that shows it; of what is deeper with its place."""
    paths = {one.path: one.name for one in (*form.fieldsets(), *form.fields())}
    found: dict[str, str] = {}
    for fault in faults:
        path = tuple(str(step) for step in fault.place)
        length = next(n for n in range(len(path), -1, -1) if path[:n] in paths)
        inner = ".".join(path[length:])
        found.setdefault(paths[path[:length]], f"{inner}: {fault.text}" if inner else fault.text)
    return found


def _is_unchanged(field: Field, text: str, old: Any) -> bool:
    if old is MISSING and field.required and (field.nullable or field.kind == "checkbox"):
        return False
    shown = _shown(field, old)
    # Browsers leave out seconds that are 0.
    return text == shown or (field.kind == "date-time" and _local(text) == shown)


def _read(field: Field, text: str, before: Any) -> Any:
    match field.kind:
        case "checkbox":
            return text != ""
        case _ if not (text if field.kind in ("text", "secret") else text.strip()):
            return _empty(field)
        case "text" | "secret":
            return text
        case "json" | "select":
            return read_json(text, UNKNOWN if before is MISSING else before, field.secrets)
        case kind:
            return READERS[kind](text.strip())


def _empty(field: Field) -> Any:
    """What a field without a text is: left out if it may be, else null if it may be, else an empty text."""
    if not field.required and field.default is MISSING:
        return MISSING
    if field.nullable:
        return None
    return "" if field.kind == "text" else MISSING


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text):
        raise Unreadable("Expected a whole number.")
    return int(text)


def _number(text: str) -> int | float:
    if INTEGER.fullmatch(text):
        return int(text)
    value = float(text) if NUMBER.fullmatch(text) else inf
    if isinf(value):
        raise Unreadable("Expected a number.")
    return value


def _moment(text: str) -> str:
    local = _local(text)
    if local is None:
        raise Unreadable("Expected a moment as 2026-01-31T09:30:00.")
    return f"{local}Z"


READERS: Mapping[str, Callable[[str], Any]] = {"integer": _integer, "number": _number, "date-time": _moment}


def _refuse_constant(name: str) -> None:
    raise Unreadable(f"JSON has no {name}.")


def _put(value: dict[str, Any], path: Path, one: Any) -> None:
    *parents, last = path
    for step in parents:
        value = cast("dict[str, Any]", value[step])
    if one is MISSING:
        value.pop(last, None)
    else:
        value[last] = one
