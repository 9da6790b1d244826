"""Charts of gates: histograms, saturation by unit, activations over a text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.charts.gradients import tips
from rondo.charts.theme import HAIRLINE, INDIGO, INK, QUIET, RAMP, Chart, alt, data, finished, grid, width_of
from rondo.charts.words import label, shown, words

Array = NDArray[np.float64]
COLUMNS = 4
TENTH = 0.1  # so much on each side counts as saturated


def histograms(bins: Mapping[str, tuple[Array, NDArray[np.int64]]], lang: str = "en") -> Chart:
    """The distribution of each gate: {"l0.f": (edges [21], counts [20])}."""
    w = words(lang)
    top = max(float(counts.max() / max(1, counts.sum())) for _, counts in bins.values())
    panels = [_histogram(label(name, lang), edges, counts, top, w) for name, (edges, counts) in bins.items()]
    return finished(grid(panels, COLUMNS), w["histograms"], w["histograms reading"], width_of(panels))


def _histogram(name: str, edges: Array, counts: NDArray[np.int64], top: float, w: dict[str, str]) -> Any:
    share = (counts / max(1, counts.sum())).tolist()
    low, high = float(edges[0]), float(edges[-1])
    rows = [
        {"x": a, "x2": b, "share": s} for a, b, s in zip(edges[:-1].tolist(), edges[1:].tolist(), share, strict=True)
    ]
    ends = [{"x": low, "x2": low + TENTH}, {"x": high - TENTH, "x2": high}]
    x = alt.X(
        "x:Q", title=w["value"], scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(tickCount=5, grid=False)
    )
    scale = alt.Scale(domain=[0, math.ceil(10 * top) / 10], nice=False)
    y = alt.Y("share:Q", title=w["share"], scale=scale, axis=alt.Axis(format="~%", tickCount=3))
    shade = alt.Chart(data(ends)).mark_rect(color=HAIRLINE, opacity=0.6).encode(x=x, x2="x2:Q")
    hints = [alt.Tooltip("x:Q", title=w["value"], format=".2f"), alt.Tooltip("share:Q", title=w["share"], format=".1%")]
    bars = alt.Chart(data(rows)).mark_rect(color=INDIGO, stroke="white", strokeWidth=0.5)
    bars = bars.encode(x=x, x2="x2:Q", y=y, y2=alt.datum(0), tooltip=hints)
    return alt.layer(shade, bars).properties(width=185, height=110, title=alt.TitleParams(name, fontSize=12))


def saturation(shares: Mapping[str, tuple[Array, Array]], lang: str = "en") -> Chart:
    """Each unit's share of time saturated low and high, {"l0.f": (left [n], right [n])} (Karpathy
    et al. 2015, fig. 2)."""
    w = words(lang)
    panels = [_saturation(label(name, lang), left, right, w) for name, (left, right) in shares.items()]
    return finished(grid(panels, COLUMNS), w["saturation"], w["saturation reading"], width_of(panels))


def _saturation(name: str, left: Array, right: Array, w: dict[str, str]) -> Any:
    rows = [
        {"unit": k, "left": a, "right": b} for k, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True))
    ]
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format="~%", tickCount=3)
    x = alt.X("left:Q", title=w["left"], scale=scale, axis=axis)
    y = alt.Y("right:Q", title=w["right"], scale=scale, axis=axis)
    diagonal = alt.Chart(data([{"left": 0, "right": 1}, {"left": 1, "right": 0}])).mark_line(color=QUIET, strokeWidth=1)
    hints = [alt.Tooltip("unit:Q", title=w["unit"])]
    hints += [alt.Tooltip(f"{k}:Q", title=w[k], format=".1%") for k in ("left", "right")]
    dots = alt.Chart(data(rows)).mark_circle(size=26, color=INDIGO, opacity=0.6).encode(x=x, y=y, tooltip=hints)
    layers = alt.layer(diagonal.encode(x=x, y=y), dots)
    return layers.properties(width=185, height=185, title=alt.TitleParams(name, fontSize=12))


def heatmap(values: Mapping[str, Array], symbols: Sequence[str], lang: str = "en", units: int = 12) -> Chart:
    """Activations over a text, {"l1.f": [T, n]}: the `units` that vary most, in the order of their means."""
    w = words(lang)
    panels = [_map(label(name, lang), v, shown(symbols), units, w) for name, v in values.items()]
    whole = alt.vconcat(*panels, spacing=14).resolve_scale(color="independent")
    return finished(whole, w["heatmap"], w["heatmap reading"])


def _map(name: str, v: Array, symbols: Sequence[str], units: int, w: dict[str, str]) -> Any:
    chosen = np.sort(np.argsort(-v.std(0), kind="stable")[:units])
    chosen = chosen[np.argsort(-v[:, chosen].mean(0), kind="stable")].tolist()
    rows = [
        {"t": t, "unit": str(u), "value": float(v[t, u]), "symbol": symbols[t]}
        for u in chosen
        for t in range(len(symbols))
    ]
    domain = [0, 1] if v.min() >= 0 else [-1, 1]
    labels = f"{json.dumps(list(symbols), ensure_ascii=False)}[datum.value]"
    axis = alt.Axis(labelExpr=labels, labelAngle=0, orient="top", labelOverlap=False, ticks=False, domain=False)
    axis.labelColor, axis.labelFontSize = INK, 11
    if max(map(len, symbols)) > 1:  # words, side by side, would run into each other
        axis.labelAngle, axis.labelAlign, axis.labelFontSize = -55, "left", 10
    colour: Any = alt.Scale(domain=domain, range=list(RAMP), interpolate="lab")
    chart = alt.Chart(data(rows), title=alt.TitleParams(name, fontSize=12)).mark_rect()
    return chart.encode(
        x=alt.X("t:O", title=None, axis=axis, scale=alt.Scale(paddingInner=0.04)),
        y=alt.Y("unit:N", title=w["unit"], sort=[str(u) for u in chosen], scale=alt.Scale(paddingInner=0.08)),
        color=alt.Color("value:Q", scale=colour, legend=alt.Legend(title=w["value"], gradientLength=80, tickCount=3)),
        tooltip=tips({"symbol:N": w["symbol"], "unit:N": w["unit"], "value:Q": w["value"]}),
    ).properties(width=alt.Step(14), height=alt.Step(13))
