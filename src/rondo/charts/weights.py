"""Charts of weights: eigenvalues on the complex plane."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.charts.gradients import tips
from rondo.charts.theme import INDIGO, QUIET, Chart, alt, data, finished, grid, width_of
from rondo.charts.words import label, words

SIDE, COLUMNS = 190, 4
LIMIT = 1.15  # half the side of a panel whose eigenvalues lie inside the unit circle


def eigenvalues(values: Mapping[str, NDArray[np.complex128]], norms: Mapping[str, float], lang: str = "en") -> Chart:
    """Eigenvalues {"l0.U_f": complex [n]} with the unit circle, and each matrix's largest singular value."""
    w = words(lang)
    panels = [_panel(label(name, lang), v, norms[name], w) for name, v in values.items()]
    return finished(grid(panels, COLUMNS, 80), w["eigenvalues"], w["eigenvalues reading"], width_of(panels, COLUMNS))


def _panel(name: str, v: NDArray[np.complex128], norm: float, w: dict[str, str]) -> Any:
    radius = float(np.abs(v).max())
    limit = max(LIMIT, radius * 1.08)
    scale = alt.Scale(domain=[-limit, limit], nice=False)
    axis = alt.Axis(tickCount=5, format="~g")
    turns = np.linspace(0, 2 * math.pi, 73).tolist()
    circle = data([{"order": k, "x": math.cos(t), "y": math.sin(t)} for k, t in enumerate(turns)])
    rows = [{"x": z.real, "y": z.imag, "modulus": abs(z)} for z in v.tolist()]
    x, y = (
        alt.X("x:Q", title=w["real"], scale=scale, axis=axis),
        alt.Y("y:Q", title=w["imaginary"], scale=scale, axis=axis),
    )
    ring = alt.Chart(circle).mark_line(color=QUIET, strokeWidth=1.2).encode(x=x, y=y, order="order:O")
    hints = tips({"x:Q": w["real"], "y:Q": w["imaginary"], "modulus:Q": w["modulus"]})
    dots = alt.Chart(data(rows)).mark_circle(size=18, opacity=0.75, color=INDIGO).encode(x=x, y=y, tooltip=hints)
    title = alt.TitleParams(name, subtitle=f"ρ = {radius:.2f}, σ = {norm:.2f}", fontSize=12)
    return alt.layer(ring, dots).properties(width=SIDE, height=SIDE, title=title)
