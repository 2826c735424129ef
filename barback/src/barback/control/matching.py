"""Whether a job matches a query, exactly; and the sieve by which a broker leaves out most that do not. Pure.

The sieve is sound: what matches always passes it. So it holds only what must stand in a stored job however a producer
wrote it. JSON may escape any character, numbers have many forms, and case is folded here as Unicode says, there for
ASCII alone: a text is cut into pieces that look the same in all of them (`_pieces`). Nothing is promised of bytes that
are not UTF-8.
"""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import inf
from typing import Any, cast

from barback.broker import JobRecord
from barback.control.query import NUMBER, Query, Term
from barback.inspector import Bounds, Needle, Place, Sieve

MOST_NEEDLES = 8
LARGEST = float(2**53)
"""No age in seconds, and no number of attempts, is as large."""

# ── exactly ─────────────────────────────────────────────────────────────────────────────────────────────


def matches(query: Query, record: JobRecord, now: float) -> bool:
    """Whether all terms hold of a job; a payload that is no JSON has no values, but text."""
    payload = _NOT_READ
    for term in query.terms:
        if term.field == "payload":
            payload = _read(record.data) if payload is _NOT_READ else payload
            found = any(_is_value(term, value) for value in _values(payload, term.path))
        else:
            found = _holds(term, record, now)
        if found == term.negated:
            return False
    return True


def fold(text: str) -> str:
    """The text without case. Character by character, so that what is in a text is in its fold.

    No other than an ASCII letter becomes one: the two that would (İ and the Kelvin sign) stay.
    """
    if text.isascii():
        return text.lower()
    return "".join(c if c in "\u0130\u212a" else c.lower() for c in text)


def unescaped(data: str) -> str:
    """JSON text with the escapes in its strings undone: what a person would read."""
    return _ESCAPE.sub(_undo, data) if "\\" in data else data


_NOT_READ, _UNREADABLE = object(), object()
_DECODER = json.JSONDecoder(parse_float=Decimal)
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|.)", re.DOTALL)


def _undo(escape: re.Match[str]) -> str:
    try:
        return str(json.loads(f'"{escape[0]}"'))
    except ValueError:
        return escape[0]


def _holds(term: Term, record: JobRecord, now: float) -> bool:
    match term.field:
        case "attempt":
            return _compares(Decimal(record.attempts_made), term)
        case "age":
            return _compares(Decimal(now) - Decimal(record.added_at), term)
        case "name":
            return _is_text(term, record.name)
        case "id":
            return _is_text(term, record.id)
        case "error":
            return fold(term.value) in fold(record.failed_reason or "")
        case _:
            word = fold(term.value)
            texts = (record.name, record.id, record.failed_reason or "")
            return any(word in fold(text) for text in texts) or word in fold(unescaped(record.data))


def _read(data: str) -> Any:
    try:
        return _DECODER.decode(data)
    except (ValueError, RecursionError, ArithmeticError):
        return _UNREADABLE


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """What lies at the end of the path; a list on the way stands for each of its elements."""
    if not path:
        yield from cast("list[Any]", value) if isinstance(value, list) else [value]
        return
    if isinstance(value, dict):
        key = fold(path[0])
        for name, inner in cast("dict[str, Any]", value).items():
            if fold(name) == key:
                yield from _values(inner, path[1:])
    elif isinstance(value, list):
        elements = cast("list[Any]", value)
        if path[0].isascii() and path[0].isdigit() and int(path[0][:18]) < len(elements):
            yield from _values(elements[int(path[0][:18])], path[1:])
        for element in elements:
            # A list in a list is looked into by index only.
            if isinstance(element, dict):
                yield from _values(element, path)


def _is_value(term: Term, value: Any) -> bool:
    if isinstance(value, str):
        return term.comparison == "=" and _is_text(term, value)
    if value is None or isinstance(value, bool):
        return term.comparison == "=" and _is_text(term, json.dumps(value))
    if isinstance(value, int | Decimal):
        return not term.quoted and _compares(Decimal(value), term)
    return False


