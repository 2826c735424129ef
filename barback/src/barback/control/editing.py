"""A payload that a person edits without seeing its secrets: they are hidden before, and put back after. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from barback.control.masking import into, plain
from barback.errors import UsageError
from barback.masking import MASK

Paths = Sequence[Sequence[str]]
UNKNOWN: Any = object()
"""Stands for a value of which nothing is stored."""


def hidden(value: Any, secrets: Paths) -> Any:
    """A copy of a JSON value with `MASK` for each secret; nothing is cut."""
    return _hidden(value, [tuple(map(plain, path)) for path in secrets])


def restored(edited: Any, stored: Any, secrets: Paths) -> Any:
    """What was edited, with the stored value for each secret that was left hidden.

    In a list it is known which secret is whose only as long as nothing else of that list was changed.

    :raises UsageError: a hidden secret stands where none was stored, or in a list that was changed.
    """
    return _restored(edited, stored, [tuple(map(plain, path)) for path in secrets], "the payload")


def is_deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value has more levels than that, itself being the first: what goes through it calls itself."""
    inside: list[Any] = [value]
    for _ in range(levels):
        inside = [inner for one in inside for inner in _parts(one)]
    return any(isinstance(one, dict | list) for one in inside)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _hidden(value: Any, secrets: Sequence[tuple[str, ...]]) -> Any:
    if () in secrets:
        return MASK
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {key: _hidden(one, into(secrets, key)) for key, one in fields.items()}
        case list():
            items = cast("list[Any]", value)
            return [_hidden(one, _of_item(secrets, number)) for number, one in enumerate(items)]
        case _:
            return value


def _restored(edited: Any, stored: Any, secrets: Sequence[tuple[str, ...]], place: str) -> Any:
    if not secrets:
        return edited
    if stored is UNKNOWN:
        _refuse_hidden(edited, secrets, place)
        return edited
    if _is_same(edited, _hidden(stored, secrets)):
        return stored
    match edited:
        case dict():
            before = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
            return {
                key: _restored(one, before.get(key, UNKNOWN), into(secrets, key), key)
                for key, one in cast("dict[str, Any]", edited).items()
            }
        case list():
            for number, one in enumerate(cast("list[Any]", edited)):
                _refuse_hidden(one, _of_item(secrets, number), place)
            return cast("list[Any]", edited)
        case _:
            _refuse_hidden(edited, secrets, place)
            return edited


def _is_same(one: Any, other: Any) -> bool:
    # As JSON: in Python true is 1.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _refuse_hidden(value: Any, secrets: Sequence[tuple[str, ...]], place: str) -> None:
    if () in secrets and value == MASK:
        raise UsageError(f"'{place}' holds a secret that is not known here: type its value in place of {MASK}.")
    if isinstance(value, dict):
        for key, one in cast("dict[str, Any]", value).items():
            _refuse_hidden(one, into(secrets, key), key)
    if isinstance(value, list):
        for number, one in enumerate(cast("list[Any]", value)):
            _refuse_hidden(one, _of_item(secrets, number), place)


def _of_item(secrets: Sequence[tuple[str, ...]], number: int) -> list[tuple[str, ...]]:
    # As `masking`: an element has the paths of its list, with its own step or without.
    return [*into(secrets, str(number)), *secrets]
