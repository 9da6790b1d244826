"""Generator: a sequence from a recurrent network, symbol after symbol (one-to-many, here unconditioned).

e<t> = one-hot(x<t>) or E[x<t>],    h<t> = RNN(e<t>, h<t-1>),    p(x<t+1>) = softmax(W h<t> + b)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.rnn import RNN
from rondo.states import States


class Generator(nn.Module):
    """A language model over `symbols` numbered symbols, with any cell.

    `embed` is the width of a learned embedding; 0 feeds one-hot symbols, which the first layer reads as rows of
    its input map. `sizes` are those that the cell adds, e.g. rank=8.
    """

    def __init__(self, cell: Cell, symbols: int, hidden: int, layers: int = 1, embed: int = 0, **sizes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embed) if embed else None
        # the layer inserts its projection only before a cell that needs input = hidden
        self.rnn = RNN(cell, embed or symbols, hidden, layers, project=True, **sizes)  # type: ignore[arg-type]
        self.head = nn.Linear(self.rnn.output_size, symbols)

    def forward(self, x: Tensor, state: States | None = None) -> tuple[Tensor, States]:
        """Symbols [B, T] to the scores of each next symbol [B, T, V], and the state after the last."""
        y, state = self.rnn(self.embedding(x) if self.embedding else x, state)
        return self.head(y), state

    def loss(self, x: Tensor, y: Tensor, state: States | None = None) -> tuple[Tensor, States]:
        """Mean cross-entropy in nats per symbol of the symbols y [B, T] that follow x [B, T], and the state after."""
        scores, state = self(x, state)
        return functional.cross_entropy(scores.flatten(0, 1), y.flatten()), state

    def stepper(self) -> Callable[[int], Tensor]:
        """A predictor for `rondo.search.sample`: takes the newest symbol, gives log-probabilities of the next."""
        step = self.rnn.stepper()

        @torch.no_grad()
        def predict(symbol: int) -> Tensor:
            x = torch.tensor([symbol])
            scores: Tensor = self.head(step(self.embedding(x) if self.embedding else x))
            return scores[0].log_softmax(0)

        return predict
