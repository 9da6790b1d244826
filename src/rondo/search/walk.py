"""One choice after the other: what greedy search and sampling share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.search.predictor import Mask, Predictor, State, check_choice, masked, read
from rondo.search.results import Results

Choose = Callable[[Tensor, Tensor, int], Tensor]  # (log-probabilities [A, V], rows [A], step) -> symbols [A]


@dataclass(frozen=True)
class Choice:
    """One step: the symbols [N], and their log-probabilities [N]; a row that has ended repeats its end symbol, at 0."""

    symbols: Tensor
    log_probability: Tensor


@torch.no_grad()
def walk(
    predictor: Predictor[State],
    prime: Tensor,
    length: int,
    choose: Choose,
    end: int | None,
    masks: Sequence[Mask],
    banned: Sequence[int],
) -> Iterator[Choice]:
    """At most `length` choices after the prime [N, P]; stops when every row has ended.

    Rows that have ended leave the predictor's state: it is asked about the others alone.
    """
    if not length:
        return
    scores, state = read(predictor, prime)
    written = prime.new_empty(len(prime), length)
    ends = prime.new_full((len(prime),), 0 if end is None else end)
    rows = torch.arange(len(prime), device=prime.device)
    for t in range(length):
        whole = len(rows) == len(written)
        prefixes = written[:, :t] if whole else written[rows, :t]
        allowed = masked(scores, prefixes, rows, masks, banned)
        check_choice(allowed.amax(1), rows, t)
        chosen = choose(allowed, rows, t)
        gained = scores.gather(1, chosen.unsqueeze(1)).squeeze(1)
        choice = Choice(chosen, gained) if whole else _spread(chosen, gained, rows, ends)
        written[:, t] = choice.symbols
        yield choice
        if end is not None and bool((chosen == end).any()):
            going = (chosen != end).nonzero().squeeze(1)
            if not len(going):
                return
            rows, chosen, state = rows[going], chosen[going], predictor.select(state, going)
        if t + 1 < length:
            scores, state = predictor.step(chosen, state)


def _spread(chosen: Tensor, gained: Tensor, rows: Tensor, ends: Tensor) -> Choice:
    """What some rows have chosen, among `ends` [N] for the others."""
    return Choice(ends.index_copy(0, rows, chosen), gained.new_zeros(len(ends)).index_copy(0, rows, gained))


def collect(choices: Iterator[Choice], rows: int, end: int | None) -> Results:
    """All choices of a walk as results with one hypothesis a row."""
    found = list(choices)
    if found:
        symbols = torch.stack([c.symbols for c in found], 1)
        total = torch.stack([c.log_probability for c in found], 1).double().sum(1, keepdim=True)
    else:
        symbols, total = torch.zeros(rows, 0, dtype=torch.long), torch.zeros(rows, 1, dtype=torch.float64)
    ended = symbols == end if end is not None else torch.zeros_like(symbols, dtype=torch.bool)
    lengths = (~ended).sum(1, keepdim=True)
    return Results(symbols.unsqueeze(1), lengths, ended.any(1, keepdim=True), total, total)
