"""Chart of a training from the lines of its log.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rondo.charts import ChartError
from rondo.charts.gradients import tips
from rondo.charts.theme import AMBER, CINNABAR, INDIGO, Chart, alt, data, finished
from rondo.charts.words import words

POINTS = 600  # of a curve; a longer log is thinned
MEANS = 12  # independent values along the smoothed curve


def training_curves(lines: Sequence[Mapping[str, Any]], lang: str = "en") -> Chart:
    """Losses, gradient norm and learning rate by step. A line has "step" and any of "loss", "norm" and "lr", or
    "valid"; others are passed over. Raises ChartError where no line has a loss."""
    w = words(lang)
    steps = [line for line in lines if "step" in line and "loss" in line]
    valid = [
        {"step": v["step"], "loss": v["valid"], "which": w["valid"]} for v in lines if "step" in v and "valid" in v
    ]
    if not steps and not valid:
        raise ChartError("no line of this log has a loss: it is no log of a training, or the training has not begun")
    kept = steps[:: max(1, len(steps) // POINTS)]
    smooth = [{"step": s["step"], "loss": m, "which": w["train"]} for s, m in zip(kept, _smoothed(kept), strict=True)]
    panels = [_losses(kept, [*smooth, *valid], w)]
    if any("norm" in s for s in kept):
        panels.append(_norms(kept, w))
    return finished(alt.hconcat(*panels, spacing=34), w["training"], w["training reading"], 110)


def _smoothed(lines: Sequence[Mapping[str, Any]]) -> list[float]:
    """The running mean of the losses, over about a twelfth of the lines."""
    share = min(1.0, MEANS / max(1, len(lines)))
    found: list[float] = []
    for line in lines:
        before = found[-1] if found else line["loss"]
        found.append(before + share * (line["loss"] - before))
    return found


def _losses(raw: Sequence[Mapping[str, Any]], curves: Sequence[dict[str, Any]], w: dict[str, str]) -> Any:
    scale = alt.Scale(zero=False)
    thin = alt.Chart(data([{"step": s["step"], "loss": s["loss"]} for s in raw])).mark_line(
        strokeWidth=0.7, opacity=0.35
    )
    names = [w["train"], w["valid"]]
    colour: Any = alt.Scale(domain=names, range=[INDIGO, CINNABAR])
    dash: Any = alt.Scale(domain=names, range=[[1, 0], [5, 3]])
    lines = (
        alt.Chart(data(curves))
        .mark_line()
        .encode(
            x=alt.X("step:Q", title=w["step"]),
            y=alt.Y("loss:Q", title=w["loss"], scale=scale),
            color=alt.Color(
                "which:N",
                scale=colour,
                legend=alt.Legend(title=None, symbolType="stroke", symbolSize=400, orient="bottom"),
            ),
            strokeDash=alt.StrokeDash("which:N", scale=dash),
            tooltip=tips({"which:N": "", "step:Q": w["step"], "loss:Q": w["loss"]}),
        )
    )
    dots = alt.Chart(data([c for c in curves if c["which"] == w["valid"]])).mark_point(filled=True, size=30, opacity=1)
    dots = dots.encode(x="step:Q", y=alt.Y("loss:Q", scale=scale), color=alt.value(CINNABAR))
    thin = thin.encode(x="step:Q", y=alt.Y("loss:Q", scale=scale), color=alt.value(INDIGO))
    return alt.layer(thin, lines, dots).properties(width=380, height=260)


def _norms(raw: Sequence[Mapping[str, Any]], w: dict[str, str]) -> Any:
    rows = [{"step": s["step"], "norm": s["norm"], "lr": s.get("lr")} for s in raw if s.get("norm", 0) > 0]
    base = alt.Chart(data(rows)).encode(x=alt.X("step:Q", title=w["step"]))
    hints = tips({"step:Q": w["step"], "norm:Q": w["norm"], "lr:Q": w["lr"]})
    y = alt.Y("norm:Q", title=w["norm"], scale=alt.Scale(type="log", nice=False), axis=alt.Axis(titleColor=INDIGO))
    norm = base.mark_line(color=INDIGO, strokeWidth=1).encode(y=y, tooltip=hints)
    right = alt.Axis(titleColor=AMBER, titleAngle=-90, titlePadding=14, grid=False, format="~g", orient="right")
    most = 1.15 * max([r["lr"] for r in rows if r["lr"]] or [1.0])
    rate = base.mark_line(color=AMBER, strokeDash=[5, 3]).encode(
        y=alt.Y("lr:Q", title=w["lr"], axis=right, scale=alt.Scale(domain=[0, most]))
    )
    return alt.layer(norm, rate).resolve_scale(y="independent").properties(width=260, height=260)
