"""Regular expressions of pydantic's (Rust's) as JavaScript has them, where both mean the same."""

import re

CLASSES = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]",
    "W": r"[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]",
    "s": r"\p{White_Space}",
    "S": r"\P{White_Space}",
}
"""Rust's are Unicode's, JavaScript's are ASCII's."""
SYNTAX = frozenset("^$\\.*+?()[]{}|/")
FORMS = {"[": re.compile(r"\[\^?(?!\])"), "(?": re.compile(r"\(\?:"), "{": re.compile(r"\{\d+(,\d*)?\}")}
"""What may follow: `[]a]` holds a bracket in Rust, and names and flags of groups are written otherwise."""
CONTROLS = frozenset("nrtfv")


def javascript_pattern(pattern: str) -> str | None:
    """A literal `/…/u`; None: it means something else there, or nothing, and the worker alone decides."""
    made: list[str] = []
    rest, in_class = pattern, False
    while rest:
        taken, text = _next(rest, in_class)
        if text is None:
            return None
        in_class = (in_class or taken.startswith("[")) and taken != "]"
        made.append(text)
        rest = rest[len(taken) :]
    return None if in_class or not made else f"/{''.join(made)}/u"


def _next(rest: str, in_class: bool) -> tuple[str, str | None]:
    """The first part of what is left, and what stands for it."""
    if rest[0] == "\\":
        return rest[:2], _escaped(rest[1:2], in_class)
    if in_class:
        # Rust has classes in classes, and sets of them.
        return rest[0], None if rest[0] == "[" or rest[:2] in ("&&", "--", "~~") else rest[0]
    for opening, form in FORMS.items():
        if rest.startswith(opening):
            found = form.match(rest)
            return (found[0], found[0]) if found else (opening, None)
    return rest[0], {".": r"[^\n]", "/": r"\/", "}": None}.get(rest[0], rest[0])


def _escaped(letter: str, in_class: bool) -> str | None:
    if letter in CLASSES:
        inner = CLASSES[letter]
        if not in_class or not inner.startswith("["):
            return inner
        return None if letter == "W" else inner[1:-1]
    if letter in SYNTAX or letter in CONTROLS or (letter == "-" and in_class):
        return f"\\{letter}"
    return letter if letter and not letter.isalnum() and letter not in "<>" else None
