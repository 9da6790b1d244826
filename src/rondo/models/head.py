"""Heads: what stands between a network's outputs and its loss.

    Softmax   one of n symbols     p = softmax(W h + b),    L = -log p[y]
    Sigmoid   several of n labels  p_k = sigmoid(w_k h + b_k),    L = -sum_k y_k log p_k + (1 - y_k) log(1 - p_k)
    Linear    n numbers            z = W h + b,    L = |z - y|^2

Each has `scores(h)`, h [..., width] -> [..., n], and `loss(h, y)`: the sum over the positions that count, and how many
they are. A position whose y is IGNORED does not count. Half precision and autocast compute in float32, as in an RNN.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.data.batch import IGNORED
from rondo.inputs import computing_dtype, full_precision
from rondo.models import softmax


class Softmax(nn.Module):
    """One of `symbols` symbols: softmax cross-entropy in nats, made in pieces (`rondo.models.softmax`).

    smoothing  label smoothing of the loss while training (Szegedy et al. 2016, arXiv:1512.00567, sec. 7); in
               evaluation the loss is the plain one
    tied       an embedding whose weight [symbols, E] is also the map to the scores (Press & Wolf 2017,
               arXiv:1608.05859; Inan et al. 2017, arXiv:1611.01462); the head then owns the bias alone and, where
               width is not E, a matrix without bias from width to E. The weight stays the embedding's: it is in the
               model's parameters and state once, under the embedding's name
    Raises ValueError where the embedding does not have `symbols` rows, or smoothing is not in [0, 1).
    """

    def __init__(self, width: int, symbols: int, *, smoothing: float = 0.0, tied: nn.Embedding | None = None) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing is the weight of the other symbols, from 0 to below 1, found {smoothing}")
        if tied is not None and tied.num_embeddings != symbols:
            raise ValueError(
                f"the tied embedding has {tied.num_embeddings} symbols, the head {symbols}: make them equal"
            )
        self.width, self.symbols, self.smoothing = width, symbols, smoothing
        self._tied = (tied,) if tied is not None else ()  # in a tuple: not a part of this module
        if tied is None:
            self.weight, self.bias = _affine(width, symbols)
        else:
            self.bias = nn.Parameter(torch.zeros(symbols))
        self.projection = _projection(width, width if tied is None else tied.embedding_dim)

    def scores(self, h: Tensor) -> Tensor:
        """h [..., width] -> [..., symbols], before the softmax."""
        with full_precision(h):
            return functional.linear(*self._operands(h))

    def log_probabilities(self, h: Tensor) -> Tensor:
        """h [..., width] -> log p [..., symbols]."""
        return self.scores(h).log_softmax(-1)

    def loss(self, h: Tensor, y: Tensor) -> tuple[Tensor, int]:
        """The cross-entropy at the symbols y [...] of h [..., width], summed; how many counted. Raises ValueError."""
        _check(h, y)
        if h.dim() == 3 and not h.is_contiguous():  # an RNN's outputs lie time first: so no copy of them is made
            h, y = h.transpose(0, 1), y.transpose(0, 1)
        smoothing = self.smoothing if self.training else 0.0
        with full_precision(h):
            h, weight, bias = self._operands(h)
            return softmax.cross_entropy(h.reshape(-1, h.shape[-1]), weight, bias, y.reshape(-1), smoothing)

    def nats(self, h: Tensor, y: Tensor) -> Tensor:
        """-log p[y] at each position, shape of y, 0 where y is IGNORED; carries no gradient. Raises ValueError."""
        _check(h, y)
        with torch.no_grad(), full_precision(h):
            h, weight, bias = self._operands(h)
            return softmax.nats(h.reshape(-1, h.shape[-1]), weight, bias, y.reshape(-1)).view(y.shape)

    def _operands(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """h brought to the width of the weight, weight and bias, in the computing dtype."""
        weight = self._tied[0].weight if self._tied else self.weight
        h = _cast(h, weight)
        if self.projection is not None:
            h = functional.linear(h, self.projection.weight.to(h.dtype))
        return h, weight.to(h.dtype), self.bias.to(h.dtype)

    def extra_repr(self) -> str:
        return f"width={self.width}, symbols={self.symbols}, tied={bool(self._tied)}, smoothing={self.smoothing}"


class Sigmoid(nn.Module):
    """Any number of `outputs` labels: binary cross-entropies in nats, summed over the labels of a position."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = _affine(width, outputs)

    def scores(self, h: Tensor) -> Tensor:
        """h [..., width] -> [..., outputs], before the sigmoid."""
        return _map(h, self.weight, self.bias)

    def loss(self, h: Tensor, y: Tensor) -> tuple[Tensor, int]:
        """The sum over positions and labels, and how many positions (not labels) counted.

        y [..., outputs] of 0 and 1, or what lies between; IGNORED where a label is not known, at every label of a
        position where it does not count. Raises ValueError where y does not have the scores' shape.
        """
        h, y = _counted(h, y, len(self.bias))
        scores, known = self.scores(h), y != IGNORED
        nats = functional.binary_cross_entropy_with_logits(scores, y.where(known, 0).to(scores.dtype), reduction="none")
        return nats.where(known, 0).sum(), len(y)


class Linear(nn.Module):
    """`outputs` numbers: squared errors, summed over the numbers of a position."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.weight, self.bias = _affine(width, outputs)

    def scores(self, h: Tensor) -> Tensor:
        """h [..., width] -> the numbers [..., outputs]."""
        return _map(h, self.weight, self.bias)

    def loss(self, h: Tensor, y: Tensor) -> tuple[Tensor, int]:
        """The sum of squared errors, without a factor 1/2, and how many positions (not numbers) counted.

        y [..., outputs]; IGNORED in every number of a position leaves it out (scale targets that reach -100).
        Raises ValueError where y does not have the scores' shape.
        """
        h, y = _counted(h, y, len(self.bias))
        scores = self.scores(h)
        return functional.mse_loss(scores, y.to(scores.dtype), reduction="sum"), len(y)


def _affine(width: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight [outputs, width] and bias [outputs], drawn as torch.nn.Linear draws them."""
    linear = nn.Linear(width, outputs)
    return linear.weight, linear.bias  # type: ignore[return-value]


def _projection(width: int, wanted: int) -> nn.Linear | None:
    return None if width == wanted else nn.Linear(width, wanted, bias=False)


def _cast(h: Tensor, weight: Tensor) -> Tensor:
    return h.to(computing_dtype(h, weight))


def _map(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    with full_precision(h):
        h = _cast(h, weight)
        return functional.linear(h, weight.to(h.dtype), bias.to(h.dtype))


def _check(h: Tensor, y: Tensor) -> None:
    if y.shape != h.shape[:-1]:
        raise ValueError(f"y must be {list(h.shape[:-1])}, a symbol for each position of h, found {list(y.shape)}")


def _counted(h: Tensor, y: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
    """h [N, width] and y [N, outputs] at the positions that count."""
    if y.shape != (*h.shape[:-1], outputs):
        raise ValueError(f"y must be {[*h.shape[:-1], outputs]}, a target for each score, found {list(y.shape)}")
    counts = (y != IGNORED).any(-1)
    return h[counts], y[counts]
