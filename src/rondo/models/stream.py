"""TaggerStream: a tagger with a stem over a sequence that comes in pieces, with memory that does not grow.

    stream = TaggerStream(tagger)
    for piece in pieces:             # [B, t, input], any t
        scores = stream(piece)       # [B, t', tags]: what is certain by now
    scores = stream.finish()         # the rest

All scores together are those of the whole sequence; cut in the same places they are the same to the last bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rondo.models.stem import StemStream
from rondo.models.tagger import Tagger
from rondo.states import States


class TaggerStream:
    """What a tagger carries from piece to piece: what its stem still needs of the past, and the network's state.

    Raises ValueError for a network that reads backward too, and in training.
    """

    def __init__(self, model: Tagger, rows: int = 1) -> None:
        if model.body.rnn.bidirectional:
            raise ValueError("a network that reads backward too needs the end of its sequence: it cannot stream")
        if model.training:
            raise ValueError("this network is in training: call eval() before it streams")
        self._model, self._rows = model, rows
        self._stem = StemStream(model.body.stem, rows) if model.body.stem is not None else None
        self._state: States | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """The scores [B, t', tags] that are certain after x [B, t, input]; t' may be 0."""
        x = self._model.body.inputs(x)
        return self._scores(x if self._stem is None else self._stem(x))

    @torch.no_grad()
    def finish(self) -> Tensor:
        """The scores that waited for what comes next, as if nothing does."""
        if self._stem is None:
            return torch.zeros(self._rows, 0, self.tags)
        return self._scores(self._stem.finish())

    @property
    def tags(self) -> int:
        return int(self._model.head.bias.shape[0])

    def _scores(self, x: Tensor) -> Tensor:
        if not x.shape[1]:
            return x.new_zeros(self._rows, 0, self.tags)
        h, self._state = self._model.body.rnn(x, self._state)
        return self._model.head.scores(h)
