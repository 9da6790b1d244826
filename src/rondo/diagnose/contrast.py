"""Contrast: two sentences that differ in one thing, and where the difference stands inside the network.

A readout z = W h + b compares two answers by one number, their log-odds z_a - z_b, to which each unit of the last
output h contributes (w_a - w_b)_j h_j. Exchanging units between two sentences just before the answer (an interchange
intervention, Geiger et al. 2021, arXiv:2106.02997) moves the log-odds by the differences of these contributions, so the
fewest units that turn one answer into the other are found by sorting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
import torch
from torch import Tensor

from rondo.diagnose.inside import Array, array

Pairs = list[tuple[int | None, int | None]]


def align(one: Sequence[str], other: Sequence[str]) -> Pairs:
    """The places of both sequences side by side, what is equal and what stands in its stead in one column; None where
    a sequence has nothing there."""
    found: Pairs = []
    for _, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        for k in range(max(b - a, d - c)):
            found.append((a + k if a + k < b else None, c + k if c + k < d else None))
    return found


def difference(one: Array, other: Array, pairs: Pairs) -> Array:
    """one - other [columns, n] of values [T, n] and [T', n]; NaN where either has nothing."""
    gap = np.full(one.shape[1], np.nan)
    return np.stack([gap if a is None or b is None else one[a] - other[b] for a, b in pairs])


def last_column(one: Sequence[str], other: Sequence[str], pairs: Pairs, differing: bool) -> int:
    """The last column that both have; with `differing` the last where they are not equal, if there is one."""
    both = [(k, one[a] != other[b]) for k, (a, b) in enumerate(pairs) if a is not None and b is not None]
    return max((k for k, unequal in both if unequal or not differing), default=both[-1][0])


@dataclass(frozen=True)
class Exchange:
    """What the units of the last output tell an answer a from an answer b.

    odds    log-odds of a against b after each of both sentences
    shares  [n] part of odds[0] - odds[1] that each unit makes; they sum to it
    """

    odds: tuple[float, float]
    shares: Array

    @property
    def order(self) -> list[int]:
        """The units by their share, those first that tell the sentences apart as the whole does."""
        sign = 1.0 if self.odds[0] >= self.odds[1] else -1.0
        return [int(j) for j in np.argsort(-sign * self.shares, kind="stable")]

    @property
    def needed(self) -> int | None:
        """The fewest units which, put into the first sentence as they are in the second, turn its answer; None where
        both sentences have the same answer."""
        if (self.odds[0] > 0) == (self.odds[1] > 0):
            return None
        towards = np.sort(self.shares if self.odds[0] > 0 else -self.shares)[::-1]
        return int(np.argmax(np.cumsum(towards) > abs(self.odds[0]))) + 1


def exchange(scores: Callable[[Tensor], Tensor], one: Tensor, other: Tensor, a: int, b: int) -> Exchange:
    """The exchange between two last outputs [n]; `scores` is an affine readout, h [n] -> [symbols]."""
    h = one.detach().clone().requires_grad_()
    with torch.enable_grad():
        z = scores(h)
        (weight,) = torch.autograd.grad(z[a] - z[b], [h])  # w_a - w_b, whatever stands between
    with torch.no_grad():
        odds = [float(z[a] - z[b]) for z in (scores(h), scores(other))]
        return Exchange((odds[0], odds[1]), array(weight * (one - other)))


def changed(difference: Array, column: int, least: float = 0.5) -> int:
    """How many units differ by at least so much in a column."""
    return int((np.abs(difference[column]) >= least).sum())


def by_size(measure: Array) -> list[int]:
    """The units by the size of a number of each, the largest first, whatever its sign."""
    return [int(j) for j in np.argsort(-np.abs(measure), kind="stable")]
