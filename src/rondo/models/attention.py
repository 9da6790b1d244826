"""Attention: what a decoder reads of the encoder's outputs h<1> ... h<T> at each of its steps.

e<t,j> = score(q<t>, h<j>),    a<t> = softmax over j of e<t>,    c<t> = sum over j of a<t,j> h<j>

Padding has the weight 0 exactly. A row of length 0 has weights and context 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class Additive(nn.Module):
    """score(q, h) = v · tanh(W q + U h)    (Bahdanau et al. 2015, arXiv:1409.0473, A.1.2).

    query, memory: widths of q and h; width: of what tanh is taken.
    """

    def __init__(self, query: int, memory: int, width: int) -> None:
        super().__init__()
        self.W = nn.Linear(query, width, bias=False)
        self.U = nn.Linear(memory, width, bias=False)
        self.v = nn.Linear(width, 1, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        """U h, the same at every step: [B, T, memory] -> [B, T, width]."""
        keys: Tensor = self.U(values)
        return keys

    def forward(self, query: Tensor, memory: Memory) -> Tensor:
        """Weights [B, U, T] for queries [B, U, n]; holds B * U * T * width numbers."""
        inner = torch.tanh(self.W(query).unsqueeze(2) + memory.keys.unsqueeze(1))
        return memory.weights(self.v(inner).squeeze(3))


class General(nn.Module):
    """score(q, h) = q · W h    (Luong et al. 2015, arXiv:1508.04025, eq. 8, "general").

    query, memory: widths of q and h.
    """

    def __init__(self, query: int, memory: int) -> None:
        super().__init__()
        self.W = nn.Linear(memory, query, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        """W h, the same at every step: [B, T, memory] -> [B, T, query]."""
        keys: Tensor = self.W(values)
        return keys

    def forward(self, query: Tensor, memory: Memory) -> Tensor:
        """Weights [B, U, T] for queries [B, U, n]."""
        return memory.weights(query @ memory.keys.transpose(1, 2))


@dataclass(frozen=True)
class Memory:
    """The encoder's outputs, as attention reads them."""

    values: Tensor  # h [B, T, n]
    keys: Tensor  # what the scores are made from, [B, T, k]
    alive: Tensor  # [B, T] bool: no padding

    def weights(self, scores: Tensor) -> Tensor:
        """The softmax over what is no padding, of scores [B, U, T]."""
        alive = self.alive.unsqueeze(1)
        least = torch.finfo(scores.dtype).min  # not -inf: a row that is all padding must not give NaN
        return torch.where(alive, torch.where(alive, scores, least).softmax(2), 0.0)

    def context(self, weights: Tensor) -> Tensor:
        """sum over j of a<t,j> h<j>: weights [B, U, T] -> [B, U, n]."""
        return weights @ self.values

    def rows(self, index: Tensor) -> Memory:
        """The rows that `index` selects."""
        return Memory(self.values[index], self.keys[index], self.alive[index])
