"""The query language of job lists: one text that a person types, an URL carries, and `matching` carries out. Pure.

    process-cafe timeout            both words, anywhere in id, name, payload or reason
    "no answer"                     these characters; \\" and \\\\ stand for " and \\ between quotes
    name:process-*  id:42           the whole name or id; * stands for any characters, but not between quotes
    error:timeout                   somewhere in the reason it failed for
    payload.user.email:"a b"        the whole value at that path; of a list, that of any element (or `items.0.id`)
    payload.total:>100              numbers compare by value: 42 is 42.0 is "42"; also >=, <, <=
    attempt:>2                      attempts that have ended
    age:>1h30m                      since it was added: ms, s, m, h, d, w
    -error:timeout                  not

Case makes no difference, in keys of the payload neither. A key that holds '.', ':', '"' or a space is quoted:
`payload."a.b":1`. What cannot be read is a `QueryError`: a value, that says where and what to do.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from barback.errors import did_you_mean

LONGEST, MOST_TERMS, MOST_KEYS = 1_000, 32, 32
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
"""As JSON writes them, but not endlessly long."""
PART_OF_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}

Field = Literal["any", "name", "id", "error", "payload", "attempt", "age"]
FIELDS: tuple[Field, ...] = ("name", "id", "error", "payload", "attempt", "age")
Comparison = Literal[">=", "<=", ">", "<", "="]
COMPARISONS: tuple[Comparison, ...] = (">=", "<=", ">", "<")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `value` is as it was typed, without quotes; `path` is that into the payload."""

    field: Field
    value: str
    path: tuple[str, ...] = ()
    comparison: Comparison = "="
    quoted: bool = False
    negated: bool = False

    @property
    def number(self) -> Decimal | None:
        """The value, where it is one: of an age the seconds."""
        if self.field == "age":
            return read_duration_s(self.value)
        return Decimal(self.value) if NUMBER.fullmatch(self.value) else None

    def __str__(self) -> str:
        field = "" if self.field == "any" else ".".join([self.field, *map(_write_key, self.path)]) + ":"
        comparison = "" if self.comparison == "=" else self.comparison
        value = _quote(self.value) if self.quoted else self.value
        return f"{'-' if self.negated else ''}{field}{comparison}{value}"


