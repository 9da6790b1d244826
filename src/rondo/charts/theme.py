"""One look for every chart: paper and ink, few colours, each series told apart by dash and shape as well.

The colours keep a contrast of 4.5 to 1 on white and differ in lightness, so that a chart survives a black-and-white
printer and any kind of colour vision; what colour says is always said a second time (dash, shape, label).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from rondo.charts import INSTALL, ChartError

try:
    import altair as alt
except ModuleNotFoundError as error:
    if error.name != "altair":
        raise
    raise ChartError(f"charts are drawn by Altair, which is not installed: {INSTALL}") from None

__all__ = ["Chart", "alt", "data", "decades", "finished", "grid", "series", "stacked", "width_of"]

Chart = alt.TopLevelMixin

INK, QUIET, HAIRLINE, PAPER = "#1F1B16", "#6B645A", "#DDD5C4", "#FFFFFF"
INDIGO, CINNABAR, JADE, AMBER, PLUM = "#34568B", "#B5372A", "#2F6B57", "#B07A1E", "#7A4E7E"
COLOURS = (INDIGO, CINNABAR, AMBER, JADE, PLUM, INK)
DASHES = ([1, 0], [7, 3], [2, 2], [10, 3, 2, 3], [4, 4], [1, 4])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
RAMP = ("#F8F4EA", "#C9CFDB", "#8C9DBC", INDIGO, "#1B2E4F")  # little to much, monotone in lightness
BALANCE = (CINNABAR, "#E3B5A8", "#F8F4EA", "#AEBBD0", INDIGO)  # negative, none, positive
# Latin first, then Chinese fonts of Linux, macOS and Windows; each glyph comes from the first font that has it
FONT = (
    "Helvetica Neue, Arial, Noto Sans CJK SC, Source Han Sans SC, PingFang SC, Microsoft YaHei, WenQuanYi Micro Hei, "
    "DejaVu Sans, sans-serif"
)
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
WIDTH, HEIGHT = 560, 300  # pixels of the plotted area

CONFIG: dict[str, Any] = {
    "background": PAPER,
    "font": FONT,
    "padding": 14,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "color": INK,
        "fontSize": 15,
        "fontWeight": 600,
        "subtitleColor": QUIET,
        "subtitleFontSize": 11.5,
        "subtitleLineHeight": 15,
        "subtitlePadding": 5,
        "offset": 12,
        "frame": "group",
    },
    "axis": {
        "domainColor": QUIET,
        "gridColor": HAIRLINE,
        "gridOpacity": 0.7,
        "labelColor": QUIET,
        "labelFontSize": 11,
        "tickColor": QUIET,
        "tickSize": 4,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "titleColor": QUIET, "titleFontWeight": "normal"},
    "legend": {
        "labelColor": INK,
        "labelFontSize": 11,
        "labelLimit": 260,
        "symbolSize": 90,
        "symbolStrokeWidth": 2,
        "titleColor": QUIET,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "line": {"strokeWidth": 2},
    "rule": {"color": QUIET},
    "text": {"color": INK, "fontSize": 11},
}


def data(rows: Sequence[dict[str, Any]]) -> alt.InlineData:
    """Rows as a chart's own data."""
    return alt.InlineData(values=list(rows))


def series(field: str, names: Sequence[str], title: str | None = None, legend: bool = True) -> dict[str, Any]:
    """Colour and dash for the lines of a chart by `field`, whose values are `names` in this order. A single line has
    no legend."""
    domain, numbers = list(names), [k % len(COLOURS) for k in range(len(names))]
    colour: Any = alt.Scale(domain=domain, range=[COLOURS[k] for k in numbers])
    dash: Any = alt.Scale(domain=domain, range=[DASHES[k] for k in numbers])
    strokes = alt.Legend(title=title, symbolType="stroke", symbolSize=400, symbolOpacity=1)
    shown = strokes if legend and len(names) > 1 else None
    return {
        "color": alt.Color(field, type="nominal", scale=colour, legend=shown),
        "strokeDash": alt.StrokeDash(field, type="nominal", scale=dash, legend=shown),
    }


def decades(logs: Iterable[float], title: str) -> dict[str, Any]:
    """Scale and axis for a field of log10 values, labelled 10⁻⁵: numbers beyond a float's range have a place too."""
    known = [v for v in logs if math.isfinite(v)] or [0.0]
    low = math.floor(min(known))
    high = max(math.ceil(max(known)), low + 1)
    every = next(e for e in (1, 2, 5, 10, 20, 50, 100, 1000, high - low) if (high - low) / e <= 10)
    low, high = low // every * every, -(-high // every) * every
    ticks = range(low, high + 1, every)
    labels = {str(k): "1" if k == 0 else "10" + str(k).translate(SUPERSCRIPT) for k in ticks}
    return {
        "title": title,
        "scale": alt.Scale(domain=[low, high], nice=False, zero=False),
        "axis": alt.Axis(values=ticks, labelExpr=f"{json.dumps(labels, ensure_ascii=False)}[datum.value]"),
    }


def stacked(charts: Sequence[Any], columns: int = 1) -> Any:
    """Charts one below the other, or in columns, each with its own colours and legend."""
    return alt.concat(*charts, columns=columns, spacing=26).resolve_scale(color="independent", strokeDash="independent")


def grid(panels: Sequence[Any], columns: int, gap: int = 62) -> Any:
    """Small panels in rows, plot under plot, `gap` pixels apart; axes keep their titles at the left and below alone."""
    for k, panel in enumerate(panels):
        for part in getattr(panel, "layer", [panel]):
            if k % columns and part.encoding.y is not alt.Undefined:
                part.encoding.y.title = None
            if k + columns < len(panels) and part.encoding.x is not alt.Undefined:
                part.encoding.x.title = None
    spacing = {"column": 44, "row": gap}
    whole = alt.concat(*panels, columns=columns, bounds="flush", spacing=spacing)
    return whole.resolve_scale(color="independent")


def width_of(panels: Sequence[Any], columns: int = 4) -> int:
    """Characters of a line of text above a grid of small panels."""
    return 30 + 30 * min(columns, len(panels))


def finished(chart: Any, title: str, reading: str, width: int = 92) -> Chart:
    """The chart with its title, the sentence that says how to read it in lines of `width`, and the theme."""
    params = alt.TitleParams(title, subtitle=wrapped(reading, width))
    whole: Chart = chart.properties(title=params, description=f"{title}. {reading}").configure(**CONFIG)
    return whole


def wrapped(text: str, width: int) -> list[str]:
    """A sentence in lines of at most `width` columns; a Chinese character takes two and may end a line."""
    lines, line, used = [], "", 0
    for word in _pieces(text):
        own = sum(2 if c > "\u2e7f" else 1 for c in word)
        if used + own > width and line.strip() and word not in "，。；、：）":
            lines.append(line.strip())
            line, used = "", 0
        line, used = line + word, used + own
    return [*lines, line.strip()] if line.strip() else lines


def _pieces(text: str) -> list[str]:
    """Words with the space before them; each Chinese character alone."""
    pieces: list[str] = []
    for c in text:
        if not pieces or c == " " or c > "\u2e7f" or pieces[-1][-1] > "\u2e7f":
            pieces.append(c)
        else:
            pieces[-1] += c
    return pieces
