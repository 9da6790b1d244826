"""Charts of a text as a model reads it: saliency as a strip of tinted characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.charts.gradients import tips
from rondo.charts.theme import BALANCE, CINNABAR, INK, RAMP, Chart, alt, data, finished
from rondo.charts.words import shown, words

Array = NDArray[np.float64]
COLUMNS = 56  # characters of a line; longer symbols take the room of so many characters
CELL, LINE = 13.0, 24.0  # pixels of a character's width and of a line


def strips(texts: Sequence[tuple[Sequence[str], Array, str]], lang: str = "en", signed: bool = False) -> Chart:
    """Texts with a value for each symbol and the symbol that was predicted after it: [(symbols, values [T], target)].

    Unsigned values (a gradient's norm) tint from paper to indigo, signed ones (gradient times input) from cinnabar to
    indigo; each text is relative to its own largest.
    """
    w = words(lang)
    panels = [_strip(symbols, values, target, signed, w) for symbols, values, target in texts]
    reading = w["signed saliency reading" if signed else "saliency reading"]
    title = w["evidence" if signed else "saliency"]
    return finished(alt.vconcat(*panels, spacing=22), title, reading, 104)


def _strip(symbols: Sequence[str], values: Array, target: str, signed: bool, w: dict[str, str]) -> Any:
    largest = float(np.abs(values).max()) or 1.0
    texts = shown([*symbols, target])
    places = _places(texts)
    rows: list[dict[str, Any]] = [
        {"x": x, "x2": x2, "y": y, "text": text, "tint": v / largest, "value": v}
        for (x, x2, y), text, v in zip(places[:-1], texts[:-1], values.tolist(), strict=True)
    ]
    (x, x2, y), lines = places[-1], places[-1][2] + 1
    box = [{"x": x, "x2": x2, "y": y, "text": texts[-1]}]
    horizontal = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, COLUMNS + 2], nice=False))
    vertical = alt.Y("y:O", axis=None, scale=alt.Scale(paddingInner=0.12))
    domain, colours = ([-1, 0, 1], [BALANCE[k] for k in (0, 2, 4)]) if signed else ([0, 0.25, 0.5, 0.75, 1], list(RAMP))
    tint: Any = alt.Scale(domain=domain, range=colours, interpolate="lab")
    name = w["product" if signed else "gradient"]
    base = alt.Chart(data(rows)).encode(
        x=horizontal, y=vertical, tooltip=tips({"text:N": w["symbol"], "value:Q": name})
    )
    ground = base.mark_rect().encode(x2="x2:Q", color=alt.Color("tint:Q", scale=tint, legend=None))
    strong = f"abs(datum.tint) > {0.75 if signed else 0.55}"
    letters = base.transform_calculate(middle="(datum.x + datum.x2) / 2").mark_text(fontSize=13, baseline="middle")
    letters = letters.encode(
        x=alt.X("middle:Q", axis=None), text="text:N", color=alt.condition(strong, alt.value("white"), alt.value(INK))
    )
    frame = alt.Chart(data(box)).encode(x=horizontal, y=vertical)
    border = frame.mark_rect(fill=None, stroke=CINNABAR, strokeWidth=1.6).encode(x2="x2:Q")
    answer = frame.transform_calculate(middle="(datum.x + datum.x2) / 2").mark_text(fontSize=13, fontWeight="bold")
    answer = answer.encode(x=alt.X("middle:Q", axis=None), text="text:N", color=alt.value(CINNABAR))
    layers = [ground, letters, border, answer]
    if signed:
        under = base.transform_filter("datum.tint < -0.02").mark_rule(yOffset=9, strokeWidth=1.5, color=INK)
        layers.append(under.encode(x2="x2:Q"))
    return alt.layer(*layers).properties(width=(COLUMNS + 2) * CELL, height=lines * LINE)


def _places(texts: Sequence[str]) -> list[tuple[float, float, int]]:
    """Where each symbol stands, (left, right, line), in lines of at most COLUMNS narrow characters."""
    places, x, y = [], 0.0, 0
    for text in texts:
        wide = sum(1.5 if c > "\u2e7f" else 0.65 if len(text) > 1 else 1.0 for c in text) + 0.6 * (len(text) > 1)
        if x + wide > COLUMNS + 1:
            x, y = 0.0, y + 1
        places.append((x, x + wide, y))
        x += wide
    return places
