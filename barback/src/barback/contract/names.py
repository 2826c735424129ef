"""Names that TypeScript takes, made of those that Python has."""

import json
import re
from collections.abc import Collection

TAKEN = frozenset(
    {"Array", "AsyncGenerator", "Date", "DeclaredJob", "Error", "ExternalJob", "Function", "Map", "Number", "Object"}
    | {"Promise", "Record", "RegExp", "Set", "String", "Symbol", "Boolean", "BigInt", "JSON", "Math", "Infinity", "NaN"}
)
"""What a type of the app's may not be called in its module."""
KEYWORDS = frozenset(
    {"arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete"}
    | {"do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements"}
    | {"import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public"}
    | {"return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while"}
    | {"with", "yield", "undefined", "z", "anything", "decimal", "moment", "sized", "text", "whole"}
)

LONGEST = 60


def type_name(name: str, taken: Collection[str]) -> str:
    """`Page_Item_` → `PageItem`; with a number behind it if that is taken."""
    words = re.findall(r"[^\W_]+", name)
    # Of a generic type pydantic's name holds those of all it was made with.
    made = _identifier("".join(word[0].upper() + word[1:] for word in words))[:LONGEST]
    return _free(f"{made}Model" if made in TAKEN else made, taken)


def value_name(name: str, taken: Collection[str] = ()) -> str:
    """`update-cafe-stats` → `updateCafeStats`; a keyword gets `Job` behind it."""
    first, *others = re.findall(r"[^\W_]+", name) or [""]
    made = _identifier(first[:1].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in others))
    return _free(f"{made}Job" if made in KEYWORDS else made, taken)


def file_name(name: str, taken: Collection[str]) -> str:
    """Of a job's module, without its ending: what every file system takes."""
    return _free("-".join(re.findall(r"[a-z0-9]+", name.lower())) or "job", taken)


def field_name(name: str) -> str:
    """As the key of an object: quoted if need be."""
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) and name != "__proto__" else quoted(name)


def quoted(value: object) -> str:
    """A JSON value as JavaScript reads it."""
    return json.dumps(value, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _identifier(made: str) -> str:
    return made if made.isidentifier() else f"_{made}"


def _free(made: str, taken: Collection[str]) -> str:
    number, free = 2, made
    while free in taken:
        free, number = f"{made}{number}", number + 1
    return free
