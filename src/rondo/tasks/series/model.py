"""The network that continues series: a recurrence reads the last steps, a head says the quantiles of every step ahead.

A window of C steps ends at the origin T. With z the transformed series, b<k> the base of step T + k (the last value,
the value a season ago, or that with the mean change from season to season), and s the mean |z<t> - z<t-1>| in it:

    x<t> = [(z<t> - z<T>) / s, (z<t> - z<t-m>) / s, (z<t-l> - z<T>) / s for each lag l, sin and cos of the season]
    h = RNN(x<T-C+1>, ..., x<T>),    [c, d] = W h<T> + v
    q_k(p) = b<k> + s (c_k + sum of softplus(d_kj) from the median outwards)

Quantiles never cross. The loss is the pinball loss of all quantiles and steps (Koenker & Bassett 1978, eq. 3.1; direct
heads for every horizon: Wen et al. 2017, arXiv:1711.11053), divided by s: it does not know how large the series is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.body import Body, arguments
from rondo.models.loss import Loss
from rondo.states import States

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
MEDIAN = QUANTILES.index(0.5)
START = -1.5  # of the widths' biases before training: intervals begin narrow, not at nothing


class Forecaster(nn.Module):
    """Windows [B, C, input] to quantiles [B, horizon, 7] as corrections of the base, in units of the scale.

    input    columns of x; horizon: steps ahead
    options  RNN's other arguments
    """

    shape = "forecaster"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int,
        hidden: int,
        horizon: int,
        layers: int = 1,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments, self.horizon = given, horizon
        self.body = Body(cell, input, hidden, layers, **options)
        self.cell = self.body.rnn.cell
        self.head = nn.Linear(hidden, horizon * len(QUANTILES))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(torch.full((horizon, len(QUANTILES)), START).flatten())
            self.head.bias.view(horizon, -1)[:, MEDIAN] = 0

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, input] to corrections [B, horizon, 7], rising along the last axis."""
        h, _ = self.body(x)
        raw = self.head(h[:, -1]).view(len(x), self.horizon, len(QUANTILES))
        middle, widths = raw[..., MEDIAN : MEDIAN + 1], functional.softplus(raw)
        below = middle - widths[..., :MEDIAN].flip(-1).cumsum(-1).flip(-1)
        above = middle + widths[..., MEDIAN + 1 :].cumsum(-1)
        return torch.cat([below, middle, above], -1)

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """batch.y [B, horizon]: (z<T+k> - b<k>) / s. `count` is steps ahead, the loss summed over quantiles."""
        total = pinball(self(batch.x), batch.labels).sum()
        return Loss(total, total.detach(), batch.labels.numel())


def pinball(quantiles: Tensor, y: Tensor) -> Tensor:
    """max(p e, (p - 1) e) with e = y - q, summed over p: quantiles [..., 7], y [...] to [...]."""
    p = torch.tensor(QUANTILES, dtype=quantiles.dtype, device=quantiles.device)
    error = y.unsqueeze(-1) - quantiles
    return torch.maximum(p * error, (p - 1) * error).sum(-1)


SHAPES = (Forecaster,)
