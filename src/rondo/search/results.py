"""What a search has found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Results:
    """K hypotheses for each of N rows, the best first; sampling and greedy search give K = 1.

    symbols          [N, K, L] what was chosen; the prime is not repeated. Past a hypothesis' length: the end symbol
    lengths          [N, K] symbols, the end symbol not counted
    finished         [N, K] bool: ended by the end symbol, not cut at the longest length
    log_probability  [N, K] float64, of the symbols and the end symbol after the prime, as the model has it: neither
                     temperature nor masks change it. -inf where a row has fewer than K hypotheses
    score            [N, K] float64, by which they are ranked: the log-probability over the length penalty
    """

    symbols: Tensor
    lengths: Tensor
    finished: Tensor
    log_probability: Tensor
    score: Tensor

    def sequences(self) -> list[list[list[int]]]:
        """For each row its hypotheses, the best first, as plain lists of symbols without the end symbol."""
        rows = zip(self.symbols.tolist(), self.lengths.tolist(), self.log_probability.tolist(), strict=True)
        return [[s[:n] for s, n, p in zip(*row, strict=True) if p > float("-inf")] for row in rows]

    def best(self) -> list[list[int]]:
        """Each row's best hypothesis as a list of symbols without the end symbol."""
        return [row[0] for row in self.sequences()]
