"""Regular expressions of pydantic's (Rust's) as JavaScript has them, where both mean the same, and cost about the same.

Rust matches in linear time. JavaScript tries one way after the other, and a few letters of a wrong text can take it
minutes: what could is left to the worker.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
FORMS = {"[": re.compile(r"\[(?!\^?\])\^?"), "(?": re.compile(r"\(\?:"), "{": re.compile(r"\{\d+(,\d*)?\}")}
"""What may follow: `[]a]` holds a bracket in Rust, and names and flags of groups are written otherwise."""
CONTROLS = frozenset("nrtfv")
LINES = {"\n": r"\n", "\r": r"\r", "\u2028": r"\u2028", "\u2029": r"\u2029"}
"""What would end a literal of JavaScript's."""
OPENINGS, NOTHING_BEFORE = ("(", "(?:"), ("(", "(?:", "|", "^")


def javascript_pattern(pattern: str) -> str | None:
    """A literal `/…/u`; None: it means something else there, or nothing, or may take too long: the worker decides."""
    parts: list[str] = []
    made: list[str] = []
    for taken, text in _translated(pattern):
        if text is None:
            return None
        parts.append(taken)
        made.append(text)
    return f"/{''.join(made)}/u" if made and _repeats_plainly(_atoms(parts)) else None


# ── what it means ───────────────────────────────────────────────────────────────────────────────────────────────────


def _translated(pattern: str) -> Iterator[tuple[str, str | None]]:
    """Its parts, and what stands for each; a class is one part."""
    rest = pattern
    while rest:
        taken, text = _next(rest, in_class=False)
        while text is not None and taken.startswith("[") and not _ends_class(taken):
            more, inner = _next(rest[len(taken) :], in_class=True) if len(taken) < len(rest) else ("", None)
            taken, text = taken + more, None if inner is None else text + inner
        yield taken, text
        rest = rest[len(taken) :]


def _ends_class(taken: str) -> bool:
    return re.fullmatch(r"\[\^?(\\.|[^\]\\])+\]", taken, re.DOTALL) is not None


def _next(rest: str, in_class: bool) -> tuple[str, str | None]:
    """The first part of what is left, and what stands for it."""
    if rest[0] == "\\":
        return rest[:2], _escaped(rest[1:2], in_class)
    if rest[0] in LINES:
        return rest[0], LINES[rest[0]]
    if in_class:
        # Rust has classes in classes, and sets of them.
        return rest[0], None if rest[0] == "[" or rest[:2] in ("&&", "--", "~~", "||") else rest[0]
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


# ── what it costs ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Atom:
    """A letter, a class, or a group with what it holds. `most`: how often it may follow itself; None: ever."""

    part: str
    inner: list["_Atom"] | None = None
    least: int = 1
    most: int | None = 1


def _atoms(parts: Sequence[str]) -> list[_Atom] | None:
    """None: something is repeated that JavaScript does not repeat."""
    open_groups: list[list[_Atom]] = [[]]
    before = "("
    for part in parts:
        atoms = open_groups[-1]
        bounds = _bounds(part)
        if part in OPENINGS:
            inner: list[_Atom] = []
            atoms.append(_Atom(part, inner))
            open_groups.append(inner)
        elif part == ")":
            if len(open_groups) == 1:
                return None
            open_groups.pop()
        elif bounds is None:
            atoms.append(_Atom(part))
        elif before in NOTHING_BEFORE:
            return None
        elif _bounds(before) is None:
            atoms[-1].least, atoms[-1].most = bounds
        elif part != "?":  # behind another one it means: as few as possible
            return None
        before = part
    return open_groups[0] if len(open_groups) == 1 else None


def _bounds(part: str) -> tuple[int, int | None] | None:
    """Of a quantifier: how often at least, and at most (None: ever); None: it is none."""
    if part in ("*", "+", "?"):
        return int(part == "+"), 1 if part == "?" else None
    if len(part) < 2 or not part.startswith("{"):
        return None
    least, comma, most = part[1:-1].partition(",")
    return int(least), int(most) if most else None if comma else int(least)


def _repeats_plainly(atoms: Sequence[_Atom] | None) -> bool:
    """Whether each group that may follow itself can do so in one way only."""
    return atoms is not None and all(
        atom.inner is None
        or (_repeats_plainly(atom.inner) and (atom.most == 1 or _begins_like_nothing_else(atom.inner)))
        for atom in atoms
    )


def _begins_like_nothing_else(atoms: Sequence[_Atom]) -> bool:
    """Whether they begin with a letter that none of the others can be, as in `(?:-[a-z]+)*`."""
    if not atoms or not (letter := _letter(atoms[0])):
        return False
    return not any(other.inner is not None or other.part == "|" or re.match(other.part, letter) for other in atoms[1:])


def _letter(atom: _Atom) -> str:
    """The only one that it can be, once; "": it is something else."""
    if atom.inner is not None or (atom.least, atom.most) != (1, 1) or atom.part in ("|", "^", "$", "."):
        return ""
    letter = atom.part.removeprefix("\\")
    return letter if len(letter) == 1 and not (atom.part.startswith("\\") and letter.isalpha()) else ""
