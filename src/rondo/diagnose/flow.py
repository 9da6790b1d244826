"""Gradient flow: how much of dL/ds<t> is left at each distance from the loss.

    dL/ds<t> = dL/ds<T> J<T> J<T-1> ... J<t+1>,    J<t> = ds<t>/ds<t-1>

(Hochreiter et al. 2001, "Gradient flow in recurrent nets"; Pascanu et al. 2013, arXiv:1211.5063, eq. 5). In a deep
network a lower layer's gradient also has the paths through the layers above; and where one new state is made of another
(h = o * tanh(c)), dL/dc has the path through h, as in the equations of backpropagation through time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, Call, array, probing, scanning
from rondo.rnn import RNN


@dataclass(frozen=True)
class Flow:
    """Euclidean norms of dL/ds<t>: {"l0.h": [B, K]}, column k at distance k from the step `at` of the loss."""

    norms: dict[str, Array]
    at: int

    def mean(self, name: str) -> Array:
        """The mean norm over rows, by distance [K]."""
        mean: Array = self.norms[name].mean(0)
        return mean

    def median(self, name: str) -> Array:
        """The median norm over rows, by distance [K]."""
        median: Array = np.median(self.norms[name], 0)
        return median

    def log10(self, name: str, quantile: float = 0.5) -> Array:
        """log10 of a quantile over rows of the norm, by distance [K]; -inf where it is zero."""
        return log10(np.quantile(self.norms[name], quantile, 0))


def log10(v: Array) -> Array:
    """The decimal logarithm, -inf at zero without a warning."""
    with np.errstate(divide="ignore"):
        logs: Array = np.log10(v)
    return logs


def gradient_flow(rnn: RNN, loss: Call, at: int = -1) -> Flow:
    """Norms of the gradient of every layer's every state.

    `loss()` runs the model and returns the loss of step `at`, summed over rows or one number a row; rows must not
    depend on each other. Distances of a forward layer count back from `at`, of a reverse layer ahead of it.
    Raises DiagnoseError where the loss is no number, or does not depend on the network.
    """
    probes: dict[str, torch.Tensor] = {}
    with torch.enable_grad(), scanning(rnn, probing(probes)):
        total = loss()
    if not isinstance(total, torch.Tensor) or not total.requires_grad:
        raise DiagnoseError("the loss must be a tensor that depends on the network's output")
    gradients = torch.autograd.grad(total.sum(), list(probes.values()), allow_unused=True, materialize_grads=True)
    norms = {name: array(g.norm(dim=2)) for name, g in zip(probes, gradients, strict=True)}
    steps = next(iter(norms.values())).shape[1]
    if not -steps <= at < steps:
        raise DiagnoseError(f"the loss stands at step {at} of {steps}: count from 0, or back from -1")
    own = at % steps
    return Flow({n: v[:, own:] if "reverse" in n else v[:, own::-1] for n, v in norms.items()}, own)
