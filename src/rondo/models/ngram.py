"""N-gram language model: the floor that a recurrent network has to beat.

Interpolated Witten-Bell smoothing (Witten & Bell 1991, doi:10.1109/18.87000, method C; Chen & Goodman 1999,
doi:10.1006/csla.1999.0128, sec. 2.5): with c the counts, h the n-1 symbols before, h' the last n-2 of them, and
T(h) the number of different symbols seen after h,

    p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h)),    p(w) from 1 / V
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
        p = np.full(self.vocabulary, 1 / self.vocabulary)
        h = 0
        for n, level in enumerate(self.levels[: len(context) + 1]):
            h += context[-n] * self.vocabulary ** (n - 1) if n else 0
            i = np.searchsorted(level.contexts, h)
            if i == len(level.contexts) or level.contexts[i] != h:
                break  # a longer context has not been seen either
            first, last = np.searchsorted(level.grams, [h * self.vocabulary, (h + 1) * self.vocabulary])
            counts = np.zeros(self.vocabulary)
            counts[level.grams[first:last] % self.vocabulary] = level.counts[first:last]
            p = (counts + level.types[i] * p) / (level.totals[i] + level.types[i])
        return p

    def stepper(self) -> Callable[[int], Tensor]:
        """A predictor for `rondo.search.sample`: takes the newest symbol, gives log-probabilities of the next."""
        context: list[int] = []

        def predict(symbol: int) -> Tensor:
            context.append(symbol)
            del context[: -self.order]
            return torch.from_numpy(np.log(self.distribution(context)))

        return predict


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
