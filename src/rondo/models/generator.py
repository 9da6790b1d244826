"""Generator: a recurrent network that predicts each next symbol (one-to-many), alone or about something.

    e<t> = [E[x<t>], v<t>],    h<t> = RNN(e<t>, h<t-1>),    p(x<t+1>) = softmax(W h<t> + b)

v<t> is a condition: the same vector at every step, or one for each, or classes and symbols for each step that are
learned as vectors. Without an embedding e<t> is one-hot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.body import arguments
from rondo.models.conditions import Conditions
from rondo.models.head import Softmax
from rondo.models.loss import Loss
from rondo.rnn import RNN
from rondo.sites import Sites, draw
from rondo.states import States
from rondo.stepper import Stepper


class Generator(nn.Module):
    """A language model over `symbols` numbered symbols, with any cell.

    hidden, layers   units of each layer, one number or a list; depth
    embed            width of the learned embedding; 0 feeds one-hot symbols, whose rows the first layer looks up
    tied             the output layer's matrix is the embedding (Press & Wolf 2017, arXiv:1608.05859); where their
                     widths differ, a learned map stands between
    smoothing        label smoothing
    condition        width of the condition v, 0 for none; needs an embedding
    tables, groups   sizes of the classes and symbol groups of `rondo.models.conditions.Conditions`, where conditions
                     are given as whole numbers; without them they are given as vectors
    embed_dropout    whole symbols dropped from the embedding, the same ones at every step of a call
    activation       penalty on the squares of the last layer's dropped output, and
    slowness         on the squares of its change from step to step, each times its mean (Merity et al. 2018,
                     arXiv:1708.02182, sec. 4.3, where they are called AR and TAR)
    options          RNN's other arguments: dropouts, zoneout, clip_gradient, learn_initial, sizes that the cell adds
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        symbols: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        embed: int = 0,
        *,
        tied: bool = False,
        smoothing: float = 0.0,
        condition: int = 0,
        tables: Sequence[int] = (),
        groups: Sequence[int] = (),
        embed_dropout: float = 0.0,
        output_dropout: float = 0.0,
        locked: bool | Collection[str] = False,
        activation: float = 0.0,
        slowness: float = 0.0,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        if not (0 <= embed_dropout < 1 and activation >= 0 and slowness >= 0):
            raise ValueError("embed_dropout lies in [0, 1), activation and slowness are 0 or more")
        if (tied or condition) and not embed:
            raise ValueError("tied weights and conditions need an embedding: give its width as embed")
        if (tables or groups) and not condition:
            raise ValueError("conditions as whole numbers need a width: give it as condition")
        self.embedding = nn.Embedding(symbols, embed) if embed else None
        if tied and self.embedding is not None:  # as an output layer it starts as one does
            nn.init.uniform_(self.embedding.weight, -(embed**-0.5), embed**-0.5)
        self.conditions = Conditions(condition, tables, groups, embed) if tables or groups else None
        width = embed + condition if embed else symbols
        # the layer inserts its projection only before a cell that needs input = hidden
        self.rnn = RNN(cell, width, hidden, layers, project=True, locked=locked, **options)
        self.cell = self.rnn.cell
        self.embed_dropout, self.activation, self.slowness = embed_dropout, activation, slowness
        self.sites = Sites(output=output_dropout, locked=locked)
        self.head = Softmax(self.rnn.output_size, symbols, smoothing=smoothing, tied=self.embedding if tied else None)

    def inputs(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """What the first layer reads: e [B, T, n], or the symbols themselves where they are one-hot."""
        if self.embedding is None:
            return x
        e: Tensor = self.embedding(x)
        if self.training and self.embed_dropout:
            keep = draw(1 - self.embed_dropout, (self.embedding.num_embeddings, 1, 1), True, x.device)
            e = torch.where(keep[x], e / (1 - self.embed_dropout), 0.0)
        if condition is not None:
            if self.conditions is not None:
                condition = self.conditions(condition, self.embedding)
            v = condition.unsqueeze(1).expand(-1, x.shape[1], -1) if condition.dim() == 2 else condition
            e = torch.cat([e, v.to(e.dtype)], 2)
        return e

    def forward(self, x: Tensor, state: States | None = None, condition: Tensor | None = None) -> tuple[Tensor, States]:
        """Symbols [B, T] to the scores of each next symbol [B, T, V], and the state after the last."""
        y, state = self.rnn(self.inputs(x, condition), state)
        return self.head.scores(self.sites.on("output", y) if self.training else y), state

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy in nats of the symbols batch.y [B, T] that follow batch.x [B, T]."""
        y, state = self.rnn(self.inputs(batch.x, batch.condition), state, batch.lengths, batch.resets)
        h = self.sites.on("output", y) if self.training else y
        total, count = self.head.loss(h, batch.labels)
        nats = total.detach()
        if self.training and self.activation:
            total = total + self.activation * count * h.square().mean()
        if self.training and self.slowness and y.shape[1] > 1:
            total = total + self.slowness * count * (y[:, 1:] - y[:, :-1]).square().mean()
        return Loss(total, nats, count, state)

    @torch.no_grad()
    def nats(self, batch: Batch, state: States | None = None) -> tuple[Tensor, States]:
        """The loss of every symbol [B, T], 0 where the target is IGNORED, and the state after."""
        y, state = self.rnn(self.inputs(batch.x, batch.condition), state, batch.lengths, batch.resets)
        return self.head.nats(y, batch.labels), state

    def predictor(self, condition: Tensor | None = None) -> GeneratorPredictor:
        """A predictor for `rondo.search`; `condition` [N, n] or [N, T, n] for its rows."""
        return GeneratorPredictor(self, condition)


@dataclass(frozen=True)
class Position:
    """Where the generation of some rows stands: what the network carries, the condition, the step."""

    stepper: Stepper
    rows: int
    condition: Tensor | None
    step: int = 0


class GeneratorPredictor:
    """One step at a time, for the searches in `rondo.search`. A position is used up by `step` and `select`."""

    def __init__(self, model: Generator, condition: Tensor | None) -> None:
        self.model, self.condition = model, condition

    def start(self, rows: int) -> Position:
        """Before the first symbol."""
        return Position(self.model.rnn.stepper(batch=rows), rows, self.condition)

    @torch.no_grad()
    def step(self, symbols: Tensor, state: Position) -> tuple[Tensor, Position]:
        """The newest symbols [N] to log-probabilities of the next [N, V]."""
        v = state.condition
        v = v[:, state.step : state.step + 1] if v is not None and v.dim() == 3 else v
        x = self.model.inputs(symbols.unsqueeze(1), v)[:, 0]
        scores = self.model.head.scores(state.stepper(x)).log_softmax(1)
        return scores, dataclasses.replace(state, step=state.step + 1)

    @torch.no_grad()
    def select(self, state: Position, index: Tensor) -> Position:
        """The rows that `index` names, in its order."""
        v = None if state.condition is None else state.condition[index]
        if len(index) == state.rows:
            state.stepper.select(index)
            return dataclasses.replace(state, condition=v)
        stepper = self.model.rnn.stepper(state.stepper.state.rows(index))
        return Position(stepper, len(index), v, state.step)
