"""The network that reads pixels: four convolutions see each frame, a recurrence sees how they follow.

    e<t> = relu(W pooled(conv_4(... conv_1(frame<t>))) + b),    h = RNN(e),    scores<t> = V h<t> + c

Scores of a part are the mean of its frames' scores, so each frame has its own and they add up to the whole.
(Donahue et al. 2015, arXiv:1411.4389, sec. 3, with a small network of our own in place of theirs.)
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.body import arguments
from rondo.models.classifier import Classifier
from rondo.models.loss import Loss
from rondo.states import States
from rondo.tasks.video.pixels import PLANES, SIZE

GROWTH = (1, 2, 3, 4)  # maps of the four convolutions, in units of the first


class PixelModel(nn.Module):
    """Frames into `classes`, with any cell.

    maps       of the first convolution
    embed      numbers that a frame becomes
    smoothing  label smoothing
    options    RNN's other arguments
    """

    shape = "pixels"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        classes: int,
        hidden: int,
        layers: int = 1,
        maps: int = 16,
        embed: int = 96,
        bidirectional: bool = True,
        smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        sizes = [PLANES, *(maps * k for k in GROWTH)]
        self.eyes = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in itertools.pairwise(sizes)
        )
        self.embed = nn.Linear(sizes[-1] * (SIZE // 16) ** 2, embed)
        self.classifier = Classifier(
            cell,
            embed,
            classes,
            hidden,
            layers,
            bidirectional=bidirectional,
            pooling="mean",
            smoothing=smoothing,
            **options,
        )
        self.cell = self.classifier.cell

    def see(self, x: Tensor) -> Tensor:
        """Frames [..., 2, 64, 64] as vectors [..., embed]."""
        z = x.reshape(-1, *x.shape[-3:])
        for layer in self.eyes:
            z = layer(z).relu()
        e: Tensor = self.embed(z.flatten(1)).relu()
        return e.view(*x.shape[:-3], -1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """x [B, T, 2, 64, 64], lengths [B] to scores [B, classes]."""
        scores: Tensor = self.classifier(self.see(x), lengths)
        return scores

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """The loss of batch.y [B] classes; `count` is rows."""
        return self.classifier.loss(Batch(self.see(batch.x), batch.y, batch.lengths))

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [B, classes]. Call eval() first."""
        p: Tensor = self(x, lengths).softmax(-1)
        return p


SHAPES = (PixelModel,)
