"""Charts as SVG, written by hand: they load nothing, and read well on light and on dark ground. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
LABELS = 250
BAR, STEP, GAP = 14, 22, 44
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f }
.bar { fill: #8c959f } .ours { fill: #1a7f37 }
.line { stroke: #57606a; stroke-width: 1; stroke-dasharray: 4 3 }
.curve { fill: none; stroke: #1a7f37; stroke-width: 2 } .dot { fill: #1a7f37 }
.frame { fill: none; stroke: #8c959f; stroke-opacity: 0.4 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #f0f6fc } .bar { fill: #656c76 } .ours, .dot { fill: #3fb950 }
  .line { stroke: #9198a1 } .curve { stroke: #3fb950 }
}
</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """`value`: a ratio, 1.0 as good as what is compared with. `ours`: it stands out."""

    label: str
    value: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars under one title, top to bottom as given."""

    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Curve:
    """One panel: points of (x, y), both above 0, drawn on logarithmic scales beside what linear growth would be."""

    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float]]
    linear: int
    """What the dashed line shows: the cost grows as x to this power."""


def draw_bars(groups: Sequence[BarGroup], unit: str) -> str:
    """Horizontal bars; the dashed line is at 1.0, which `unit` names (`Node = 1`)."""
    longest = max((bar.value for group in groups for bar in group.bars), default=1.0)
    scale = (WIDTH - LABELS - 70) / max(longest, 1.0)
    parts: list[str] = []
    y = 30
    for group in groups:
        parts.append(f'<text class="title" x="0" y="{y}">{escape(group.title)}</text>')
        parts.append(f'<text x="{LABELS + scale:.1f}" y="{y}" text-anchor="middle">{escape(unit)}</text>')
        top = y + 10
        for bar in group.bars:
            y += STEP
            kind = "ours" if bar.ours else "bar"
            parts.append(f'<text x="{LABELS - 10}" y="{y}" text-anchor="end">{escape(bar.label)}</text>')
            width = bar.value * scale
            parts.append(f'<rect class="{kind}" x="{LABELS}" y="{y - 12}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text x="{LABELS + width + 8:.1f}" y="{y}">{bar.value:.2f}</text>')
        at = f"{LABELS + scale:.1f}"
        parts.append(f'<line class="line" x1="{at}" y1="{top}" x2="{at}" y2="{y + 6}"/>')
        y += GAP
    return _svg(y - GAP + 20, parts)


def draw_curves(curves: Sequence[Curve]) -> str:
    """Panels side by side."""
    width, height, between = 240, 220, 58
    parts: list[str] = []
    for number, curve in enumerate(curves):
        left = 6 + number * (width + between)
        parts += _panel(curve, left, 40, width, height)
    return _svg(40 + height + 50, parts)


def _panel(curve: Curve, left: int, top: int, width: int, height: int) -> list[str]:
    xs, ys = [x for x, _ in curve.points], [y for _, y in curve.points]
    first_x, first_y = curve.points[0]
    x_of = _Scale(min(xs), max(xs), left, left + width)
    highest = max(ys) * 2
    y_of = _Scale(min(ys) / 2, highest, top + height, top)
    # The line of linear growth may leave the panel through its top: what was measured shall fill it.
    last_x = min(xs[-1], first_x * (highest / first_y) ** (1 / curve.linear)) if curve.linear else xs[-1]
    last_y = first_y * (last_x / first_x) ** curve.linear
    points = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in curve.points)
    parts = [
        f'<text class="title" x="{left}" y="{top - 20}">{escape(curve.title)}</text>',
        f'<text x="{left}" y="{top - 4}">{escape(curve.y)}</text>',
        f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>',
        f'<line class="line" x1="{x_of(first_x):.1f}" y1="{y_of(first_y):.1f}" '
        f'x2="{x_of(last_x):.1f}" y2="{y_of(last_y):.1f}"/>',
        f'<polyline class="curve" points="{points}"/>',
        f'<text x="{left}" y="{top + height + 18}">{_short(xs[0])}</text>',
        f'<text x="{left + width / 2}" y="{top + height + 18}" text-anchor="middle">{escape(curve.x)}</text>',
        f'<text x="{left + width}" y="{top + height + 18}" text-anchor="end">{_short(xs[-1])}</text>',
    ]
    for x, y in curve.points:
        parts.append(f'<circle class="dot" cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3"/>')
        parts.append(f'<text x="{x_of(x):.1f}" y="{y_of(y) - 8:.1f}" text-anchor="{_anchor(x, xs)}">{_short(y)}</text>')
    return parts


class _Scale:
    """A value to its place between `start` and `end`, logarithmically."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._span = math.log(low), math.log(high / low) or 1.0
        self._start, self._length = start, end - start

    def __call__(self, value: float) -> float:
        return self._start + (math.log(value) - self._low) / self._span * self._length


def _anchor(x: float, xs: Sequence[float]) -> str:
    if x == xs[0]:
        return "start"
    return "end" if x == xs[-1] else "middle"


def _short(value: float) -> str:
    """`950`, `12k`, `1M`."""
    for size, name in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{name}"
    return f"{value:.3g}"


def _svg(height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}">'
    return "\n".join([head, STYLE, *parts, "</svg>", ""])
