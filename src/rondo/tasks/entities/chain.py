"""What a chain says of whole entities: their probabilities, all at once.

An entity of type x over the tokens i ... j is one stretch of labels, B-x I-x ... E-x (or S-x), so its probability is

    p = alpha_i[B] prod_{i < t <= j} exp(A[y_{t-1}, y_t] + e_t[y_t]) beta_j[E] / Z

with alpha and beta of the forward and backward recursions (Rabiner 1989, doi:10.1109/5.18626, eq. 19-25). Here they are
products of numbers that are scaled to a sum of 1 at each step (his section V.A), not logarithms: a step is one matrix
product, which is many times faster than `rondo.models.crf`, whose results the tests compare with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.models.crf import CRF, NEVER, CRFError

Array = NDArray[Any]
TINY = 1e-300  # what is scaled by it was 0: nothing is possible there


class Chain:
    """Forward and backward numbers of a batch of sentences.

    emissions [B, T, tags], lengths [B] of at least 1, `allowed` [B, T, tags] booleans or None, as in `CRF`.
    Raises CRFError, naming the row, where no labelling is left.
    """

    @torch.no_grad()
    def __init__(self, crf: CRF, emissions: Tensor, lengths: Tensor, allowed: Tensor | None = None) -> None:
        e = emissions if allowed is None else emissions.where(allowed, NEVER)
        self.start, self.transitions, self.end = (p.double() for p in crf.legal_scores())
        self.e, self.lengths = e.double(), lengths
        shift = self.e.amax(2, keepdim=True)
        steps, own = (self.e - shift).exp(), shift.squeeze(2)
        self._a, self._a_scale, self.log_z = self._forward(steps, own)
        self._b, self._b_scale = self._backward(steps, own)
        self._e, self._move = self.e.numpy(), self.transitions.numpy()

    def _forward(self, steps: Tensor, shift: Tensor) -> tuple[Array, Array, Tensor]:
        """a, s [T, B] with alpha_t[k] = a[t][k] exp(s[t]), and log Z [B]."""
        move, live = self.transitions.exp(), self._live()
        found, scales = [], []
        a, scale = self.start.exp() * steps[:, 0], shift[:, 0]
        for t in range(steps.shape[1]):
            new = (a @ move) * steps[:, t] if t else a
            total = new.sum(1).clamp(min=TINY)
            a = torch.where(live[t].unsqueeze(1), new / total.unsqueeze(1), a)
            scale = torch.where(live[t], scale + total.log() + (shift[:, t] if t else 0), scale)
            found.append(a)
            scales.append(scale)
        last = (a * self.end.exp()).sum(1)
        if not bool((last > TINY).all()):
            row = int((last <= TINY).nonzero()[0])
            raise CRFError(f"row {row}: no labelling is legal and allowed at every step; allow more labels there")
        return torch.stack(found).numpy(), torch.stack(scales).numpy(), last.log() + scale

    def _backward(self, steps: Tensor, shift: Tensor) -> tuple[Array, Array]:
        """b, s with beta_t[k] = b[t][k] exp(s[t]), of all that follows t."""
        back, final, size = self.transitions.exp().T, self.end.exp().expand(len(steps), -1), steps.shape[1]
        b, scale = final, torch.zeros_like(shift[:, 0])
        found, scales = [b], [scale]
        for t in range(size - 2, -1, -1):
            new = (b * steps[:, t + 1]) @ back
            total, inside = new.sum(1).clamp(min=TINY), t + 1 < self.lengths
            b = torch.where(inside.unsqueeze(1), new / total.unsqueeze(1), final)
            scale = torch.where(inside, scale + total.log() + shift[:, t + 1], 0)
            found.append(b)
            scales.append(scale)
        return torch.stack(found[::-1]).numpy(), torch.stack(scales[::-1]).numpy()

    def _live(self) -> Tensor:
        return torch.arange(self.e.shape[1], device=self.e.device).unsqueeze(1) < self.lengths

    def probability(self, row: int, first: int, labels: Sequence[int]) -> float:
        """p that the labels of a row from `first` on are these, all others free."""
        last = first + len(labels) - 1
        inner = sum(self._move[i, j] + self._e[row, t, j] for t, (i, j) in enumerate(pairwise(labels), first + 1))
        ends = float(self._a[first, row, labels[0]]) * float(self._b[last, row, labels[-1]])
        scale = self._a_scale[first, row] + self._b_scale[last, row] - float(self.log_z[row])
        return min(1.0, ends * math.exp(min(inner + scale, 700.0)))
