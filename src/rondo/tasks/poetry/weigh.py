"""How likely each character of a poem was where it stands, and which others could stand there.

p(x<t> | x<1> ... x<t-1>, brief) is the generator's own, before masks and temperature. What could stand instead keeps
the tone pattern with the rest of its line, the rhyme, and is nowhere else in the poem.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.models.generator import Generator
from rondo.tasks.poetry.masks import SlotMask
from rondo.verse.books import Book

OTHERS = 3
LOOKED_AT = 40  # likeliest characters of a place among which the others are sought


@dataclass(frozen=True)
class Weight:
    """The probability of the character at a place, and the numbers of the likeliest others."""

    probability: float
    others: tuple[int, ...]


@torch.no_grad()
def weigh(
    model: Generator, begin: int, symbols: Tensor, told: Tensor, mask: SlotMask, free: Tensor
) -> list[list[Weight]]:
    """For each poem and place its weight.

    symbols  [N, T], poems as they were drawn, told [N, T, columns] their briefs, mask their rules
    free     [N, T], where a character was not asked for
    """
    x = torch.cat([torch.full((len(symbols), 1), begin), symbols[:, :-1]], 1)
    p = model(x, condition=told)[0].softmax(2)
    chosen = p.gather(2, symbols.unsqueeze(2)).squeeze(2)
    rows = torch.arange(len(symbols))
    places = []
    for t in range(symbols.shape[1]):
        allowed = mask(symbols[:, :t], rows)
        allowed.scatter_(1, symbols, False)  # none that the poem has
        places.append(torch.where(allowed, p[:, t], 0.0).topk(LOOKED_AT, 1))
    return [
        [
            Weight(float(chosen[n, t]), _others(places[t].values[n], places[t].indices[n]) if free[n, t] else ())
            for t in range(symbols.shape[1])
        ]
        for n in range(len(symbols))
    ]


def _others(values: Tensor, numbers: Tensor) -> tuple[int, ...]:
    return tuple(numbers[values > 0].tolist())


def keeping(others: Sequence[str], place: int, line: str, strings: frozenset[str] | None, sounds: Book) -> list[str]:
    """Those of the characters that, put at this place, leave the line in its pattern; a few of them."""
    tones = [sounds.tones(c) for c in line]

    def fit(char: str) -> bool:
        row = [*tones[:place], sounds.tones(char), *tones[place + 1 :]]
        return any(all(not t or c == "?" or c in t for t, c in zip(row, s, strict=True)) for s in strings or ())

    return list(itertools.islice((c for c in others if strings is None or fit(c)), OTHERS))