@dataclass(frozen=True, slots=True)
class Query:
    """All of these hold. Without any, every job matches. `parse(str(query))` is the query again."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))


EVERY = Query()
"""Every job matches."""


@dataclass(frozen=True, slots=True)
class QueryError:
    """What is wrong with a text, and with which character (counted from 0) it begins."""

    position: int
    message: str


class _Wrong(Exception):
    def __init__(self, position: int, message: str) -> None:
        self.told = QueryError(position, message)


def parse(text: str) -> Query | QueryError:
    """Read a query. Never raises."""
    if len(text) > LONGEST:
        return QueryError(LONGEST, f"A query has {LONGEST:,} characters at most, this one has {len(text):,}.")
    terms: list[Term] = []
    position = _skip_spaces(text, 0)
    try:
        while position < len(text):
            if len(terms) == MOST_TERMS:
                return QueryError(position, f"A query has {MOST_TERMS} conditions at most.")
            term, position = _read_term(text, position)
            terms.append(term)
            position = _skip_spaces(text, position)
    except _Wrong as wrong:
        return wrong.told
    return Query(tuple(terms))


def read_duration_s(text: str) -> Decimal | None:
    """`90s`, `1h30m` as seconds; None: it is none."""
    parts = PART_OF_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum((Decimal(number) * Decimal(str(UNITS_S[unit])) for number, unit in parts), Decimal(0))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

_SPACES = re.compile(r"\s*")
_WORD = re.compile(r"\S*")
_FIELD = re.compile(r"([A-Za-z][A-Za-z_]*)(?=[.:])")
_KEY = re.compile(r'[^\s.:"]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)


def _skip_spaces(text: str, position: int) -> int:
    match = _SPACES.match(text, position)
    return match.end() if match else position


def _read_term(text: str, start: int) -> tuple[Term, int]:
    negated = text[start] == "-" and start + 1 < len(text) and not text[start + 1].isspace()
    position = start + negated
    found = _FIELD.match(text, position)
    # `e.g.` is a word, `e.g:x` a mistake.
    if found is None or (
        found[1].lower() != "payload" and text[found.end()] == "." and ":" not in _word(text, position)
    ):
        value, quoted, position = _read_value(text, position)
        return Term("any", value, quoted=quoted, negated=negated), position
    field = _known_field(found[1], position)
    path, position = _read_path(text, found.end(), field)
    return _read_condition(text, position, field, path, negated)


def _known_field(name: str, position: int) -> Field:
    for field in FIELDS:
        if field == name.lower():
            return field
    hint = did_you_mean(name, FIELDS)
    raise _Wrong(position, f"There is no field '{name}'.{hint} To look for the text itself, put it in quotes.")


def _read_path(text: str, position: int, field: str) -> tuple[tuple[str, ...], int]:
    """From behind the field to behind its colon."""
    path: list[str] = []
    while text[position : position + 1] == ".":
        if field != "payload":
            raise _Wrong(position, f"Only payload has a path: expected '{field}:' and a value.")
        quoted, plain = _QUOTED.match(text, position + 1), _KEY.match(text, position + 1)
        key = quoted or plain
        if len(path) == MOST_KEYS:
            raise _Wrong(position, f"A path has {MOST_KEYS} keys at most.")
        if key is None:
            raise _Wrong(position + 1, "Expected a key after '.', as in payload.cafeId:42.")
        path.append(_unquote(key[1]) if quoted else key[0])
        position = key.end()
    if text[position : position + 1] != ":":
        raise _Wrong(position, "Expected ':' and a value, as in payload.cafeId:42.")
    if field == "payload" and not path:
        raise _Wrong(position, "Expected a path into the payload, as in payload.cafeId:42.")
    return tuple(path), position + 1


def _read_condition(text: str, position: int, field: Field, path: tuple[str, ...], negated: bool) -> tuple[Term, int]:
    comparison = _read_comparison(text, position) if field in ("attempt", "age", "payload") else "="
    position += 0 if comparison == "=" else len(comparison)
    value, quoted, end = _read_value(text, position)
    said = text[:position].rpartition(" ")[2]
    if field == "age" and (comparison == "=" or quoted or read_duration_s(value) is None):
        raise _Wrong(position, "Expected > or < and a duration after age:, as in age:>1h30m (ms, s, m, h, d, w).")
    needs_number = field == "attempt" or (field == "payload" and comparison != "=")
    if needs_number and (quoted or not NUMBER.fullmatch(value)):
        raise _Wrong(position, f"Expected a number after {said}")
    return Term(field, value, path, comparison, quoted, negated), end


def _read_comparison(text: str, position: int) -> Comparison:
    for comparison in COMPARISONS:
        if text.startswith(comparison, position):
            return comparison
    return "="


def _read_value(text: str, position: int) -> tuple[str, bool, int]:
    if text[position : position + 1] == '"':
        quoted = _QUOTED.match(text, position)
        if quoted is None:
            raise _Wrong(position, 'This quote is never closed: expected another " after the text.')
        end = quoted.end()
        if end < len(text) and not text[end].isspace():
            raise _Wrong(end, 'Expected a space after the closing quote; write \\" for a quote in the text.')
        return _unquote(quoted[1]), True, end
    word = _word(text, position)
    if not word:
        raise _Wrong(position, 'Expected a value here; "" stands for the empty text.')
    return word, False, position + len(word)


def _word(text: str, position: int) -> str:
    match = _WORD.match(text, position)
    return match[0] if match else ""


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_key(key: str) -> str:
    return key if _KEY.fullmatch(key) else _quote(key)
