"""Forecasts that cost nothing: what a network must be compared with.

last      y<T>
seasonal  the value of the last season at the same place: y<T + k - m ceil(k / m)>
drift     the line from the first value that is known to the last, gone on
theta     half the linear trend, half simple exponential smoothing, of the series without its season
          (Assimakopoulos & Nikolopoulos 2000, doi:10.1016/S0169-2070(00)00066-2; as smoothing with half the trend as
          drift: Hyndman & Billah 2003, doi:10.1016/S0169-2070(01)00143-1)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ALPHAS = np.linspace(0.05, 1.0, 20)
MEMORY = 600  # steps that theta looks back


def last(y: Floats, horizon: int, season: int) -> Floats:
    """The last value."""
    return np.full(horizon, y[-1])


def seasonal(y: Floats, horizon: int, season: int) -> Floats:
    """The value a season ago; the last one where no season is known yet."""
    if len(y) < season:
        return last(y, horizon, season)
    return np.resize(y[-season:], horizon)


def drift(y: Floats, horizon: int, season: int) -> Floats:
    """The straight line through the first and the last value."""
    slope = (y[-1] - y[0]) / max(1, len(y) - 1)
    found: Floats = y[-1] + slope * np.arange(1, horizon + 1)
    return found


def theta(y: Floats, horizon: int, season: int) -> Floats:
    """The Theta method, with a multiplicative season where all values are positive."""
    y = y[-MEMORY:]
    positive = bool((y > 0).all())
    seasonal_part = indices(y, season, positive)
    at, ahead = np.arange(len(y)), len(y) + np.arange(horizon)
    plain = y / seasonal_part[at % season] if positive else y - seasonal_part[at % season]
    slope = float(np.polyfit(at, plain, 1)[0]) if len(plain) > 2 else 0.0
    alpha = min(ALPHAS, key=lambda a: smoothing(plain, a)[1])
    level = smoothing(plain, alpha)[0]
    rest = (1 - (1 - alpha) ** len(plain)) / alpha
    found: Floats = level + slope / 2 * (np.arange(horizon) + rest)
    s = seasonal_part[ahead % season]
    return found * s if positive else found + s


def smoothing(y: Floats, alpha: float) -> tuple[float, float]:
    """The level after exponential smoothing from the first value, and the sum of its squared errors."""
    level, errors = float(y[0]), 0.0
    for value in y[1:].tolist():
        errors += (value - level) ** 2
        level += alpha * (value - level)
    return level, errors


def indices(y: Floats, season: int, positive: bool) -> Floats:
    """How each place of a season stands to the moving mean over one: factors of mean 1, or terms of mean 0. Of less
    than two seasons, or of none, all alike."""
    even = np.ones(season) if positive else np.zeros(season)
    if season < 2 or len(y) < 2 * season + 1:
        return even
    weights = np.ones(season) / season if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5] / season
    trend = np.convolve(y, weights, "valid")
    first = len(weights) // 2
    middle = y[first : first + len(trend)]
    rest = middle / trend if positive else middle - trend
    places = (first + np.arange(len(rest))) % season
    found = np.array([rest[places == k].mean() for k in range(season)])
    return np.asarray(found / found.mean() if positive else found - found.mean())


NAIVE: Mapping[str, Callable[[Floats, int, int], Floats]] = {
    "last": last, "seasonal": seasonal, "drift": drift, "theta": theta,
}  # fmt: skip
