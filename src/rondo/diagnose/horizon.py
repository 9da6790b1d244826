"""Memory horizon: how far back the past still moves the output, by gradient and by loss.

By loss, a language model reads only the last k symbols before the one it is asked for, from the initial state
(Khandelwal et al. 2018, arXiv:1805.04623: the effective context length).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.flow import Flow
from rondo.diagnose.inside import Array, array

SHARES = {"1 %": 0.01, "1/e": 1 / math.e}


def horizon(norms: Array, share: float = 0.01) -> int | None:
    """The first distance from which on the norm stays under `share` of that at distance 0; None where it never does.

    norms [K] by distance. A gradient that is zero at distance 0 has no horizon.
    """
    above = np.flatnonzero(norms >= share * norms[0]) if norms[0] > 0 else np.arange(len(norms))
    first = int(above[-1]) + 1
    return first if first < len(norms) else None


def horizons(flow: Flow, share: float = 0.01) -> dict[str, int | None]:
    """The horizon of every state's median gradient norm."""
    return {name: horizon(flow.median(name), share) for name in flow.norms}


@dataclass(frozen=True)
class Contexts:
    """Loss by context.

    lengths  [C] symbols of context, ascending
    loss     [C] mean nats
    error    [C] standard error of the mean difference to the longest context (zero there)
    """

    lengths: tuple[int, ...]
    loss: Array
    error: Array

    def effective(self, tolerance: float = 0.01) -> int:
        """The shortest context from which on the loss stays within `tolerance` nats of that with the longest."""
        beyond = np.flatnonzero(self.loss > self.loss[-1] + tolerance)
        return self.lengths[int(beyond[-1]) + 1] if len(beyond) else self.lengths[0]


def loss_by_context(loss: Callable[[Tensor], Tensor], x: Tensor, lengths: Sequence[int]) -> Contexts:
    """The loss of what follows x [N, T] when only the last k symbols are read, for each k of `lengths`.

    `loss(x[:, -k:])` returns one number a row, or one a group of rows of equal size, in nats.
    """
    wanted = sorted(set(lengths))
    if not wanted or not 1 <= wanted[0] <= wanted[-1] <= x.shape[1]:
        raise DiagnoseError(f"contexts lie between 1 and {x.shape[1]} symbols, found {list(lengths)}")
    with torch.no_grad():
        losses = np.stack([array(loss(x[:, -k:])) for k in wanted])
    away = losses - losses[-1]
    spread = away.std(1, ddof=1) if losses.shape[1] > 1 else np.full(len(wanted), np.nan)
    return Contexts(tuple(wanted), losses.mean(1), spread / math.sqrt(losses.shape[1]))


def doubling(longest: int) -> list[int]:
    """1, 2, 4, ... and the longest itself."""
    return [*(1 << k for k in range(longest.bit_length()) if 1 << k < longest), longest]
