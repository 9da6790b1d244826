"""The baseline of promoters: a logistic regression on how often runs of three to six bases stand in a sequence.

A run and its reverse complement count as one, so both strands say the same. With n_f the count of run f,

    p = sigmoid(b + sum_f w_f (log(1 + n_f) - m_f) / s_f)

m and s the mean and the deviation in training; by L-BFGS, with a penalty on the squares of w that a tenth of the
sequences chooses. A run with a base that is not known does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rondo.tasks.dna.letters import DnaError, bases

SIZES = (3, 4, 5, 6)
PENALTIES = (0.003, 0.03, 0.3)  # times the sum of the weights' squares, beside the mean loss
STEPS = 60  # of L-BFGS
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Kmers:
    """weight [runs] of log(1 + count), and the bias: m and s are worked in."""

    weight: Tensor
    bias: float

    @classmethod
    def fit(cls, sequences: Sequence[str], y: Sequence[int]) -> Self:
        """From sequences and their classes 0 and 1."""
        x, target = counts(sequences), torch.tensor(y, dtype=torch.float32)
        mean, scale = x.mean(0), x.std(0).clamp(min=1e-3)
        x = (x - mean) / scale
        apart = torch.from_numpy(np.random.default_rng(0).random(len(x)) < 0.1)
        tried = {p: _fitted(x[~apart], target[~apart], p) for p in PENALTIES}
        best = min(PENALTIES, key=lambda p: _loss(x[apart], target[apart], *tried[p]))
        w, b = _fitted(x, target, best)
        return cls(w / scale, float(b - (w * mean / scale).sum()))

    def scores(self, sequences: Sequence[str]) -> Tensor:
        """p [N] of class 1."""
        return (counts(sequences) @ self.weight + self.bias).sigmoid()

    def to_json(self) -> dict[str, Any]:
        return {"weight": [float(f"{v:.3g}") for v in self.weight.tolist()], "bias": self.bias}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Raises DnaError for what is no such regression."""
        try:
            return cls(torch.tensor(value["weight"]).view(RUNS), float(value["bias"]))
        except (KeyError, TypeError, RuntimeError, ValueError):
            raise DnaError("the model file's baseline is damaged") from None


def counts(sequences: Sequence[str]) -> Tensor:
    """log(1 + count) of every run, [N, RUNS]."""
    rows = np.zeros((len(sequences), RUNS), dtype=np.float32)
    for row, sequence in zip(rows, sequences, strict=True):
        x = bases(sequence)
        known = x.max(1) == 1 if len(x) else np.zeros(0, bool)
        place, first = x.argmax(1) if len(x) else np.zeros(0, np.int64), 0
        for k in SIZES:
            if len(place) >= k:
                windows = np.lib.stride_tricks.sliding_window_view
                code = windows(place, k) @ (4 ** np.arange(k - 1, -1, -1))
                own = TABLES[k][code[windows(known, k).all(1)]]
                row[first : first + WIDTHS[k]] = np.bincount(own, minlength=WIDTHS[k])
            first += WIDTHS[k]
    return torch.from_numpy(rows).log1p_()


def _table(k: int) -> Ints:
    """For each of 4^k runs the number of the pair that it and its reverse complement are."""
    codes = np.arange(4**k)
    other = np.zeros_like(codes)
    for j in range(k):
        other = other * 4 + 3 - codes // 4**j % 4
    found: Ints = np.unique(np.minimum(codes, other), return_inverse=True)[1].reshape(-1)
    return found


TABLES = {k: _table(k) for k in SIZES}
WIDTHS = {k: int(table.max()) + 1 for k, table in TABLES.items()}
RUNS = sum(WIDTHS.values())


def _loss(x: Tensor, y: Tensor, w: Tensor, b: Tensor) -> float:
    return float(functional.binary_cross_entropy_with_logits(x @ w + b, y))


def _fitted(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    w, b = torch.zeros(x.shape[1], requires_grad=True), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([w, b], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(x @ w + b, y) + penalty * w.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return w.detach(), b.detach()
