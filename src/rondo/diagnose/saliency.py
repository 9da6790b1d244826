"""Saliency: which inputs a chosen output depends on.

For a score S and the vector x<t> that the network reads at step t (an embedding, or a one-hot vector): the norm of
dS/dx<t> (Simonyan et al. 2014, arXiv:1312.6034, sec. 3; for text Li et al. 2016, arXiv:1506.01066, sec. 5) and the
gradient times the input, dS/dx<t> . x<t>, which for a linear model are exact shares of S.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, Call, array, reading
from rondo.rnn import RNN


@dataclass(frozen=True)
class Saliency:
    """norm [B, T] of dS/dx<t>, and product [B, T] of it with x<t>; signed: what raises S is positive."""

    norm: Array
    product: Array


def saliency(rnn: RNN, score: Call) -> Saliency:
    """The saliency of every input of the network.

    `score()` runs the model and returns S, summed over rows or one number a row: a log-probability, say. Raises
    DiagnoseError where the network is not called exactly once, or S does not depend on it.
    """
    with torch.enable_grad(), reading(rnn) as vectors:
        total = score()
    if len(vectors) != 1:
        raise DiagnoseError(f"the network is called {len(vectors)} times: pass a score that calls it once")
    if not isinstance(total, torch.Tensor) or not total.requires_grad:
        raise DiagnoseError("the score must be a tensor that depends on the network's output")
    (x,) = vectors
    (gradient,) = torch.autograd.grad(total.sum(), [x])
    return Saliency(array(gradient.norm(dim=2)), array((gradient * x).sum(2)))
