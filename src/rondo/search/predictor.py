"""What every search needs: a predictor, and masks that say what may come.

state = predictor.start(rows)
scores, state = predictor.step(symbols, state)   # symbols [N] -> log p(next) [N, V]
state = predictor.select(state, index)           # row i of the new state is row index[i] of the old one
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

State = TypeVar("State")

Mask = Callable[[Tensor, Tensor], Tensor | None]
"""A mask: (prefixes [N, t], rows [N]) -> what may come next, booleans [N, V] (or [1, V], [V]); None allows everything.

`prefixes` holds the t symbols chosen so far, without the prime; `rows` says to which row of the request each belongs,
since rows that have ended are no longer asked about and a beam holds several prefixes of one row. Several masks hold
together (&). A mask must look ahead: a prefix that it allows must be one that can be continued, up to the length of the
search, else a search that follows it stops with a SearchError. It must not write into what it is given.
"""


class SearchError(ValueError):
    """A search that cannot be done as asked, or cannot go on."""


class Predictor(Protocol[State]):
    """A model as a search sees it. A state is anything; `step` and `select` may use up the one they are given."""

    def start(self, rows: int, /) -> State:
        """The state of `rows` rows before the first symbol."""
        ...

    def step(self, symbols: Tensor, state: State, /) -> tuple[Tensor, State]:
        """Reads a symbol in each row, [N], and gives the log-probabilities of the next one, [N, V]."""
        ...

    def select(self, state: State, index: Tensor, /) -> State:
        """The rows index [M] of a state: left out, repeated, in another order."""
        ...


def as_prime(prime: Tensor | Sequence[int]) -> Tensor:
    """What is read before the first choice, as [N, P]; a plain sequence of symbols is one row.

    Raises SearchError where it is empty: a predictor predicts only after it has read a symbol.
    """
    given = prime if isinstance(prime, Tensor) else torch.tensor(list(prime), dtype=torch.long).unsqueeze(0)
    if given.dim() != 2 or given.is_floating_point():
        kind = f"{given.dtype} {list(given.shape)}"
        raise SearchError(f"the prime must be integers [rows, symbols], found {kind}")
    if not given.numel():
        raise SearchError("a search needs at least one symbol to begin with, in every row: give a prime")
    return given.long()


def check_length(length: int) -> None:
    if length < 0:
        raise SearchError(f"the length must be 0 or more, found {length}")


def read(predictor: Predictor[State], prime: Tensor) -> tuple[Tensor, State]:
    """The log-probabilities [N, V] after a prime [N, P], and the state there."""
    state = predictor.start(len(prime))
    for symbols in prime.unbind(1):
        scores, state = predictor.step(symbols, state)
    return scores, state


def masked(scores: Tensor, prefixes: Tensor, rows: Tensor, masks: Sequence[Mask], banned: Sequence[int]) -> Tensor:
    """Log-probabilities [N, V] with -inf where a symbol may not come. What is left is not normalised again."""
    allowed: Tensor | None = None
    for mask in masks:
        found = mask(prefixes, rows)
        if found is not None:
            allowed = found if allowed is None else allowed & found
    if allowed is not None:
        if allowed.dtype is not torch.bool:
            raise SearchError(f"a mask gives booleans, True where a symbol is allowed; found {allowed.dtype}")
        scores = torch.where(allowed, scores, -torch.inf)
    if banned:
        scores = scores.index_fill(1, torch.tensor(list(banned), device=scores.device), -torch.inf)
    return scores


def check_choice(best: Tensor, rows: Tensor, step: int) -> None:
    """Raises SearchError where a row's highest score, of best [N], leaves nothing to choose."""
    stuck = ~(best > -torch.inf)  # NaN is caught too
    if not bool(stuck.any()):
        return
    n = int(stuck.nonzero()[0])
    if bool(best[n].isnan()):
        raise SearchError(f"row {int(rows[n])}, step {step}: the predictor gave NaN; check the model's weights")
    raise SearchError(
        f"row {int(rows[n])}, step {step}: no symbol is allowed; a mask must look ahead, "
        "so that whatever it allows can be continued"
    )
