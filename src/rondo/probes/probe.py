"""Probe: a task with one cause of difficulty, and what can be reached on it without memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rondo.data.batch import IGNORED, Batch

Draw = Callable[[int, int], Batch]  # (seed, rows) -> batch: the same seed gives the same batch
Score = Callable[[Tensor, Tensor], tuple[Tensor, int]]  # (scores, y) -> a sum, and how many targets it counts


class ProbeError(ValueError):
    """A probe that cannot be made or run as asked; the message names the setting."""


@dataclass(frozen=True)
class Measure:
    """What answers are worth: the mean of `score` over the targets that count."""

    name: str  # with its unit, as it stands on an axis
    higher: bool  # is more better?
    score: Score
    goal: float  # from here on a probe counts as solved


@dataclass(frozen=True)
class Test:
    """Fresh data at one difficulty, scored where y is not IGNORED."""

    at: int
    line: float  # the best that can be reached without memory
    draw: Draw
    axis: str = "length"  # what `at` counts
    seen: bool = True  # does training reach this difficulty?


@dataclass(frozen=True)
class Look:
    """What a network makes of a sentence before a word that has two forms.

    words      what it has read
    chances    its probability of either form: {"was": ..., "were": ...}; `right` is the one that belongs there
    gradients  of L = -ln p(right): norms of dL/ds<t> after each word, by state: {"h": [...], "c": [...]}
    """

    words: tuple[str, ...]
    chances: dict[str, float]
    right: str
    gradients: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Probe:
    """A task: its data and what is measured.

    inputs   symbols that are read (x [B, T]), or the width of vectors (x [B, T, inputs])
    outputs  scores that are given
    train    batches to learn from; learning is followed on `valid`; `tests` are reported
    last     one answer of numbers after the last step (y [B, outputs]), else a choice at each step (y [B, T])
    look     what a trained network makes of a few sentences
    """

    name: str
    inputs: int
    outputs: int
    measure: Measure
    train: Draw
    valid: Test
    tests: tuple[Test, ...]
    last: bool = False
    look: Callable[[Any], tuple[Look, ...]] | None = None


def nats(scores: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """Cross-entropy -ln softmax(scores)[y], of scores [B, T, n] and y [B, T]."""
    total = functional.cross_entropy(scores.flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction="sum")
    return total, int((y != IGNORED).sum())


def squares(scores: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """Squared error of scores [B, n] for y [B, n]."""
    return (scores - y).square().sum(), y.numel()


def right(scores: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """How often the greatest of the scores [B, T, n] is that of y [B, T]."""
    counted = y != IGNORED
    return (scores.argmax(2) == y)[counted].sum(), int(counted.sum())


def scored(y: NDArray[np.int64], where: NDArray[np.bool_]) -> Tensor:
    """y where it counts, else IGNORED."""
    return torch.from_numpy(np.where(where, y, IGNORED))
