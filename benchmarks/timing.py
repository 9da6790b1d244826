"""Interleaved timings: rivals run in turn in one process, so that both see the same machine; medians, quartiles."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Run = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """Seconds a call of two rivals; entry k of one was measured next to entry k of the other."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def ratio(self) -> float:
        """How many times faster ours is: the median of the ratios of neighbours."""
        return statistics.median(self._ratios())

    @property
    def spread(self) -> tuple[float, float]:
        """First and third quartile of the ratios."""
        return quartiles(self._ratios())

    def _ratios(self) -> list[float]:
        return [b / a for a, b in zip(self.ours, self.theirs, strict=True)]

    def row(self) -> dict[str, float]:
        """Median times in milliseconds, ratio and spread, as columns of a table."""
        low, high = self.spread
        ours, theirs = (1e3 * statistics.median(s) for s in (self.ours, self.theirs))
        return {"ours_ms": ours, "theirs_ms": theirs, "ratio": self.ratio, "q1": low, "q3": high}


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third quartile; of one value, itself twice."""
    if len(values) < 2:
        return values[0], values[0]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean logarithm; nan of nothing."""
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else math.nan


def interleaved(runs: Sequence[Run], repeats: int, seconds: float) -> list[list[float]]:
    """Seconds a call of each run, `repeats` samples each, taken in turn; every second round goes backwards.

    A sample is as many calls as fill about `seconds` (at least one). Two calls of each come before, not counted.
    """
    counts = []
    for run in runs:
        run()
        counts.append(max(1, round(seconds / max(measured(run, 1), 1e-9))))
    samples: list[list[float]] = [[] for _ in runs]
    for number in range(repeats):
        order = range(len(runs)) if number % 2 == 0 else reversed(range(len(runs)))
        for i in order:
            samples[i].append(measured(runs[i], counts[i]))
    return samples


def measured(run: Run, count: int) -> float:
    """Seconds a call, over `count` calls."""
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count
