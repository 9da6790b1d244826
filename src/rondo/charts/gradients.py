"""Charts of gradients over time: their flow, the product of Jacobians, Lyapunov exponents, loss by context."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.charts.theme import CINNABAR, HEIGHT, INDIGO, INK, WIDTH, Chart, alt, data, decades, finished, series
from rondo.charts.words import label, words

Array = NDArray[np.float64]
BANDED = 2  # with more lines the bands would hide each other
BELOW, ABOVE = 8, 6  # powers of ten that are shown beside the largest singular value


def gradient_flow(logs: Mapping[str, Array], horizons: Mapping[str, int | None], lang: str = "en") -> Chart:
    """Lines of log10 norms by distance: `logs` gives for each state [3, K], the 10 %, 50 % and 90 % quantiles over
    rows; `horizons` where it stays under 1 %."""
    w = words(lang)
    names = [label(name, lang) for name in logs]
    rows = [
        {"distance": k, "low": low, "log": middle, "high": high, "norm": power(middle), "state": label(name, lang)}
        for name, v in logs.items()
        for k, (low, middle, high) in enumerate(v.T.tolist())
        if np.isfinite([low, middle, high]).all()
    ]
    banded = len(names) <= BANDED
    y = decades([r[k] for r in rows for k in (("low", "high") if banded else ("log",))], w["gradient norm"])
    base = alt.Chart(data(rows)).encode(
        x=alt.X("distance:Q", title=w["distance"]),
        tooltip=tips({"state:N": w["state"], "distance:Q": w["distance"], "norm:N": w["gradient norm"]}),
        **series("state", names, w["state"]),
    )
    bands = base.mark_area(opacity=0.15, strokeWidth=0).encode(y=alt.Y("low:Q", **y), y2="high:Q")
    layers = [
        *([bands] if banded else []),
        base.mark_line().encode(y=alt.Y("log:Q", **y)),
        *_marks(rows, horizons, y, lang),
    ]
    reading = w["gradient flow reading"] + (w["gradient flow band"] if banded else "")
    return finished(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT), w["gradient flow"], reading)


def _marks(
    rows: Sequence[dict[str, Any]], horizons: Mapping[str, int | None], y: dict[str, Any], lang: str
) -> list[Any]:
    """A dot with its distance where a line stays under 1 % of its start."""
    ends = {label(name, lang): k for name, k in horizons.items() if k is not None}
    found = [{**r, "mark": str(r["distance"])} for r in rows if ends.get(r["state"]) == r["distance"]]
    base = alt.Chart(data(found)).encode(x="distance:Q", y=alt.Y("log:Q", **y), color=alt.Color("state:N"))
    return [base.mark_point(filled=True, size=70, opacity=1), base.mark_text(dy=-11, fontSize=11).encode(text="mark:N")]


def singular_values(products: Mapping[str, Array], norms: Mapping[str, float], lang: str = "en") -> Chart:
    """Singular values of the product of k Jacobians, {"l0": log10 [T, n]}, and (largest of the recurrent matrices)^k
    for the layers in `norms`; where n = 1, the largest alone is known. What lies far below it leaves the plot."""
    w = words(lang)
    panels = [_product(label(unit, lang), v, norms.get(unit), w) for unit, v in products.items()]
    width = 92 if len(panels) > 1 else 60
    return finished(alt.concat(*panels, columns=2), w["singular values"], w["singular values reading"], width)


def _product(name: str, v: Array, norm: float | None, w: dict[str, str]) -> Any:
    lines = {w["largest"]: v[:, 0]}
    if v.shape[1] > 1:
        lines |= {w["median"]: np.median(v, 1), w["smallest"]: v[:, -1]}
    steps = range(1, len(v) + 1)
    curves = {key: dict(zip(steps, logs.tolist(), strict=True)) for key, logs in lines.items()}
    if norm:
        curves[w["bound"]] = {k: k * math.log10(norm) for k in steps}
    rows = [
        {"k": k, "log": x, "value": power(x), "which": key}
        for key, curve in curves.items()
        for k, x in curve.items()
        if math.isfinite(x)
    ]
    top = [x for x in v[:, 0].tolist() if math.isfinite(x)] or [0.0]
    inside = [x for r in rows if min(top) - BELOW <= (x := r["log"]) <= max(top) + ABOVE]
    y = decades(inside, w["singular value"])
    base = alt.Chart(data(rows), title=alt.TitleParams(name, fontSize=12)).mark_line(clip=True)
    chart = base.encode(
        x=alt.X("k:Q", title=w["k"]),
        y=alt.Y("log:Q", **y),
        tooltip=tips({"which:N": "", "k:Q": "k", "value:N": w["singular value"]}),
        **series("which", list(curves)),
    )
    return chart.properties(width=WIDTH / 2 - 20, height=HEIGHT * 0.8)


def exponents(values: Mapping[str, Array], lang: str = "en") -> Chart:
    """Lyapunov exponents of each layer in descending order, {"l0": [n]}, on an axis that is linear about zero."""
    w = words(lang)
    names = [label(unit, lang) for unit in values]
    rows = [
        {"rank": k + 1, "growth": x, "layer": label(unit, lang)}
        for unit, v in values.items()
        for k, x in enumerate(v.tolist())
        if math.isfinite(x)
    ]
    ticks = [sign * t for sign in (-1, 1) for t in (0.1, 0.3, 1, 3, 10, 30)]
    y = alt.Y(
        "growth:Q",
        title=w["growth"],
        scale=alt.Scale(type="symlog", constant=0.1),
        axis=alt.Axis(values=[0, *ticks], format="~g"),
    )
    lines = (
        alt.Chart(data(rows))
        .mark_line()
        .encode(
            x=alt.X("rank:Q", title=w["rank"]),
            y=y,
            tooltip=tips({"layer:N": "", "rank:Q": w["rank"], "growth:Q": w["growth"]}),
            **series("layer", names),
        )
    )
    zero = alt.Chart(data([{"y": 0}])).mark_rule(color=INK, strokeWidth=1).encode(y="y:Q")
    return finished(
        (zero + lines).properties(width=WIDTH, height=HEIGHT * 0.75), w["exponents"], w["exponents reading"]
    )


def contexts(lengths: Sequence[int], loss: Array, error: Array, effective: int, lang: str = "en") -> Chart:
    """The loss [C] when only so many symbols are read, with the standard error [C] of its difference to the last."""
    w = words(lang)
    rows = [
        {"k": k, "loss": x, "low": x - e, "high": x + e}
        for k, x, e in zip(lengths, loss.tolist(), np.nan_to_num(error).tolist(), strict=True)
    ]
    scale = alt.Scale(type="log", base=2, nice=False)
    x = alt.X("k:Q", title=w["context"], scale=scale, axis=alt.Axis(values=list(lengths)))
    y: dict[str, Any] = {"title": w["loss"], "scale": alt.Scale(zero=False)}
    base = alt.Chart(data(rows)).encode(x=x, tooltip=tips({"k:Q": w["context"], "loss:Q": w["loss"]}))
    line = base.mark_line(color=INDIGO, point={"color": INDIGO, "size": 45}).encode(y=alt.Y("loss:Q", **y))
    bars = base.mark_rule(color=INDIGO).encode(y=alt.Y("low:Q", **y), y2="high:Q")
    mark = alt.Chart(data([{"k": effective, "text": f"{effective}: {w['effective']}"}])).encode(x="k:Q")
    late = effective > math.sqrt(lengths[-1])
    text = mark.mark_text(align="right" if late else "left", dx=-6 if late else 6, color=CINNABAR).encode(
        text="text:N", y=alt.value(10)
    )
    rule = mark.mark_rule(color=CINNABAR, strokeDash=[5, 3])
    whole = alt.layer(rule, bars, line, text).properties(width=WIDTH, height=HEIGHT * 0.85)
    return finished(whole, w["contexts"], w["contexts reading"])


def tips(fields: Mapping[str, str]) -> list[Any]:
    """Tooltips: {"field:Q": title}."""
    form: dict[str, Any] = {":Q": {"format": ".4~g"}, ":N": {}}
    return [alt.Tooltip(f, title=t or " ", **form[f[-2:]]) for f, t in fields.items()]


def power(log: float) -> str:
    """10 ** log in three digits, also beyond a float's range."""
    if not math.isfinite(log):
        return "0"
    whole = math.floor(log)
    return f"{10**log:.3g}" if -4 <= log < 5 else f"{10 ** (log - whole):.2f}e{whole:+d}"
