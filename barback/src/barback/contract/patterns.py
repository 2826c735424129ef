"""Regular expressions of pydantic's (Rust's) as JavaScript has them, where both mean the same, and cost about the same.

Rust matches in linear time. JavaScript tries one way after the other, and a few letters of a wrong text can take it
minutes: what could is left to the worker.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
OPENINGS, NOTHING_BEFORE = ("(", "(?:"), ("(", "(?:", "|", "^", "$")
LAZY = "lazy"
MOST_AMBIGUITIES = 1
"""Each costs the square, the cube … of a text's length, and one more a pattern that may begin anywhere."""
ENDLESS = 100


def javascript_pattern(pattern: str) -> str | None:
    """A literal `/…/u`; None: it means something else there, or nothing, or may take too long: the worker decides."""
    parts: list[str] = []
    made: list[str] = []
    for taken, text in _translated(pattern):
        if text is None:
            return None
        parts.append(taken)
        made.append(text)
    atoms = _atoms(parts)
    return f"/{''.join(made)}/u" if atoms and _is_quick(atoms) else None


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
    return rest[0], {".": r"[^\n]", "/": r"\/", "}": None, "]": r"\]"}.get(rest[0], rest[0])


def _escaped(letter: str, in_class: bool) -> str | None:
    if letter in LINES:
        return LINES[letter]
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
    """A letter, a class, an assertion, or a group with what it holds; how often there is one, `most` None: ever."""

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
        now = part
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
        elif before in NOTHING_BEFORE or before == LAZY:
            return None
        elif _bounds(before) is None:
            atoms[-1].least, atoms[-1].most = bounds
        elif part == "?":
            now = LAZY
        else:
            return None
        before = now
    return open_groups[0] if len(open_groups) == 1 else None


def _bounds(part: str) -> tuple[int, int | None] | None:
    """Of a quantifier: how often at least, and at most (None: ever); None: it is none."""
    if part in ("*", "+", "?"):
        return int(part == "+"), 1 if part == "?" else None
    if len(part) < 2 or not part.startswith("{"):
        return None
    least, comma, most = part[1:-1].partition(",")
    return int(least), int(most) if most else None if comma else int(least)


def _is_quick(atoms: Sequence[_Atom]) -> bool:
    begins_anywhere = atoms[0].part != "^" or any(atom.part == "|" for atom in atoms)
    return _ambiguities(atoms, frozenset()) + begins_anywhere <= MOST_AMBIGUITIES


def _ambiguities(atoms: Sequence[_Atom], after: frozenset[str]) -> int:
    """How many places there are at which a letter says not which way to go. `after`: letters that may come next.

    Of something that is repeated one of them is one too many: it doubles the ways with each turn.
    """
    found, begun = 0, frozenset[str]()
    for branch in _branches(atoms):
        first = _first(branch, after)
        found += bool(begun & first)
        begun |= first
        for number, atom in enumerate(branch):
            own, following = _own(atom), _first(branch[number + 1 :], after)
            found += atom.least != atom.most and bool(own & following)
            if atom.inner is not None:
                inside = _ambiguities(atom.inner, following if atom.most == 1 else following | own)
                found += inside if atom.most == 1 else inside * ENDLESS
    return found


def _branches(atoms: Sequence[_Atom]) -> list[list[_Atom]]:
    branches: list[list[_Atom]] = [[]]
    for atom in atoms:
        if atom.part == "|":
            branches.append([])
        else:
            branches[-1].append(atom)
    return branches


def _first(atoms: Sequence[_Atom], after: frozenset[str]) -> frozenset[str]:
    """The letters with which these may begin, and if they may be nothing, what comes after them."""
    found = frozenset[str]()
    for atom in atoms:
        found |= _own(atom)
        if atom.least > 0 and not _may_be_nothing(atom):
            return found
    return found | after


def _own(atom: _Atom) -> frozenset[str]:
    if atom.inner is not None:
        return frozenset[str]().union(*(_first(branch, frozenset()) for branch in _branches(atom.inner)))
    return frozenset() if atom.part in ("^", "$") else _letters(atom.part)


def _may_be_nothing(atom: _Atom) -> bool:
    if atom.inner is None:
        return atom.part in ("^", "$")
    return any(all(one.least == 0 or _may_be_nothing(one) for one in branch) for branch in _branches(atom.inner))


@lru_cache(maxsize=100)
def _letters(part: str) -> frozenset[str]:
    return frozenset(re.findall(part, _every_letter()))


@lru_cache(maxsize=1)
def _every_letter() -> str:
    """All that are likely in a pattern, and two beyond."""
    return "".join(map(chr, (*range(0xD800), *range(0xE000, 0x1_0000), 0x1_0400, 0x1_F600)))
