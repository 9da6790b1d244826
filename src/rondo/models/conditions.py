"""Conditions: what a generator is told at every step, given as whole numbers and learned as vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Conditions(nn.Module):
    """v<t> = sum over k of F_k[c_k<t>]  +  sum over g of M_g m_g<t>

    The first columns of c [B, T, n] are classes, each with a table F_k of `tables[k]` vectors. The others hold symbols
    that the generator itself knows, in groups of `groups[g]` columns; m_g is the mean of their embeddings E[s], where
    a symbol 0 counts as none.

    width   of v
    embed   of E
    """

    def __init__(self, width: int, tables: Sequence[int], groups: Sequence[int], embed: int) -> None:
        super().__init__()
        if min((*tables, *groups), default=0) < 1:
            raise ValueError("conditions are tables of classes and groups of symbols, each of size 1 or more")
        self.groups = tuple(groups)
        self.tables = nn.ModuleList(nn.Embedding(size, width) for size in tables)
        self.maps = nn.ModuleList(nn.Linear(embed, width, bias=False) for _ in groups)

    @property
    def columns(self) -> int:
        """How many whole numbers say what a step's condition is."""
        return len(self.tables) + sum(self.groups)

    def forward(self, c: Tensor, embedding: nn.Embedding) -> Tensor:
        """c [B, T, columns] to v [B, T, width]."""
        if c.is_floating_point() or c.dim() != 3 or c.shape[2] != self.columns:
            raise ValueError(
                f"conditions must be whole numbers [B, T, {self.columns}], found {c.dtype} {list(c.shape)}"
            )
        parts = [table(c[..., k]) for k, table in enumerate(self.tables)]
        first = len(self.tables)
        for size, linear in zip(self.groups, self.maps, strict=True):
            symbols = c[..., first : first + size]
            known = (symbols > 0).to(embedding.weight.dtype)
            share = known / known.sum(-1, keepdim=True).clamp(min=1)
            parts.append(linear((embedding(symbols) * share.unsqueeze(-1)).sum(-2)))
            first += size
        return torch.stack(parts).sum(0)
