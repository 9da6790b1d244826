"""The network of speech: convolutions, a recurrence, and CTC; where it is known when words are said, that too.

CTC alone learns slowly at first, since the blank is part of every path. Where the data tell the moment of each word
(digits that were joined), the symbol of every step is learned beside it:

    loss = -log p(labels | x) + moments sum_t -log p_t[symbol of step t]

Runs of a label on the steps where it is said are paths that CTC takes too: the two agree, and the network names a word
where it is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.models.body import arguments
from rondo.models.ctc import ctc_loss
from rondo.models.loss import Loss
from rondo.models.tagger import Tagger
from rondo.states import States


class Recogniser(nn.Module):
    """A tagger with a CTC head, with any cell.

    moments  weight of the steps' own symbols in the loss
    options  the tagger's other arguments
    """

    shape = "recogniser"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int,
        tags: int,
        hidden: int,
        layers: int = 1,
        bidirectional: bool = False,
        stem: Sequence[Mapping[str, int]] = (),
        causal: bool = False,
        moments: float = 0.2,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments, self.moments = given, moments
        self.tagger = Tagger(
            cell,
            input,
            tags,
            hidden,
            layers,
            bidirectional=bidirectional,
            head="ctc",
            stem=stem,
            causal=causal,
            **options,
        )
        self.cell, self.tags, self.bidirectional = self.tagger.cell, tags, bidirectional
        self.ratio = 1  # frames of a step
        for layer in stem:
            self.ratio *= layer.get("stride", 1) * layer.get("pool", 1)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x [B, T, input] and lengths [B] to scores [B, T', tags] and their lengths."""
        scores, _ = self.tagger(x, lengths)
        return scores, self.tagger.body.steps(lengths)

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """batch.y [B, U] holds labels from 1, or [B, 2, W] labels and the symbols of steps (IGNORED where not known),
        batch.targets how many labels. Reported are the nats of CTC; `count` is labels."""
        scores, lengths = self(batch.x, batch.lengths)
        y = batch.labels
        labels = y if y.dim() == 2 else y[:, 0]
        targets = (labels != IGNORED).sum(1) if batch.targets is None else batch.targets
        nats = ctc_loss(scores, labels, lengths, targets).sum()
        total = nats
        if y.dim() == 3:
            symbols = y[:, 1, : scores.shape[1]]
            found = scores[:, : symbols.shape[1]]
            total = total + self.moments * functional.cross_entropy(
                found.reshape(-1, self.tags), symbols.reshape(-1), ignore_index=IGNORED, reduction="sum"
            )
        return Loss(total, nats.detach(), int(targets.sum()))

    @torch.no_grad()
    def log_probs(self, x: Tensor) -> Tensor:
        """log p [T', tags] of one recording [T, input]. Call eval() first."""
        found: Tensor = self(x.unsqueeze(0))[0][0].log_softmax(1)
        return found


SHAPES = (Recogniser,)
