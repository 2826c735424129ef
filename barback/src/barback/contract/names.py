"""Names that TypeScript takes, made of those that Python has."""

import json
import re
from collections.abc import Collection

TAKEN = frozenset(
    {"Array", "AsyncGenerator", "Date", "Error", "Function", "Map", "Number", "Object", "Promise", "Record", "RegExp"}
    | {"Set", "String", "Symbol", "Boolean", "BigInt", "JSON", "Math", "Infinity", "NaN"}
    # What every client exports itself.
    | {"Client", "ClientOptions", "DeclaredJob", "EnqueueOptions", "Enqueued", "EnqueuedFlow", "ExternalJob", "Flow"}
    | {"Handler", "InvalidPayload", "JobFailed", "JobGone", "JobName", "JobUnfinished", "PayloadOf", "Progress"}
    | {"ResultOf", "Sent", "Unique"}
)
"""What a type of the app's may not be called."""
KEYWORDS = frozenset(
    {"arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete"}
    | {"do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements"}
    | {"import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public"}
    | {"return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while"}
    | {"with", "yield", "undefined", "z", "anything", "decimal", "moment", "sized", "text", "whole"}
    # What every client exports itself.
    | {"check", "createClient", "createProcessor", "createWorker", "flow", "handle"}
)
OF_WINDOWS = frozenset({"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)})
"""What no file may be called there, whatever its ending."""

LONGEST = 60
LONGEST_OF_NPM = 214


def type_name(name: str, taken: Collection[str]) -> str:
    """`Page_Item_` → `PageItem`; with a number behind it if that is taken."""
    words = re.findall(r"[^\W_]+", name)
    # Of a generic type pydantic's name holds those of all it was made with.
    made = _identifier("".join(word[0].upper() + word[1:] for word in words))[:LONGEST]
    return _free(f"{made}Model" if made in TAKEN else made, taken)


def value_name(name: str) -> str:
    """`update-cafe-stats` → `updateCafeStats`; a keyword gets `Job` behind it."""
    first, *others = re.findall(r"[^\W_]+", name) or [""]
    made = _identifier(first[:1].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in others))
    return f"{made}Job" if made in KEYWORDS else made


def file_name(name: str, taken: Collection[str]) -> str:
    """Of a job's module, without its ending: what every file system takes."""
    made = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "job"
    return _free(f"{made}-job" if made in OF_WINDOWS else made, taken)


def package_name(name: str) -> str:
    """`My Shop` → `my-shop-jobs`: what npm takes."""
    return "-".join([*re.findall(r"[a-z0-9]+(?:[._][a-z0-9]+)*", name.lower()), "jobs"])


def is_package_name(name: str) -> bool:
    """Whether npm takes it."""
    return (
        len(name) <= LONGEST_OF_NPM
        and re.fullmatch(r"(@[a-z0-9-][a-z0-9._-]*/)?[a-z0-9-][a-z0-9._-]*", name) is not None
    )


def field_name(name: str) -> str:
    """As the key of an object: quoted if need be."""
    if name == "__proto__":
        return '["__proto__"]'  # without brackets it is no field, but what the object inherits from
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, re.ASCII) else quoted(name)


def quoted(value: object) -> str:
    """A JSON value as JavaScript reads it."""
    return json.dumps(value, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _identifier(made: str) -> str:
    # `²` is part of a word, and of no name.
    known = "".join(letter for letter in made if f"_{letter}".isidentifier())
    return known if known.isidentifier() else f"_{known}"


def _free(made: str, taken: Collection[str]) -> str:
    number, free = 2, made
    while free in taken:
        free, number = f"{made}{number}", number + 1
    return free
