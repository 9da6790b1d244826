"""Sampling: symbols drawn from the model's distribution, sharpened or cut."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rondo.search.predictor import Mask, Predictor, SearchError, State, as_prime, check_length
from rondo.search.results import Results
from rondo.search.walk import Choice, collect, walk

BLOCK = 64  # steps for which a row's random numbers are drawn at once
NUCLEUS = 512  # symbols that are looked at first in search of a nucleus; sorting all of them is slow


def sample(
    predictor: Predictor[State],
    prime: Tensor | Sequence[int],
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | Sequence[int] = 0,
    end: int | None = None,
    masks: Sequence[Mask] = (),
    banned: Sequence[int] = (),
) -> Results:
    """x<t> drawn with probability p(x<t> | prime, x<1> ... x<t-1>) ** (1 / temperature), normalised.

    prime        symbols [N, P] that are read first, or one row as a plain sequence; at least one symbol
    length       the most symbols to draw; a row that has drawn `end` stops there
    temperature  0 takes the most probable symbol
    top_k        only the k most probable symbols (0: all), and those as probable as the k-th
    top_p        only the nucleus: the fewest most probable symbols that hold this share of what is left after
                 temperature and top_k (Holtzman et al. 2020, arXiv:1904.09751, sec. 3.1), and those as probable as
                 the last of them
    seed         one number, from which a seed for each row is made (`row_seeds`), or a list of one for each row. Each
                 row draws from a stream of its own: it does not matter what other rows stand beside it, up to the
                 rounding of the model itself
    masks        see `rondo.search.predictor.Mask`; banned: symbols that are never drawn. Masks come first: what they
                 leave is then sharpened, cut and normalised

    Raises SearchError for a setting out of range, and where nothing is allowed, naming row and step.
    """
    given = as_prime(prime)
    draws = Draws(temperature, top_k, top_p, row_seeds(seed, len(given)))
    return collect(_choices(predictor, given, length, draws, end, masks, banned), len(given), end)


def stream(
    predictor: Predictor[State],
    prime: Tensor | Sequence[int],
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | Sequence[int] = 0,
    end: int | None = None,
    masks: Sequence[Mask] = (),
    banned: Sequence[int] = (),
) -> Iterator[Tensor]:
    """The same, as it comes: the symbols [N] of one step after another; a row that has ended repeats `end`."""
    given = as_prime(prime)
    draws = Draws(temperature, top_k, top_p, row_seeds(seed, len(given)))
    return (choice.symbols for choice in _choices(predictor, given, length, draws, end, masks, banned))


def _choices(
    predictor: Predictor[State],
    prime: Tensor,
    length: int,
    draws: Draws,
    end: int | None,
    masks: Sequence[Mask],
    banned: Sequence[int],
) -> Iterator[Choice]:
    check_length(length)
    return walk(predictor, prime, length, draws, end, masks, banned)


def row_seeds(seed: int | Sequence[int], rows: int) -> list[int]:
    """A seed for each row; those that one number makes begin alike, however many rows there are."""
    if isinstance(seed, int):
        numbers = random.Random(seed)
        return [numbers.getrandbits(63) for _ in range(rows)]
    if len(seed) != rows:
        raise SearchError(f"there are {len(seed)} seeds for {rows} rows: give one number, or one for each row")
    return list(seed)


class Draws:
    """Chooses for a walk: a random number of each row's own at each step, and the symbol it falls on."""

    def __init__(self, temperature: float, top_k: int, top_p: float, seeds: Sequence[int]) -> None:
        if not 0 <= temperature < float("inf"):
            raise SearchError(f"the temperature must be 0 or more, found {temperature}")
        if top_k < 0:
            raise SearchError(f"top_k must be 0 (all symbols) or more, found {top_k}")
        if not 0 < top_p <= 1:
            raise SearchError(f"top_p must lie in (0, 1], found {top_p}")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, scores: Tensor, rows: Tensor, step: int) -> Tensor:
        """Symbols [A] from the log-probabilities [A, V] of these rows."""
        if self.temperature == 0:
            return scores.argmax(1)
        if step % BLOCK == 0:
            drawn = [torch.rand(BLOCK, generator=g, dtype=torch.float64) for g in self._generators]
            self._numbers = torch.stack(drawn).to(scores.device)
        numbers = self._numbers[rows, step % BLOCK]
        return pick(weights(scores, self.temperature, self.top_k, self.top_p), numbers)


def weights(scores: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """What is drawn from, not normalised: float64 [A, V], from log-probabilities [A, V]; the greatest weight is 1."""
    if 0 < top_k < scores.shape[1]:
        scores = torch.where(scores >= scores.topk(top_k).values[:, -1:], scores, -torch.inf)
    # in float64, from the highest score: a small temperature must not overflow
    w = ((scores.double() - scores.amax(1, keepdim=True)) / temperature).exp_()
    return torch.where(w >= nucleus(w, top_p), w, 0.0) if top_p < 1 else w


def distribution(scores: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """The same normalised: the probability [A, V] of each symbol to be drawn. At temperature 0 all of it is the most
    probable symbol's."""
    if temperature == 0:
        return torch.zeros_like(scores, dtype=torch.float64).scatter_(1, scores.argmax(1, keepdim=True), 1.0)
    w = weights(scores, temperature, top_k, top_p)
    return w / w.sum(1, keepdim=True)


def nucleus(w: Tensor, share: float) -> Tensor:
    """The least weight [A, 1] among the fewest greatest weights that hold this share of each row of w [A, V]."""
    wanted = share * w.sum(1, keepdim=True)
    top = _greatest(w, min(NUCLEUS, w.shape[1]))
    if bool((top.sum(1, keepdim=True) < wanted).any()):
        top = _greatest(w, w.shape[1])
    before = top.cumsum(1)[:, :-1]
    return top.gather(1, (before < wanted).sum(1, keepdim=True))


def _greatest(w: Tensor, count: int) -> Tensor:
    """The `count` greatest weights of each row [A, count], in descending order."""
    if w.device.type != "cpu":
        return w.topk(count).values
    # numpy takes a fifth of the time of torch's topk here
    last = np.partition(w.detach().numpy(), w.shape[1] - count, axis=1)[:, w.shape[1] - count :]
    return torch.from_numpy(np.sort(last, axis=1)[:, ::-1].copy())


def pick(w: Tensor, numbers: Tensor) -> Tensor:
    """The symbol [A] on which a number in [0, 1) falls, where symbols lie side by side as wide as w [A, V] says."""
    edges = w.cumsum(1)
    # a number is a multiple of 2**-53 below 1, so its product with the total does not round up to the total
    return torch.searchsorted(edges, numbers.unsqueeze(1) * edges[:, -1:], right=True).squeeze(1)
