"""Classifier: one answer to a whole sequence (many-to-one; one-to-one is T = 1).

h<1>, ..., h<T> = RNN(x<1>, ..., x<T>),    p = softmax(W pool(h) + b)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.expr.graph import nearest
from rondo.models.body import Body, arguments
from rondo.models.head import Linear, Sigmoid, Softmax
from rondo.models.loss import Loss
from rondo.models.pooling import Pooling
from rondo.states import States

HEADS = ("softmax", "sigmoid", "linear")


class Classifier(nn.Module):
    """Sequences into `classes`, with any cell.

    input        width of the vectors x, or how many symbols there are; of columns of symbols, a list
    classes      classes, labels, or numbers
    embed        width of a learned embedding of symbols, of columns a list; 0: vectors, or one-hot symbols
    pooling      "last", "max", "mean" or "attention": see `rondo.models.pooling`
    head         "softmax": one class; "sigmoid": any number of labels; "linear": numbers, by squared error
    smoothing    label smoothing of the softmax in training
    stem         layers of convolution before the network, causal or not: see `rondo.models.stem`
    options      RNN's other arguments: dropouts, zoneout, locked, learn_initial, and sizes that the cell adds

    An empty row is answered from zeros, by the head's bias alone.
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int | Sequence[int],
        classes: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        embed: int | Sequence[int] = 0,
        bidirectional: bool = False,
        *,
        pooling: str = "last",
        head: str = "softmax",
        smoothing: float = 0.0,
        stem: Sequence[Mapping[str, int]] = (),
        causal: bool = False,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        self.body = Body(cell, input, hidden, layers, embed, bidirectional, stem=stem, causal=causal, **options)
        self.cell = self.body.rnn.cell
        width = self.body.rnn.output_size
        self.pooling = Pooling(pooling, width, bidirectional)
        self.head = output_layer(head, width, classes, smoothing)

    def features(self, x: Tensor, lengths: Tensor | None = None, resets: Tensor | None = None) -> Tensor:
        """The pooled vector of each row, [B, n]: what the head reads."""
        h, _ = self.body(x, lengths, None, resets)
        pooled: Tensor = self.pooling(h, self.body.steps(lengths))
        return pooled

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """x [B, T] of symbols or [B, T, input] vectors, lengths [B] of any order, zeros too, to scores [B, classes]."""
        return self.head.scores(self.features(x, lengths))

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """The loss of batch.y: [B] classes, or [B, classes] for the other heads; IGNORED rows do not count. `count` is
        rows. A classifier carries no state."""
        total, count = self.head.loss(self.features(batch.x, batch.lengths, batch.resets), batch.labels)
        return Loss(total, total.detach(), count)

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [B, classes]; of the linear head, its numbers. Call eval() first, else dropout is drawn."""
        return as_probabilities(self.head, self(x, lengths))

    @torch.no_grad()
    def attention(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """How much each step counts, [B, T]: the weights of attention pooling. Raises ValueError for other poolings."""
        h, _ = self.body(x, lengths)
        return self.pooling.weights(h, self.body.steps(lengths))


def output_layer(head: str, width: int, outputs: int, smoothing: float = 0.0) -> Softmax | Sigmoid | Linear:
    """The head of that name. Raises ValueError for another name, and for smoothing where there is no softmax."""
    if head == "softmax":
        return Softmax(width, outputs, smoothing=smoothing)
    if head not in HEADS:
        raise ValueError(f"head is one of {', '.join(HEADS)}, found {head!r}{nearest(head, list(HEADS))}")
    if smoothing:
        raise ValueError("label smoothing belongs to the softmax head: leave smoothing at 0 for the others")
    return Sigmoid(width, outputs) if head == "sigmoid" else Linear(width, outputs)


def as_probabilities(head: Softmax | Sigmoid | Linear, scores: Tensor) -> Tensor:
    """Scores [..., n] as what the head means by them: probabilities, or the numbers themselves."""
    if isinstance(head, Softmax):
        return scores.softmax(-1)
    return scores.sigmoid() if isinstance(head, Sigmoid) else scores
