"""Windows of series as a forecaster reads them; see `model.py` for the equations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import Batch
from rondo.tasks.series import times
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.lines import Floats, Line, into
from rondo.tasks.series.table import SeriesError

LEAST = 1e-6  # of a scale, as a share of the values' size: a series that stands still
HARMONICS = 2
CLIP = 20.0  # of an input, in scales


@dataclass(frozen=True)
class Plan:
    """What of the settings decides how a window is made; it travels in the model file."""

    season: int
    context: int
    horizon: int
    transform: str
    base: str
    lags: tuple[int, ...]
    calendar: bool

    @classmethod
    def of(cls, config: SeriesConfig) -> Plan:
        """From the settings."""
        names = ("season", "context", "horizon", "transform", "base")
        values = {name: getattr(config, name) for name in names}
        return cls(**values, lags=tuple(config.lag_steps()), calendar=config.calendar)

    @property
    def width(self) -> int:
        """Columns of a window."""
        return 2 + len(self.lags) + (2 * HARMONICS if self.calendar else 0)

    @property
    def needed(self) -> int:
        """Steps that a forecast needs before its origin."""
        back = max([1, *self.lags, *([self.season] if self.season > 1 else [])])
        more = 2 * self.season if self.base == "drift" else self.season if self.base == "seasonal" else 1
        return max(self.context + back, more)


@dataclass(frozen=True)
class Window:
    """One window: x [C, n], the base [horizon] and the scale."""

    x: NDArray[np.float32]
    base: Floats
    scale: float


def window(z: Floats, stamps: Sequence[str], origin: int, plan: Plan) -> Window:
    """The window whose last step is `origin` - 1 of the transformed series z. Raises SeriesError where too little is
    known before it."""
    if origin < plan.needed:
        raise SeriesError(
            f"只有 {origin} 步，至少要 {plan.needed} 步 / {origin} steps are known, a forecast of this model needs "
            f"{plan.needed}: give a longer series, or a model with a shorter context"
        )
    first = origin - plan.context
    known, end = z[first:origin], z[origin - 1]
    scale = max(float(np.abs(np.diff(z[first - 1 : origin])).mean()), LEAST * (1 + abs(float(end))))
    earlier = z[first - plan.season : origin - plan.season] if plan.season > 1 else z[first - 1 : origin - 1]
    columns = [known - end, known - earlier, *(z[first - lag : origin - lag] - end for lag in plan.lags)]
    x = np.clip(np.stack(columns, 1) / scale, -CLIP, CLIP)
    if plan.calendar:
        x = np.concatenate([x, _calendar(stamps[first:origin], plan.season)], 1)
    return Window(x.astype(np.float32), base(z[:origin], plan), scale)


def _calendar(stamps: Sequence[str], season: int) -> Floats:
    """Sine and cosine of the place in the season and of its double; zeros where it is not told."""
    places = [times.phase(stamp, season) for stamp in stamps]
    found = np.zeros((len(stamps), 2 * HARMONICS))
    for row, at in zip(found, places, strict=True):
        if at is not None:
            angles = 2 * np.pi * at / season * np.arange(1, HARMONICS + 1)
            row[:] = np.concatenate([np.sin(angles), np.cos(angles)])
    return found


def base(z: Floats, plan: Plan) -> Floats:
    """What the network corrects, from the values up to the origin."""
    if plan.base == "last":
        return np.full(plan.horizon, z[-1])
    found = np.resize(z[-plan.season :], plan.horizon).astype(np.float64)
    if plan.base == "drift":
        change = float((z[-plan.season :] - z[-2 * plan.season : -plan.season]).mean())
        found = found + change * (1 + np.arange(plan.horizon) // plan.season)
    return found


class Windows:
    """All windows of some series whose steps ahead are known."""

    def __init__(self, lines: Sequence[Line], plan: Plan) -> None:
        self.plan = plan
        self.z = [into(line.values, plan.transform, line.name) for line in lines]
        self.stamps = [line.times for line in lines]
        self.places = [
            (k, origin) for k, z in enumerate(self.z) for origin in range(plan.needed, len(z) - plan.horizon + 1)
        ]
        if not self.places:
            longest = max((len(z) for z in self.z), default=0)
            raise SeriesError(
                f"序列太短 / the series is too short to learn from: {longest} steps, at least "
                f"{plan.needed + plan.horizon} are needed: take a shorter context, season or horizon"
            )

    def batch(self, index: Sequence[int]) -> Batch:
        """Some of them."""
        x, y = [], []
        for i in index:
            k, origin = self.places[i]
            one = window(self.z[k], self.stamps[k], origin, self.plan)
            x.append(one.x)
            y.append((self.z[k][origin : origin + self.plan.horizon] - one.base) / one.scale)
        return Batch(torch.from_numpy(np.stack(x)), torch.from_numpy(np.stack(y)).float())

    def batches(self, rows: int, seed: int, step: int = 0) -> Iterator[Batch]:
        """Pass after pass in another order. Batch k of a pass depends on the seed and the pass alone."""
        size = (len(self.places) + rows - 1) // rows
        for number in itertools.count():
            order = np.random.default_rng([seed, number]).permutation(len(self.places))
            for k in range(step, size):
                yield self.batch(order[k * rows : (k + 1) * rows].tolist())
            step = max(0, step - size)
