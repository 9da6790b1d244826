"""The network that marks genes: a chain of exon and intron over convolutions and a bidirectional recurrence.

Every base has one of four labels: E within an exon, D the last base of an exon (after it the donor site), I within an
intron, A the last base of an intron (after it the acceptor site). E is followed by E or D, D by I or A, I by I or A, A
by E or D. The chain (`rondo.models.crf`) over emissions of the network gives p(labels | sequence).

A window of the training data tells a set of labels for each base: all of them around its junction in the middle, or,
where it has none there, only that the middle base is neither D nor A, since a junction may stand elsewhere in it:

    -log p(labels in the sets | x) = log Z(x) - log Z(x, the sets)

The middle base is one of sixty, and what stands there is what matters most, so the loss is

    loss = -log p(the middle's set | x) - course log p(all sets | the middle's set, x)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.body import arguments
from rondo.models.loss import Loss
from rondo.models.tagger import Tagger
from rondo.states import States
from rondo.tasks.dna.promoter import PromoterModel

LABELS = "EDIA"
EXON, DONOR, INTRON, ACCEPTOR = range(4)
FOLLOWS = {EXON: (EXON, DONOR), DONOR: (INTRON, ACCEPTOR), INTRON: (INTRON, ACCEPTOR), ACCEPTOR: (EXON, DONOR)}
ANYTHING = (1 << len(LABELS)) - 1
MIDDLES = (1 << DONOR, 1 << ACCEPTOR, 1 << EXON | 1 << INTRON)  # sets that only the middle of a window has
LEGAL = [[two in FOLLOWS[one] for two in range(4)] + [True] for one in range(4)] + [[True] * 4 + [False]]


class GeneModel(nn.Module):
    """Exons, introns and their junctions, with any cell.

    stem     layers of convolution (`rondo.models.stem`), without stride or pool
    course   weight of the labels around the middle in the loss
    options  RNN's other arguments
    """

    shape = "gene"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        hidden: int,
        layers: int = 1,
        stem: Sequence[Mapping[str, int]] = (),
        course: float = 0.1,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments, self.course = given, course
        self.tagger = Tagger(
            cell, 4, len(LABELS), hidden, layers, bidirectional=True, head="crf", legal=LEGAL, stem=stem, **options
        )
        self.cell = self.tagger.cell

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """batch.y [B, T] holds the set of each base's labels, a bit for each (1 << label); the middle is where a set
        has a site, or has none but lacks the two. Reported are the nats of the middle; `count` is rows."""
        assert self.tagger.crf is not None
        emissions, _ = self.tagger(batch.x, batch.lengths)
        every, y = batch.labels.clamp(min=0), torch.tensor(MIDDLES)
        middle = every.where((every.unsqueeze(2) == y).any(2), ANYTHING)
        z, known, near = (
            self.tagger.crf.log_partition(emissions, batch.lengths, _labels(sets) if sets is not None else None)
            for sets in (None, every, middle)
        )
        nats = (z - near).sum()
        return Loss(nats + self.course * (near - known).sum(), nats.detach(), len(batch.x))

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """p [B, T, 4] of the labels E D I A at every base, zero past the lengths. Call eval() first."""
        return self.tagger.predict(x, lengths)


def _labels(sets: Tensor) -> Tensor:
    """Sets [B, T] as booleans [B, T, 4]."""
    return (sets.unsqueeze(2) >> torch.arange(len(LABELS))) & 1 == 1


SHAPES = (GeneModel, PromoterModel)
