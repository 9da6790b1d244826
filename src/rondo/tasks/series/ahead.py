"""Forecasts of a model from an origin, and how they and the naive ones did at every origin of the past.

Rolling origin: stand at a step, see only what lies before it, say the next `horizon` steps, compare; then one step on
(Tashman 2000, doi:10.1016/S0169-2070(00)00065-0). For K origins, H steps, errors e and the scale of MASE (mean
|y<t> - y<t-m>| over what was known before the first origin):

    MAE = mean |e|,    RMSE = sqrt(mean e^2),    MASE = MAE / scale,    sMAPE = mean 200 |e| / (|y| + |q|)
    coverage of an interval: the share of values inside; width: its mean
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rondo.tasks.series.lines import Floats, Line, back, into, seasonal_scale
from rondo.tasks.series.model import MEDIAN, Forecaster
from rondo.tasks.series.naive import NAIVE
from rondo.tasks.series.table import SeriesError
from rondo.tasks.series.windows import Plan, window

ROWS = 256
INTERVALS = {80: (1, 5), 90: (0, 6)}  # of QUANTILES: the two ends


@torch.no_grad()
def quantiles(model: Forecaster, line: Line, origins: Sequence[int], plan: Plan, widen: float = 1.0) -> Floats:
    """[origins, horizon, 7] in the series' own unit; `widen` stretches them about the median (see `calibrate`)."""
    z = into(line.values, plan.transform, line.name)
    windows = [window(z, line.times, origin, plan) for origin in origins]
    parts = []
    for k in range(0, len(windows), ROWS):
        x = torch.from_numpy(np.stack([w.x for w in windows[k : k + ROWS]]))
        parts.append(model(x).double().numpy())
    q = np.concatenate(parts)
    q = q[..., MEDIAN : MEDIAN + 1] + widen * (q - q[..., MEDIAN : MEDIAN + 1])
    bases, scales = np.stack([w.base for w in windows]), np.array([w.scale for w in windows])
    return back(bases[..., None] + scales[:, None, None] * q, plan.transform)


def origins_of(line: Line, begin: int, plan: Plan) -> list[int]:
    """Origins from step `begin` on of which all steps ahead are known; where the series ends before, the first one."""
    first = max(begin, plan.needed)
    if first >= len(line):
        raise SeriesError(
            f"{line.name}: 之前只有 {begin} 步 / a forecast needs {plan.needed} steps before its origin and one after "
            f"it, the series has {len(line)}: give a longer one"
        )
    return list(range(first, len(line) - plan.horizon + 1)) or [first]


def backtest(
    model: Forecaster, lines: Sequence[Line], begins: Sequence[int], plan: Plan, widen: float = 1.0
) -> dict[str, Any]:
    """Every origin from `begins` on of each series: the model's measures and those of the naive forecasts, over all
    steps ahead and step by step. Several series count as they are; MASE divides each by its own scale."""
    errors: dict[str, list[Floats]] = {name: [] for name in ("model", *NAIVE)}
    relative: dict[str, list[Floats]] = {name: [] for name in errors}
    inside: dict[int, list[Floats]] = {level: [] for level in INTERVALS}
    width: dict[int, list[Floats]] = {level: [] for level in INTERVALS}
    scales, count = [], 0
    for line, begin in zip(lines, begins, strict=True):
        origins = origins_of(line, begin, plan)
        scale = seasonal_scale(line.values[: origins[0]], plan.season)
        q = quantiles(model, line, origins, plan, widen)
        for row, origin in zip(q, origins, strict=True):
            y = _ahead(line, origin, plan.horizon)
            said = {name: f(line.values[:origin], plan.horizon, plan.season) for name, f in NAIVE.items()}
            for name, values in {"model": row[:, MEDIAN], **said}.items():
                errors[name].append(np.abs(y - values))
                relative[name].append(2 * np.abs(y - values) / np.maximum(np.abs(y) + np.abs(values), 1e-12))
            scales.append(scale)
            for level, (low, high) in INTERVALS.items():
                inside[level].append(np.where(np.isnan(y), np.nan, (row[:, low] <= y) & (y <= row[:, high])))
                width[level].append(row[:, high] - row[:, low])
        count += len(origins)
    table = {name: _measures(np.stack(e), np.stack(relative[name]), np.array(scales)) for name, e in errors.items()}
    best = min(NAIVE, key=lambda name: table[name]["mae"])
    return {
        "origins": count,
        "horizon": plan.horizon,
        "season": plan.season,
        "table": table,
        "coverage": {str(level): round(float(np.nanmean(v)), 4) for level, v in inside.items()},
        "width": {str(level): float(np.mean(v)) for level, v in width.items()},
        "best_naive": best,
        "beats_seasonal": bool(table["model"]["mae"] < table["seasonal"]["mae"]),
        "beats_all": bool(table["model"]["mae"] < table[best]["mae"]),
    }


def _ahead(line: Line, origin: int, horizon: int) -> Floats:
    """The values that came, NaN where the series ends before."""
    found = np.full(horizon, np.nan)
    known = line.values[origin : origin + horizon]
    found[: len(known)] = known
    return found


def _measures(errors: Floats, relative: Floats, scales: Floats) -> dict[str, Any]:
    mase = float(np.nanmean(errors / scales[:, None])) if np.isfinite(scales).all() else None
    return {
        "mae": float(np.nanmean(errors)),
        "rmse": float(np.sqrt(np.nanmean(errors**2))),
        "smape": 100 * float(np.nanmean(relative)),
        "mase": mase,
        "mae_by_step": [round(float(v), 4) for v in _means(errors)],
    }


def _means(errors: Floats) -> Floats:
    """The mean of each column, NaN where a column has no value."""
    known = ~np.isnan(errors)
    return np.where(known.any(0), np.where(known, errors, 0).sum(0) / np.maximum(1, known.sum(0)), np.nan)


def calibrate(model: Forecaster, lines: Sequence[Line], begins: Sequence[int], plan: Plan) -> float:
    """The factor by which intervals must be stretched about the median so that the middle one of 80 % covers 80 % of
    the values at the held-out origins: of each value the factor at which it lies on the edge, and the quantile of them
    (the split-conformal idea: Romano, Patterson & Candes 2019, arXiv:1905.03222, with a factor in place of a term)."""
    needed = []
    low, high = INTERVALS[80]
    for line, begin in zip(lines, begins, strict=True):
        origins = origins_of(line, begin, plan)
        z = into(line.values, plan.transform, line.name)
        q = into(
            np.maximum(quantiles(model, line, origins, plan), 1e-12 if plan.transform == "log" else -np.inf),
            plan.transform,
        )
        for row, origin in zip(q, origins, strict=True):
            y = _ahead(Line(line.name, line.times, z), origin, plan.horizon)
            up, down = row[:, high] - row[:, MEDIAN], row[:, MEDIAN] - row[:, low]
            edge = np.where(
                y >= row[:, MEDIAN],
                (y - row[:, MEDIAN]) / np.maximum(up, 1e-12),
                (row[:, MEDIAN] - y) / np.maximum(down, 1e-12),
            )
            needed.append(edge[~np.isnan(edge)])
    found = float(np.quantile(np.concatenate(needed), 0.8))
    return round(min(max(found, 0.2), 5.0), 4)
