"""Figures of answers beside the truth, on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 15


def classified(guess: NDArray[Any], gold: NDArray[Any]) -> dict[str, float]:
    """Accuracy, and the mean of the classes' F1."""
    classes = np.unique(gold)
    f1 = [2 * ((guess == k) & (gold == k)).sum() / max(1, (guess == k).sum() + (gold == k).sum()) for k in classes]
    return {"accuracy": float((guess == gold).mean()), "macro_f1": float(np.mean(f1))}


def graded(guess: NDArray[Any], gold: NDArray[Any], steps: int = 5) -> dict[str, float]:
    """Mean absolute error and quadratic-weighted kappa of grades 0 to steps - 1."""
    table = np.zeros((steps, steps))
    np.add.at(table, (gold, guess), 1)
    weights = (np.arange(steps)[:, None] - np.arange(steps)) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / max(1, len(gold))
    disagreement = float((weights * expected).sum())
    kappa = 1 - float((weights * table).sum()) / disagreement if disagreement else 1.0
    return {"mae": float(np.abs(guess - gold).mean()), "kappa": kappa}


def correlated(guess: Floats, gold: Floats) -> dict[str, float]:
    """Pearson's correlation (0 where either does not vary) and the mean absolute error."""
    varies = min(guess.std(), gold.std()) > 1e-9
    r = float(np.corrcoef(guess, gold)[0, 1]) if varies else 0.0
    return {"correlation": r, "mae": float(np.abs(guess - gold).mean())}


def calibration_error(p: Floats, gold: NDArray[Any]) -> float:
    """How far the probability of the likeliest class is from how often it is right, on average over BINS bins."""
    top, right = p.max(1), p.argmax(1) == gold
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    gaps = [abs(top[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum() for b in np.unique(bins)]
    return float(sum(gaps) / max(1, len(gold)))
