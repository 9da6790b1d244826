"""Sampling: one symbol at a time, each fed back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Predictor = Callable[[int], Tensor]  # takes the newest symbol, gives the log-probabilities [V] of the next one


def sample(
    predict: Predictor, prime: Sequence[int], temperature: float, seed: int, banned: Sequence[int] = ()
) -> Iterator[int]:
    """Symbols without end: the prime is read, then p(next) ** (1 / temperature) is drawn from again and again.

    Temperature 0 takes the most probable symbol. `banned` symbols are never drawn.
    """
    if not prime:
        raise ValueError("sampling needs at least one symbol to begin with")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"the temperature must be 0 or more, found {temperature}")
    generator = torch.Generator().manual_seed(seed)
    for symbol in prime:
        scores = predict(symbol)
    while True:
        symbol = draw(scores, temperature, generator, banned)
        yield symbol
        scores = predict(symbol)


def draw(scores: Tensor, temperature: float, generator: torch.Generator, banned: Sequence[int] = ()) -> int:
    """One symbol from its log-probabilities."""
    scores = scores.clone()
    scores[list(banned)] = -torch.inf
    if temperature == 0:
        return int(scores.argmax())
    # in float64, from the highest score: a small temperature must not overflow
    weights = ((scores.double() - scores.max()) / temperature).exp()
    return int(torch.multinomial(weights, 1, generator=generator))
