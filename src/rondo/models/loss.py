"""Loss: what a model's `loss(batch, state)` returns, and what `rondo.train.fit` adds up."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rondo.states import States


@dataclass(frozen=True)
class Loss:
    """Sums, not means: pieces of a window, rows of a batch and ranks of a group add up, whatever their lengths.

    total  the scalar that is minimised, summed over everything counted; penalties included
    nats   the loss alone, as it is reported; carries no gradient
    count  symbols (or sequences) counted
    state  what the next batch of the same streams begins with; None where nothing is carried
    """

    total: Tensor
    nats: Tensor
    count: int
    state: States | None = None
