"""Texts of all kinds, and JSON as producers of all kinds write it."""

import json
import random
from typing import Any, cast

LETTERS = "abkKiI09 .:-_/\\\"'<>*{}[],\n\té€ßüÜİıKſ漢字🎉ΣσςǅÅ"  # noqa: RUF001 — confusable on purpose


NUMBERS = {
    42: ["42", "42.0", "4.2e1", "4.2E+1", "420e-1"],
    42.5: ["42.5", "42.50", "4.25e1"],
    100: ["100", "1e2", "100.00"],
}
"""The ways in which JSON can write them."""


def any_text(draw: random.Random, most: int = 6) -> str:
    return "".join(draw.choice(LETTERS) for _ in range(draw.randint(1, most)))


def any_value(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(8 if depth < 2 else 6)
    match kind:
        case 0 | 1:
            return any_text(draw)
        case 2 | 3:
            return draw.choice([0, 1, 42, 42, -42, 42.0, 42.5, 1e21, 100, 100])
        case 4:
            return draw.choice([True, False, None])
        case 5:
            return draw.choice(["42", "42.0", "4.2e1", "true", "1e2"])
        case 6:
            return {any_text(draw, 2): any_value(draw, depth + 1) for _ in range(draw.randint(1, 3))}
        case _:
            return [any_value(draw, depth + 1) for _ in range(draw.randint(1, 3))]


def write_json(value: Any, draw: random.Random) -> str:
    """Any of the ways in which JSON can say it."""
    if isinstance(value, str):
        return '"' + "".join(_write_character(c, draw) for c in value) + '"'
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        pairs = [f"{write_json(k, draw)}{_space(draw)}:{_space(draw)}{write_json(v, draw)}" for k, v in fields.items()]
        return "{" + f"{_space(draw)},{_space(draw)}".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + f",{_space(draw)}".join(write_json(it, draw) for it in cast("list[Any]", value)) + "]"
    if not isinstance(value, bool) and value in NUMBERS:
        return draw.choice(NUMBERS[value])
    return json.dumps(value)


def _write_character(character: str, draw: random.Random) -> str:
    way = draw.randrange(4)
    if way == 0:
        units = character.encode("utf-16-be").hex()
        escaped = [units[i : i + 4] for i in range(0, len(units), 4)]
        return "".join(rf"\u{unit.upper() if draw.random() < 0.5 else unit}" for unit in escaped)
    if character == "/" and way == 1:
        return r"\/"
    return json.dumps(character, ensure_ascii=draw.random() < 0.5)[1:-1]


def _space(draw: random.Random) -> str:
    return draw.choice(["", "", " ", "\n  "])