def _compares(value: Decimal, term: Term) -> bool:
    number = term.number
    if number is None or value.is_nan():
        return False
    match term.comparison:
        case ">":
            return value > number
        case ">=":
            return value >= number
        case "<":
            return value < number
        case "<=":
            return value <= number
        case "=":
            return value == number


def _is_text(term: Term, text: str) -> bool:
    """The whole text; between the stars of an unquoted value there may be anything."""
    folded = fold(text)
    if term.quoted or "*" not in term.value:
        return folded == fold(term.value)
    first, *middle, last = fold(term.value).split("*")
    if len(folded) < len(first) + len(last) or not (folded.startswith(first) and folded.endswith(last)):
        return False
    position, end = len(first), len(folded) - len(last)
    for part in middle:
        # The leftmost is as good as any: a regular expression would try them all.
        position = folded.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


# ── the sieve ───────────────────────────────────────────────────────────────────────────────────────────


def sieve_of(query: Query, now: float, *, in_payloads: bool = True) -> Sieve:
    """What a broker can look for by itself. `now` is the moment at which `matches` is asked.

    `in_payloads` False: payloads may hold what the query must not find. How long a look takes, and how far it comes,
    would tell what a sieve of them let through.
    """
    terms = [term for term in query.terms if not term.negated]
    found = (needle for term in terms for needle in _needles(term))
    needles = dict.fromkeys(needle for needle in found if in_payloads or needle.place not in ("data", "anywhere"))
    longest = sorted(needles, key=lambda needle: (needle.number, -len(needle.text)))[:MOST_NEEDLES]
    ages = [_bounds(term) for term in terms if term.field == "age"]
    attempts = [_bounds(term) for term in terms if term.field == "attempt"]
    youngest, oldest = max((b.least for b in ages), default=-inf), min((b.most for b in ages), default=inf)
    return Sieve(
        tuple(longest),
        Bounds(max((b.least for b in attempts), default=-inf), min((b.most for b in attempts), default=inf)),
        Bounds(now - oldest, now - youngest),
    )


def _bounds(term: Term) -> Bounds:
    number = min(max(float(term.number or 0), -LARGEST), LARGEST)
    match term.comparison:
        case ">" | ">=":
            return Bounds(least=number)
        case "<" | "<=":
            return Bounds(most=number)
        case "=":
            return Bounds(number, number)


def _needles(term: Term) -> Iterator[Needle]:
    match term.field:
        case "name" | "id" | "error" | "any":
            place: Place = "anywhere" if term.field == "any" else term.field
            for part in _parts(term):
                yield from (Needle(piece, place) for piece in _pieces(part))
        case "payload":
            for key in term.path:
                if not key.isdigit():
                    yield from (Needle(piece, "data") for piece in _pieces(key))
            yield from _value_needles(term)
        case _:
            return


def _value_needles(term: Term) -> Iterator[Needle]:
    if term.comparison != "=":
        return
    if term.quoted or not NUMBER.fullmatch(term.value):
        for part in _parts(term):
            yield from (Needle(piece, "data") for piece in _pieces(part))
    elif "e" not in term.value.lower():
        # 42 is also 42.0 and 4.2e1; a text is it only as it was typed, which holds the digits too.
        digits = term.value.lstrip("-")
        yield Needle(digits.rstrip("0").rstrip(".") if "." in digits else digits, "data", number=True)


def _parts(term: Term) -> list[str]:
    starred = not term.quoted and term.field in ("name", "id", "payload")
    return term.value.split("*") if starred else [term.value]


def _pieces(text: str) -> list[str]:
    """The parts of a text that stand as they are in any JSON, or are told by a `\\u` in it; folded."""
    kept = "".join(c if _stays(c) else "\0" for c in fold(text))
    return [piece for piece in kept.split("\0") if piece]


def _stays(character: str) -> bool:
    """It has one form in JSON but for its escape by number, and no other folds to it."""
    if character.isascii():
        return character.isprintable() and character not in '"\\/'
    return character.isprintable() and character == character.lower() == character.upper() == character.title()
