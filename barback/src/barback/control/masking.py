"""Payloads as they are shown: declared secrets masked, what is large cut. Pure.

In doubt nothing is shown: a text that cannot be read, or is too large to be, may hold a secret anywhere.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from barback.masking import ANY, MASK


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload for people: JSON text, or a note in its place."""

    text: str
    size: int
    """Bytes of the whole."""
    complete: bool
    """Nothing was cut or masked."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much is shown. A larger text than `read` is not read at all, but for its beginning."""

    read: int = 256 * 1024
    """Bytes."""
    text: int = 2_000
    """Characters of one text."""
    items: int = 100
    """Elements of one list, or keys of one object."""
    depth: int = 30
    head: int = 500
    """Characters of what is not read."""


PAGE = Room()
ROW = Room(read=16 * 1024, text=80, items=10, depth=4, head=100)
"""For a line in a list."""
UNCUT = Room(read=sys.maxsize, text=sys.maxsize, items=sys.maxsize, depth=200, head=0)
"""Nothing is cut but what lies deeper than any payload of ours may."""


def show(data: str, secrets: Sequence[Sequence[str]] = (), room: Room = PAGE, *, size: int | None = None) -> Shown:
    """JSON text as it may be shown, without what lies at these paths (`barback.masking.secret_paths`).

    `size`: bytes of the whole, where `data` may be only its beginning.
    """
    here = len(data.encode("utf-8", "backslashreplace"))
    whole = here if size is None else size
    if whole > here or here > room.read:
        return _unread(data, whole, bool(secrets), room)
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        return _unread(data, whole, bool(secrets), room)
    cutter = _Cutter(room)
    shown = cutter.cut(value, [tuple(map(plain, path)) for path in secrets], 0)
    return Shown(json.dumps(shown, ensure_ascii=False, indent=2), whole, not cutter.did)


def _unread(data: str, whole: int, may_hold_secrets: bool, room: Room) -> Shown:
    if may_hold_secrets:
        return Shown(f"({whole:,} bytes: not shown, since it holds secrets that cannot be told apart)", whole, False)
    head = data[: room.head]
    is_all = len(head.encode("utf-8", "backslashreplace")) >= whole
    return Shown(head if is_all else f"{head}… ({whole:,} bytes in all)", whole, is_all)


class _Cutter:
    """Cuts one value and remembers whether it did."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.did = False

    def cut(self, value: Any, secrets: Sequence[tuple[str, ...]], depth: int) -> Any:
        """`secrets`: paths from here on."""
        if any(not path for path in secrets):
            self.did = True
            return MASK
        if isinstance(value, str):
            return self._cut_text(value)
        if not isinstance(value, dict | list):
            return value
        inner = cast("dict[str, Any] | list[Any]", value)
        if depth >= self._room.depth and inner:
            self.did = True
            return "…"
        if isinstance(inner, list):
            # An element has the paths of its list, with its own step (`*` or a number) or without.
            kept = [self.cut(it, into(secrets, str(i)) + list(secrets), depth + 1) for i, it in self._some(inner)]
            return kept + self._rest(len(inner) - len(kept))
        shown = {self._cut_text(key): self.cut(it, into(secrets, key), depth + 1) for key, it in self._first(inner)}
        more = len(inner) - self._room.items
        return shown | ({"…": f"{more:,} more keys"} if more > 0 else {})

    def _some(self, items: list[Any]) -> list[tuple[int, Any]]:
        return list(enumerate(items[: self._room.items]))

    def _first(self, fields: dict[str, Any]) -> list[tuple[str, Any]]:
        self.did = self.did or len(fields) > self._room.items
        return list(fields.items())[: self._room.items]

    def _rest(self, more: int) -> list[str]:
        self.did = self.did or more > 0
        return [f"… {more:,} more"] if more else []

    def _cut_text(self, text: str) -> str:
        if len(text) <= self._room.text:
            return text
        self.did = True
        return f"{text[: self._room.text]}… ({len(text) - self._room.text:,} more characters)"


def into(secrets: Sequence[tuple[str, ...]], key: str) -> list[tuple[str, ...]]:
    """The paths that go on behind a key."""
    return [path[1:] for path in secrets if path and path[0] in (ANY, plain(key))]


def plain(key: str) -> str:
    """A field may be sent by either of its names: `api_key` and `apiKey` are the same one."""
    return key.replace("_", "").casefold()
