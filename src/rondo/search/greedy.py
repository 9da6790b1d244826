"""Greedy search: the most probable symbol, again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from rondo.search.predictor import Mask, Predictor, State, as_prime, check_length
from rondo.search.results import Results
from rondo.search.walk import Choice, collect, walk


def greedy(
    predictor: Predictor[State],
    prime: Tensor | Sequence[int],
    length: int,
    *,
    end: int | None = None,
    masks: Sequence[Mask] = (),
    banned: Sequence[int] = (),
) -> Results:
    """x<t> = argmax p(x<t> | prime, x<1> ... x<t-1>), among what is allowed.

    prime   symbols [N, P] that are read first, or one row as a plain sequence; at least one symbol
    length  the most symbols to choose; a row that has chosen `end` stops there
    masks   see `rondo.search.predictor.Mask`; banned: symbols that are never chosen

    Raises SearchError where nothing is allowed, naming row and step.
    """
    given = as_prime(prime)
    return collect(_choices(predictor, given, length, end, masks, banned), len(given), end)


def stream(
    predictor: Predictor[State],
    prime: Tensor | Sequence[int],
    length: int,
    *,
    end: int | None = None,
    masks: Sequence[Mask] = (),
    banned: Sequence[int] = (),
) -> Iterator[Tensor]:
    """The same, as it comes: the symbols [N] of one step after another; a row that has ended repeats `end`."""
    choices = _choices(predictor, as_prime(prime), length, end, masks, banned)
    return (choice.symbols for choice in choices)


def _choices(
    predictor: Predictor[State],
    prime: Tensor,
    length: int,
    end: int | None,
    masks: Sequence[Mask],
    banned: Sequence[int],
) -> Iterator[Choice]:
    check_length(length)
    return walk(predictor, prime, length, lambda scores, rows, step: scores.argmax(1), end, masks, banned)
