"""The network that tells promoters: what is found where, along which strand.

    z = max-pooled convolutions of the sequence                                                        [T', channels]
    h = BiRNN(z + P[place from the start] + Q[place from the end]),    p(x) = sigmoid(W max_t h<t> + b)    of each task
    p(x or r x) = 1 - (1 - p(x)) (1 - p(r x)),    loss = -log p(y | x) - log(1 - p(r x))

with r the reverse complement. A promoter is read along one strand and lies at a place of its window (-10 and -35 boxes
of bacteria, a TATA box 30 bases before the start), so the network is told the place, and learns that there is none
along the other strand of what it is shown. What it says of a window, on whichever strand, is the same to the last bit
for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.models.body import Body, arguments
from rondo.models.head import Sigmoid
from rondo.models.loss import Loss
from rondo.models.pooling import Pooling
from rondo.models.stem import Stem
from rondo.states import States

PLACES = 64  # after pooling, told apart; those further on are as the last


class PromoterModel(nn.Module):
    """p(promoter of a kind along a strand | sequence) for several kinds, with any cell.

    stem     layers of convolution (`rondo.models.stem`), the last of which pools
    options  RNN's other arguments
    """

    shape = "promoters"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        tasks: int,
        hidden: int,
        layers: int = 1,
        stem: Sequence[Mapping[str, int]] = (),
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        self.stem = Stem(4, stem)
        width = self.stem.output_size
        self.from_start, self.from_end = nn.Embedding(PLACES, width), nn.Embedding(PLACES, width)
        for table in (self.from_start, self.from_end):
            nn.init.normal_(table.weight, std=0.1)
        self.body = Body(cell, width, hidden, layers, bidirectional=True, **options)
        self.cell = self.body.rnn.cell
        self.pooling = Pooling("max", self.body.rnn.output_size, True)
        self.head = Sigmoid(self.body.rnn.output_size, tasks)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The log odds [2, B, tasks] along the strand x [B, T, 4] with lengths [B], and along the other."""
        return along_both(self._read, x, lengths)

    def _read(self, x: Tensor, lengths: Tensor) -> Tensor:
        z, sizes = self.stem(x, lengths)
        steps = torch.arange(z.shape[1])
        back = (sizes.unsqueeze(1) - 1 - steps).clamp(0, PLACES - 1)
        z = z + self.from_start(steps.clamp(max=PLACES - 1)) + self.from_end(back)
        h, _ = self.body(z, sizes)
        return self.head.scores(self.pooling(h, sizes))

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy in nats of batch.y [B, tasks], 0, 1 or IGNORED, along the given strand, and of none along the
        other; `count` is rows."""
        return strand_loss(self(batch.x, batch.lengths), batch)

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [2, B, tasks] along the given strand and along the other. Call eval() first."""
        odds: Tensor = self(x, lengths)
        return odds.sigmoid()


def either(p: Tensor) -> Tensor:
    """Probabilities [2, ...] along each strand as that of a promoter along any."""
    return 1 - (1 - p[0]) * (1 - p[1])


def along_both(read: Callable[[Tensor, Tensor], Tensor], x: Tensor, lengths: Tensor | None) -> Tensor:
    """What is read [2, B, tasks] along the strand x [B, T, 4], and along the other."""
    lengths = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
    strands = torch.cat([x, other_strand(x, lengths)])
    return torch.stack(read(strands, lengths.repeat(2)).chunk(2))


def strand_loss(odds: Tensor, batch: Batch) -> Loss:
    """The loss of log odds: [2, B, tasks] along both strands, or [1, B, tasks] along the given one alone."""
    known = batch.labels != IGNORED
    y = torch.zeros_like(odds)
    y[0] = batch.labels.where(known, 0)
    total = functional.binary_cross_entropy_with_logits(odds, y, reduction="none").where(known, 0).sum()
    return Loss(total, total.detach(), len(batch.x))


def other_strand(x: Tensor, lengths: Tensor) -> Tensor:
    """The other strand of each row of x [B, T, 4]: the order of A C G T turned round is that of their partners."""
    steps = torch.arange(x.shape[1])
    places = torch.where(steps < lengths.unsqueeze(1), lengths.unsqueeze(1) - 1 - steps, steps)
    return x.flip(2).gather(1, places.unsqueeze(2).expand_as(x))
