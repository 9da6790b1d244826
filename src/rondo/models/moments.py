"""Moments: the cheap baseline of sequences of vectors. What a column is on average and how much it changes, no order.

    f(x) = [mean_t x<t>, sqrt(mean_t (x<t> - mean)^2), mean_t |x<t> - x<t-1>|], each number standardised on training
    W, b = argmin sum_i |W f(x_i) + b - onehot(y_i)|^2 + penalty |W|^2

Least squares on the classes (Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, sec. 4.2),
solved once. It is plain JSON of a few kilobytes, so that it fits into the metadata of a model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LARGEST = 1 << 20  # numbers of a baseline that is read


class MomentsError(ValueError):
    """What makes no baseline, or is none."""


def moments(x: NDArray[Any]) -> Floats:
    """f of one sequence [T, n]: [3 n]. Raises MomentsError where it is empty."""
    if x.ndim != 2 or not len(x):
        raise MomentsError(f"a sequence of vectors has shape [T, n] and at least one step, found {list(x.shape)}")
    wide = np.asarray(x, dtype=np.float64)
    moves = np.abs(np.diff(wide, axis=0)).mean(0) if len(wide) > 1 else np.zeros(wide.shape[1])
    return np.concatenate([wide.mean(0), wide.std(0), moves])


@dataclass(frozen=True)
class Moments:
    """A fitted baseline: standardisation mean and scale [F], weights [F, classes], bias [classes]."""

    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    @classmethod
    def fit(cls, x: Sequence[NDArray[Any]], y: Sequence[int], classes: int, penalty: float = 10.0) -> Moments:
        """From sequences and their classes 0 ... classes - 1. Raises MomentsError."""
        if not len(x) or len(x) != len(y) or not all(0 <= k < classes for k in y):
            raise MomentsError(f"{len(x)} sequences need a class each, 0 to {classes - 1}; found {len(y)}")
        f = np.stack([moments(v) for v in x])
        mean, scale = f.mean(0), f.std(0) + 1e-6
        f = (f - mean) / scale
        target = np.eye(classes)[np.asarray(y)]
        bias = target.mean(0)
        weights = np.linalg.solve(f.T @ f + penalty * np.eye(f.shape[1]), f.T @ (target - bias))
        return cls(*(np.round(v, 4) for v in (mean, scale, weights, bias)))

    def scores(self, x: Sequence[NDArray[Any]]) -> Floats:
        """[N, classes]; the largest is the answer. Raises MomentsError for sequences of another width."""
        f = np.stack([moments(v) for v in x])
        if f.shape[1] != len(self.mean):
            raise MomentsError(f"this baseline reads {len(self.mean) // 3} columns, found {f.shape[1] // 3}")
        found: Floats = (f - self.mean) / np.maximum(self.scale, 1e-6) @ self.weights + self.bias
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name).tolist() for name in ("mean", "scale", "weights", "bias")}

    @classmethod
    def from_json(cls, value: Any) -> Moments:
        """The inverse. Raises MomentsError for what is not such a value."""
        try:
            parts = [np.asarray(value[name], dtype=np.float64) for name in ("mean", "scale", "weights", "bias")]
        except (TypeError, KeyError, ValueError) as error:
            raise MomentsError(f"no baseline of moments: {error}") from None
        mean, scale, weights, bias = parts
        fits = mean.ndim == bias.ndim == 1 and mean.shape == scale.shape and weights.shape == (len(mean), len(bias))
        if not fits or weights.size > LARGEST or not all(np.isfinite(part).all() for part in parts):
            raise MomentsError("no baseline of moments: its parts do not fit together")
        return cls(mean, scale, weights, bias)
