"""What templates say of values. Pure. All that comes from outside leaves here printable; Jinja escapes it."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isnan
from typing import Any

from markupsafe import Markup, escape

from barback.printable import printable, printable_lines

SHOWN_CHARACTERS = 20_000
"""Of a longer text the beginning is shown."""

TOKEN = re.compile(
    r"""(?P<key>"(?:[^"\\]|\\.)*"(?=:))|(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity)"""
)
LONGEST_S = 1e10
"""Of a longer duration, which is somebody's mistake, that is shown."""
UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def shown(value: Any) -> Any:
    """What Jinja calls with each value before it escapes it: texts leave printable, newlines and tabs in them stay."""
    return printable_lines(value) if type(value) is str else value


def exact(text: str) -> Markup:
    """A text to the letter, for the value of a field: what is sent is what is meant, not what can be shown of it."""
    return escape(text.encode("utf-8", "replace").decode())


def short(text: str | None, length: int = 120) -> str:
    """One printable line of at most `length` characters."""
    text = printable(text or "")
    return text if len(text) <= length else text[: length - 1] + "…"


def end_of(text: str, length: int) -> str:
    """The end of a text, as one printable line."""
    text = printable(text)
    return text if len(text) <= length else "…" + text[1 - length :]


def line(text: str) -> str:
    """Indented JSON in one line; line breaks stand only between its values."""
    return re.sub(r"\n *", " ", re.sub(r"(?<=[{\[])\n *|\n *(?=[}\]])", "", text))


def key(text: str) -> str:
    """What an element that shows this thing is called, so that it stays the same element when others come before it."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def seconds(value: float | None) -> str:
    """A duration as people say it: `340 ms`, `4.2 s`, `3 min 20 s`, `2 d 4 h`; None: a dash."""
    if value is None or isnan(value):
        return "\N{EN DASH}"
    value = min(value, LONGEST_S)
    if value < 0.9995:
        return f"{max(value, 0) * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.1f}".removesuffix(".0") + " s"
    whole = round(value)
    for (unit, size), (smaller, rest_size) in zip(UNITS, (*UNITS[1:], ("s", 1)), strict=True):
        if whole >= size:
            rest = whole % size // rest_size
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError(value)


def size(count: int | None) -> str:
    """Bytes as people say them: `3.4 MB` (of 2**20); None: a dash."""
    if count is None:
        return "\N{EN DASH}"
    value, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def polyline(values: Sequence[float], highest: float, width: int = 100, height: int = 24) -> str:
    """The points of a line in an SVG drawing of that size; `highest`: of what reaches the top."""
    step, scale = width / max(1, len(values) - 1), (height - 2) / max(highest, 1)
    return " ".join(f"{i * step:.4g},{height - 1 - value * scale:.4g}" for i, value in enumerate(values))


def iso(at: float) -> str:
    """Epoch seconds for `<time datetime>`."""
    return _utc(at).isoformat(timespec="milliseconds")


def utc(at: float) -> str:
    """Epoch seconds where no script puts them into the reader's zone."""
    return _utc(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def percent(progress: str) -> float | None:
    """A job's progress, if it is a number from 0 to 100; it is JSON text."""
    try:
        value = json.loads(progress)
    except ValueError:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 100 else None


def pretty(text: str) -> Markup:
    """JSON text, indented and coloured; anything else as it is."""
    return coloured(beginning(indented(text)))


def tojson_text(value: Any) -> str:
    """A value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False)


def beginning(text: str) -> str:
    """What is shown of a text: a long one is cut, and says so."""
    left = len(text) - SHOWN_CHARACTERS
    return text if left <= 0 else f"{text[:SHOWN_CHARACTERS]}\n… {left:,} more characters"


def indented(text: str) -> str:
    """JSON text with a line for each value; anything else, or what is nested too deeply, as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def coloured(text: str) -> Markup:
    """JSON text with its tokens marked by class; all of it escaped."""
    parts, position = list[str | Markup](), 0
    for match in TOKEN.finditer(text):
        parts += [_safe(text[position : match.start()]), _marked(match.lastgroup or "", match[0])]
        position = match.end()
    return Markup("").join([*parts, _safe(text[position:])])


def _marked(kind: str, token: str) -> Markup:
    return Markup('<span class="json-{}">{}</span>').format(kind, _safe(token))


def _safe(text: str) -> Markup:
    return escape(printable_lines(text))


def _utc(at: float) -> datetime:
    # Any number may be stored: what no calendar has is shown as its nearest end.
    return datetime.fromtimestamp(min(max(at, 0), 253_402_300_799), UTC)
