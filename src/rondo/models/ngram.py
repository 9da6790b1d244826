"""N-gram language model: the floor that a recurrent network has to beat.

Interpolated Witten-Bell smoothing (Witten & Bell 1991, doi:10.1109/18.87000, method C; Chen & Goodman 1999,
doi:10.1006/csla.1999.0128, sec. 2.5): with c the counts, h the n-1 symbols before, h' the last n-2 of them, and
T(h) the number of different symbols seen after h,

    p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h)),    p(w) from 1 / V
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The counts of one order n. An n-gram is one number in base V, so those after one context lie side by side."""

    grams: Ints  # every n-gram seen, ascending
    counts: Ints  # c(h w)
    contexts: Ints  # every h seen, ascending
    totals: Ints  # c(h)
    types: Ints  # T(h)

    @classmethod
    def count(cls, grams: Ints, base: int) -> Level:
        unique, counts = np.unique(grams, return_counts=True)
        contexts, first, types = np.unique(unique // base, return_index=True, return_counts=True)
        totals = np.add.reduceat(counts, first) if len(counts) else counts
        return cls(unique, counts, contexts, totals, types)


class NGram:
    """An n-gram model of numbered symbols 0 ... V - 1."""

    def __init__(self, symbols: Ints, vocabulary: int, order: int = 5) -> None:
        if vocabulary**order >= 2**63:
            raise ValueError(f"{order}-grams of {vocabulary} symbols do not fit 63 bits; take a smaller order")
        self.vocabulary, self.order = vocabulary, order
        self.levels = [Level.count(g, vocabulary) for g in _grams(symbols, vocabulary, order)]

    def probabilities(self, symbols: Ints) -> NDArray[np.float64]:
        """The probability of every symbol after those before it (the first ones have shorter contexts)."""
        p = np.full(len(symbols), 1 / self.vocabulary)
        for n, grams in enumerate(_grams(symbols, self.vocabulary, self.order)):
            level, shorter = self.levels[n], p[n:]
            count = _find(level.grams, level.counts, grams)
            total = _find(level.contexts, level.totals, grams // self.vocabulary)
            types = _find(level.contexts, level.types, grams // self.vocabulary)
            p[n:] = np.where(total > 0, (count + types * shorter) / np.maximum(total + types, 1), shorter)
        return p

    def bits(self, symbols: Ints) -> float:
        """Bits per symbol on this text."""
        return float(-np.log2(self.probabilities(symbols)).mean())

    def distribution(self, context: Sequence[int]) -> NDArray[np.float64]:
        """The probabilities [V] of the symbol after `context`; only the last n-1 symbols count."""
        one: NDArray[np.float64] = self.distributions(np.array(context, dtype=np.int64).reshape(1, -1))[0]
        return one

    def distributions(self, contexts: Ints) -> NDArray[np.float64]:
        """The same for each row of contexts [N, t]: [N, V]."""
        v, (rows, length) = self.vocabulary, contexts.shape
        p = np.full((rows, v), 1 / v)
        h, seen = np.zeros(rows, dtype=np.int64), np.arange(rows)
        for n, level in enumerate(self.levels[: length + 1]):
            h += contexts[:, -n] * v ** (n - 1) if n else 0
            total = _find(level.contexts, level.totals, h[seen])
            seen, total = seen[total > 0], total[total > 0]  # where a context is new, a longer one is new too
            types = _find(level.contexts, level.types, h[seen])
            first, last = np.searchsorted(level.grams, [h[seen] * v, (h[seen] + 1) * v])
            p[seen] *= (types / (total + types))[:, None]
            for row, n_total, i, j in zip(seen, total + types, first, last, strict=True):
                p[row, level.grams[i:j] % v] += level.counts[i:j] / n_total
        return p

    # as a predictor of `rondo.search`: the state is what has been read, as far back as it counts

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, 0, dtype=torch.long)

    def step(self, symbols: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Reads symbols [N]; gives the log-probabilities [N, V] of the next ones."""
        state = torch.cat([state, symbols.unsqueeze(1)], 1)[:, -max(self.order - 1, 1) :]
        return torch.from_numpy(np.log(self.distributions(state.numpy()))), state

    def select(self, state: Tensor, index: Tensor) -> Tensor:
        return state[index]


def _grams(symbols: Ints, base: int, order: int) -> Iterator[Ints]:
    """For n = 1 ... order, the number of the n-gram that ends at each position n-1, n, ..."""
    grams = symbols.astype(np.int64)
    yield grams
    for n in range(2, order + 1):
        grams = grams[:-1] * base + symbols[n - 1 :]
        yield grams


def _find(keys: Ints, values: Ints, wanted: Ints) -> Ints:
    """values[i] where keys[i] is the wanted one, else 0."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    i = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[i] == wanted, values[i], 0)
