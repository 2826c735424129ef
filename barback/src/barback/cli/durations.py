"""Durations as people type them."""

import re
from typing import Any

import click

UNITS_S = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(click.ParamType[float]):
    """`5`, `5s`, `500ms`, `1.5h`, `2d` as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|)", str(value).strip())
        if match is None:
            self.fail(f"expected seconds like 5, or 500ms, 5s, 10m, 2h, 1d, got {value!r}", param, ctx)
        return float(match[1]) * UNITS_S[match[2]]
