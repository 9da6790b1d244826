"""Drawings of reports as inline SVG, and names with their indices: pure functions from numbers to text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

W, LEFT, RIGHT, TOP, BOTTOM = 640, 52, 120, 12, 34
KINDS = 6  # of lines, told apart by colour and dash: .line-0 ... in report.css
ROOM = 14  # between two labels
MOST, LARGEST = 5000, 1e30  # points of a curve, and numbers, that are drawn
_TIME = re.compile(r"(?<=[\w\u0300-\u036f])&lt;([tT](?:\s?[-+−]\s?1)?|\d{1,3})&gt;")
_BELOW = re.compile(r"(?<!\w)([A-Za-zΑ-ω]\u0303?)_(\w{1,2})(?!\w)")


@dataclass(frozen=True)
class Line:
    """A curve: its name, its label at the end ("" for none), its points, and which of the kinds of lines it is."""

    name: str
    label: str
    points: Sequence[Sequence[float]]
    kind: int = 0


def timed(text: str) -> str:
    """Text as HTML, with a<t-1> and W_c set as the lecture writes them."""
    return _BELOW.sub(r"\1<sub>\2</sub>", _TIME.sub(r"<sup>&lt;\1&gt;</sup>", escape(text)))


def chart(
    lines: Sequence[Line],
    across: str,
    up: str,
    marks: Sequence[tuple[float, str]] = (),
    height: int = 240,
) -> str:
    """Curves over steps as inline SVG; marks: levels, drawn dashed, with a label. "" where there is no point."""
    curves = [(line, _finite(line.points)) for line in lines]
    points = [p for _, own in curves for p in own]
    if not points:
        return ""
    marks = [(y, label) for y, label in marks if abs(y) < LARGEST]
    levels = [y for y, _ in marks]
    xs, ys = (
        _Axis([x for x, _ in points], LEFT, W - RIGHT),
        _Axis([y for _, y in points] + levels, height - BOTTOM, TOP),
    )
    drawn = [_grid(xs, ys, height), _axes(across, up, height)]
    labels = [(ys(y), "mark", label) for y, label in marks]
    drawn += [f'<line class="mark" x1="{LEFT}" x2="{W - RIGHT}" y1="{ys(y):.1f}" y2="{ys(y):.1f}"/>' for y in levels]
    for line, own in curves:
        if own:
            kind = f"line-{line.kind % KINDS}"
            path = " ".join(f"{xs(x):.1f},{ys(y):.1f}" for x, y in own)
            drawn.append(f'<polyline class="{kind}" points="{path}"><title>{escape(line.name)}</title></polyline>')
            labels += [(ys(own[-1][1]), kind, line.label)] if line.label else []
    told = f"{up}: " + "; ".join(f"{line.name} {own[-1][1]:.3g}" for line, own in curves if own)
    body = "".join(drawn) + _labels(labels, height)
    return f'<svg viewBox="0 0 {W} {height}" role="img" aria-label="{escape(told)}">{body}</svg>'


def number(value: Any) -> float:
    """A number of a report as a float; NaN for what is none: reports are written by anybody."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _finite(points: Any) -> list[tuple[float, float]]:
    """Points that can be drawn: a training that diverged ends where it still had numbers."""
    pairs = (
        [p for p in points[:MOST] if isinstance(p, list | tuple) and len(p) == 2] if isinstance(points, list) else []
    )
    found = [(number(x), number(y)) for x, y in pairs]
    return [(x, y) for x, y in found if abs(x) < LARGEST and abs(y) < LARGEST]


class _Axis:
    """Values to places, with round numbers to mark."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low, self.high = min(values), max(values)
        size = max(abs(self.low), abs(self.high), 1.0)
        if self.high - self.low < 1e-9 * size:
            self.low, self.high = self.low - 0.5 * size, self.high + 0.5 * size
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        return self.begin + (self.end - self.begin) * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        step = 10 ** math.floor(math.log10((self.high - self.low) / 3))
        step *= next(k for k in (1, 2, 5, 10) if (self.high - self.low) / (step * k) <= 6)
        first = math.ceil(self.low / step - 1e-9)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _grid(xs: _Axis, ys: _Axis, height: int) -> str:
    found = [
        f'<line class="grid" x1="{LEFT}" x2="{W - RIGHT}" y1="{ys(y):.1f}" y2="{ys(y):.1f}"/>'
        f'<text class="end" x="{LEFT - 6}" y="{ys(y) + 4:.1f}">{y:.3g}</text>'
        for y in ys.ticks
    ]
    found += [f'<text class="middle" x="{xs(x):.1f}" y="{height - BOTTOM + 15}">{x:g}</text>' for x in xs.ticks]
    return "".join(found)


def _axes(across: str, up: str, height: int) -> str:
    middle = TOP + (height - TOP - BOTTOM) / 2
    return (
        f'<text class="middle" x="{(LEFT + W - RIGHT) / 2}" y="{height - 4}">{escape(across)}</text>'
        f'<text class="middle" x="11" y="{middle}" transform="rotate(-90 11 {middle})">{escape(up)}</text>'
    )


def _labels(labels: Sequence[tuple[float, str, str]], height: int) -> str:
    """Names at the ends of their lines, moved apart where they would touch."""
    found, last = [], -math.inf
    for y, kind, text in sorted(labels):
        last = max(y, last + ROOM)
        found.append((last, kind, text))
    over = max(0.0, last - (height - BOTTOM))
    return "".join(
        f'<text class="{k}" x="{W - RIGHT + 6}" y="{y - over + 4:.1f}">{escape(t)}</text>' for y, k, t in found
    )
