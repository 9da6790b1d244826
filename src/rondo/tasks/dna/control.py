"""The control of promoters: the convolutional network of Umarov & Solovyev 2017 (doi:10.1371/journal.pone.0171410).

    p(x) = sigmoid(W relu(V flatten(maxpool(relu(conv(x)))) + c) + b)

One convolution, of 200 patterns of 21 bases, the best of every four places, 128 units: as the paper has it for TATA
promoters (it varies the number of patterns and the pooling by task). It reads windows of one length along the given
strand, a task at a time. It stands beside the recurrent model to be measured against, not among the shapes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.body import arguments
from rondo.models.loss import Loss
from rondo.render.load import load_cell
from rondo.states import States
from rondo.tasks.dna.promoter import along_both, strand_loss


class Control(nn.Module):
    """p(promoter of a kind along the given strand | window of `span` bases).

    cell      not used: a model file names one
    hidden    units between the patterns and the answer
    channels  patterns of `width` bases; of `pool` neighbouring places the best match counts
    """

    shape = "promoters_cnn"

    def __init__(
        self, cell: Cell | type[Cell] | str, tasks: int, span: int, hidden: int, channels: int, width: int, pool: int
    ) -> None:
        given = arguments({**locals(), "options": {}})
        super().__init__()
        self.arguments, self.cell = given, load_cell(cell) if isinstance(cell, str) else cell
        places = (span - width + 1) // pool
        if places < 1:
            raise ValueError(f"a window of {span} bases has no place for patterns of {width}, pooled by {pool}")
        self.net = nn.Sequential(
            nn.Conv1d(4, channels, width),
            nn.ReLU(),
            nn.MaxPool1d(pool),
            nn.Flatten(),
            nn.Linear(channels * places, hidden),
            nn.ReLU(),
            nn.Linear(hidden, tasks),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The log odds [B, tasks] of windows x [B, span, 4]."""
        odds: Tensor = self.net(x.transpose(1, 2))
        return odds

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy in nats of batch.y [B, tasks], 0, 1 or IGNORED; `count` is rows."""
        return strand_loss(self(batch.x).unsqueeze(0), batch)

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [2, B, tasks] along the given strand, which alone it was trained on, and along the other."""
        return along_both(lambda own, sizes: self(own), x, lengths).sigmoid()
