"""Pooling: one vector for a whole sequence, from the outputs h [B, T, n] of a network, each row to its own length.

    last       forward: h at the length; a backward direction: h after t = 0; side by side
    max        the largest value of each unit over the steps
    mean       its mean over the steps
    attention  u_t = tanh(W h_t + b),    a = softmax over t of (v . u_t),    sum_t a_t h_t
               (Yang et al. 2016, doi:10.18653/v1/N16-1174, eq. 5-7)

An empty row gives zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rondo.expr.graph import nearest
from rondo.inputs import full_precision

KINDS = ("last", "max", "mean", "attention")


class Pooling(nn.Module):
    """One way of pooling outputs of `width` numbers; `bidirectional`: the second half of them ran backwards.

    Only "attention" has parameters. Raises ValueError where `kind` is not one of KINDS.
    """

    def __init__(self, kind: str, width: int, bidirectional: bool = False) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"pooling is one of {', '.join(KINDS)}, found {kind!r}{nearest(kind, list(KINDS))}")
        self.kind, self.bidirectional = kind, bidirectional
        if kind == "attention":
            self.map = nn.Linear(width, width)  # W and b
            self.query = nn.Linear(width, 1, bias=False)  # v

    def forward(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """h [B, T, n], lengths [B] of any order (None: all T) -> [B, n]. What stands past a length is never read. Half
        precision and autocast are computed in float32, as in an RNN."""
        with full_precision(h):
            return self._pooled(_wide(h), _everything(h) if lengths is None else lengths.to(h.device))

    def _pooled(self, h: Tensor, lengths: Tensor) -> Tensor:
        if not h.shape[1]:
            return h.sum(1)  # zeros
        alive = _alive(h, lengths)
        if self.kind == "last":
            return _last(h, lengths, self.bidirectional).where(alive[:, 0], 0)
        if self.kind == "max":
            return h.where(alive, -torch.inf).amax(1).where(alive[:, 0], 0)
        h = h.where(alive, 0)
        if self.kind == "mean":
            return h.sum(1) / lengths.clamp(min=1).unsqueeze(1)
        return (self._weights(h, alive) * h).sum(1)

    def weights(self, h: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Attention's a [B, T]: how much each step counts, zero past the lengths. Raises ValueError for other kinds."""
        if self.kind != "attention":
            raise ValueError(f"pooling by {self.kind} has no weights: build the model with pooling='attention'")
        with full_precision(h):
            h, lengths = _wide(h), _everything(h) if lengths is None else lengths.to(h.device)
            alive = _alive(h, lengths)
            return self._weights(h.where(alive, 0), alive).squeeze(2)

    def _weights(self, h: Tensor, alive: Tensor) -> Tensor:
        scores: Tensor = self.query(self.map(h).tanh()).where(
            alive, torch.finfo(h.dtype).min
        )  # -inf: NaN in an empty row
        return scores.softmax(1).where(alive, 0)


def _wide(h: Tensor) -> Tensor:
    return h if h.dtype is torch.float64 else h.float()


def _everything(h: Tensor) -> Tensor:
    return torch.full((len(h),), h.shape[1], device=h.device)


def _alive(h: Tensor, lengths: Tensor) -> Tensor:
    """Where the steps within a length are, [B, T, 1]."""
    return (torch.arange(h.shape[1], device=h.device) < lengths.unsqueeze(1)).unsqueeze(2)


def _last(h: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The outputs of each direction after its last step; of an empty row, anything."""
    end = h[torch.arange(len(h), device=h.device), (lengths - 1).clamp(min=0)]
    if not bidirectional:
        return end
    half = h.shape[2] // 2
    return torch.cat([end[:, :half], h[:, 0, half:]], 1)
