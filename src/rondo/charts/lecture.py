"""Chart of the lecture's case: vanishing and exploding, before and after clipping and gates, in four panels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.charts.gradients import power, tips
from rondo.charts.theme import Chart, alt, data, decades, finished, series
from rondo.charts.words import words

Array = NDArray[np.float64]
WIDE, HIGH = 380, 240
ROOM, LETTERS = 1.42, 13.0  # room for names right of the lines, as a share of the axis; pixels from name to name


@dataclass(frozen=True)
class Panel:
    """One case: radius of U; log10 of gradients by distance [K], before and clipped, and by gated cell; log10 of the
    product's largest singular value by k, and of the rule's."""

    radius: float
    before: Array
    clipped: Array
    gated: Mapping[str, Array]
    product: Array
    bound: Array


def lecture(vanishing: Panel, exploding: Panel, updates: Mapping[str, Array], lang: str = "en") -> Chart:
    """Two panels of gradients by distance, one of the singular value rule, one of the norms of the updates [N] of
    each network in training."""
    w = words(lang)
    cases = {w["vanishing"]: vanishing, w["exploding"]: exploding}
    flows = [_panel(name, _gradients(p, w), w["distance"], w["gradient norm"], w, 0) for name, p in cases.items()]
    rules = {w["measured"].format(n): p.product for n, p in cases.items()}
    rules |= {w["rule"].format(n): p.bound for n, p in cases.items()}
    names = {"elman, clipped": w["clipped"].format("elman")}
    steps = {names.get(k, k): np.log10(np.maximum(v, 1e-300)) for k, v in updates.items()}
    below = [
        _panel(w["products"], rules, w["k"], w["singular value"], w, 1),
        _panel(w["updates"], steps, w["step"], w["update"], w, 1),
    ]
    grid = alt.vconcat(alt.hconcat(*flows, spacing=30), alt.hconcat(*below, spacing=30), spacing=26)
    reading = w["lecture reading"].format(vanishing.radius, exploding.radius)
    grid = grid.resolve_scale(color="independent", strokeDash="independent")
    return finished(grid, w["lecture"], reading, 134)


def _gradients(case: Panel, w: dict[str, str]) -> dict[str, Array]:
    return {"elman": case.before, w["clipped"].format("elman"): case.clipped, **case.gated}


def _panel(title: str, lines: Mapping[str, Array], x: str, y: str, w: dict[str, str], first: int) -> Any:
    """Lines with their names at their ends, `first` at the left."""
    rows = [
        {"x": k + first, "log": v, "value": power(v), "which": name}
        for name, values in lines.items()
        for k, v in enumerate(values.tolist())
        if math.isfinite(v)
    ]
    vertical = decades([r["log"] for r in rows], y)
    low, high = vertical["scale"].domain
    last = max(r["x"] for r in rows)
    ticks = alt.Axis(values=list(range(0, last + 1, max(1, last // 5))))
    horizontal = alt.X("x:Q", title=x, scale=alt.Scale(domain=[0, last * ROOM], nice=False), axis=ticks)
    names = series("which", list(lines), legend=False)
    chart = alt.Chart(data(rows), title=alt.TitleParams(title, fontSize=13)).mark_line()
    tooltip = tips({"which:N": w["network"], "x:Q": x, "value:N": y})
    curves = chart.encode(x=horizontal, y=alt.Y("log:Q", **vertical), tooltip=tooltip, **names)
    ends = {r["which"]: r["log"] for r in rows if r["x"] == last}
    labels = [{"x": last, "log": v, "which": n} for n, v in apart(ends, LETTERS * (high - low) / HIGH).items()]
    texts = (
        alt.Chart(data(labels))
        .mark_text(align="left", dx=5, fontSize=10.5)
        .encode(x=horizontal, y=alt.Y("log:Q", **vertical), text="which:N", color=names["color"])
    )
    return alt.layer(curves, texts).properties(width=WIDE, height=HIGH)


def apart(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """The heights moved up as little as keeps each `gap` above the one below it."""
    found: dict[str, float] = {}
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        found[name] = max(height, max(found.values(), default=-math.inf) + gap)
    return found
