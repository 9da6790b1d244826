"""Sampling, looked into: what the model says at each step, what temperature and cuts make of it, what is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.search.predictor import Predictor, SearchError, State, as_prime, check_choice, check_length, masked
from rondo.search.sample import Draws, distribution, row_seeds, weights
from rondo.search.walk import walk

CUTS = ("", "banned", "temperature", "top_k", "top_p")  # what takes a symbol away; temperature does where it underflows


@dataclass(frozen=True)
class Step:
    """One draw of one row."""

    symbol: int
    model: Tensor  # p(x<t> | all before), float64 [V]: what the model says
    left: Tensor  # the distribution that the symbol is drawn from, float64 [V]
    cut: Tensor  # [V], an index into CUTS: what comes first of those that leave nothing of a symbol

    def likeliest(self, count: int) -> list[int]:
        """The symbols that the model holds most probable, the greatest first; the chosen one is always among them."""
        found: list[int] = self.model.topk(min(count, len(self.model))).indices.tolist()
        return found if self.symbol in found else [*found, self.symbol]

    @property
    def bits(self) -> float:
        """How surprising the chosen symbol is to the model: -log2 p(x<t>)."""
        return -float(self.model[self.symbol].log2())

    @property
    def rank(self) -> int:
        """The place of the chosen symbol in the model's order, from 1."""
        return int((self.model > self.model[self.symbol]).sum()) + 1

    @property
    def kept(self) -> int:
        """How many symbols could be drawn."""
        return int((self.left > 0).sum())

    @property
    def share(self) -> float:
        """What the model gives to those, of 1."""
        return float(self.model[self.left > 0].sum())


def steps(
    predictor: Predictor[State],
    prime: Sequence[int],
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    banned: Sequence[int] = (),
    taken: Mapping[int, int] | None = None,
) -> Iterator[Step]:
    """`rondo.search.sample.stream` of one row, step by step: the same symbols for the same seed.

    taken  step -> the symbol that is taken there, whatever would be drawn. The random numbers of the other steps stay
           what they are, and so do the symbols before the first of these.

    Raises SearchError as `sample` does, and for a symbol that there is not.
    """
    given = as_prime(prime)
    choose = _Watched(Draws(temperature, top_k, top_p, row_seeds(seed, len(given))), banned, taken or {})
    check_length(length)
    return (choose.seen(int(c.symbols[0])) for c in walk(predictor, given, length, choose, None, (), ()))


class _Watched:
    """Chooses as `draws` does, or what is taken, and remembers what it has chosen from."""

    def __init__(self, draws: Draws, banned: Sequence[int], taken: Mapping[int, int]) -> None:
        self.draws, self.banned, self.taken = draws, banned, taken

    def __call__(self, scores: Tensor, rows: Tensor, step: int) -> Tensor:
        self.scores, self.allowed = scores, masked(scores, scores[:, :0], rows, (), self.banned)
        check_choice(self.allowed.amax(1), rows, step)
        drawn = self.draws(self.allowed, rows, step)  # also where one is taken: the next numbers stay the same
        symbol = self.taken.get(step, int(drawn[0]))
        if not 0 <= symbol < scores.shape[1]:
            raise SearchError(f"step {step}: there is no symbol {symbol}, there are {scores.shape[1]}")
        return drawn.new_tensor([symbol])

    def seen(self, symbol: int) -> Step:
        d = self.draws
        left = distribution(self.allowed, d.temperature, d.top_k, d.top_p)[0]
        ways = [self.allowed == -torch.inf, distribution(self.allowed, d.temperature) == 0]
        if d.temperature:
            ways.append(weights(self.allowed, d.temperature, d.top_k) == 0)
        cut = torch.where(left == 0, 4, 0)
        for kind, gone in reversed(list(enumerate(ways, 1))):
            cut = torch.where(gone[0], kind, cut)
        return Step(symbol, self.scores[0].double().exp(), left, cut)
