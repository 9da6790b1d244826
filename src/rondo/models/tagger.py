"""Tagger: an answer at every step (aligned many-to-many), alone, in a chain, or for the speech that spells it.

    h<1>, ..., h<T> = RNN(x<1>, ..., x<T>),    scores<t> = W h<t> + b

read as softmax, sigmoids or numbers step by step, as the emissions of a CRF (`rondo.models.crf`), or as the frames of
CTC (`rondo.models.ctc`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.expr.graph import nearest
from rondo.inputs import without_padding
from rondo.models.body import Body, arguments
from rondo.models.classifier import as_probabilities, output_layer
from rondo.models.crf import CRF
from rondo.models.ctc import ctc_loss
from rondo.models.loss import Loss
from rondo.states import States
from rondo.stepper import Stepper

HEADS = ("softmax", "crf", "ctc", "sigmoid", "linear")


class Tagger(nn.Module):
    """A label, labels or numbers for every step, with any cell.

    input        width of the vectors x, or how many symbols there are; of columns of symbols, a list
    tags         labels; for CTC with the blank, which is 0
    embed        width of a learned embedding of symbols, of columns a list; 0: vectors, or one-hot symbols
    head         "softmax": one label a step; "crf": one, depending on its neighbours; "ctc": fewer labels than steps;
                 "sigmoid": any number a step; "linear": numbers, by squared error
    smoothing    label smoothing of the softmax in training
    legal        which tag may follow which, for the CRF: see `rondo.models.crf.CRF` and `legal_transitions`
    stem         layers of convolution before the network, causal or not: see `rondo.models.stem`
    options      RNN's other arguments: dropouts, zoneout, locked, learn_initial, and sizes that the cell adds

    With a stem scores, labels and `allowed` have the steps that it leaves. What else stands
    before the network is a module that makes vectors; its gradient goes through batch.x.
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int | Sequence[int],
        tags: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        embed: int | Sequence[int] = 0,
        bidirectional: bool = False,
        *,
        head: str = "softmax",
        smoothing: float = 0.0,
        legal: Sequence[Sequence[bool]] | None = None,
        stem: Sequence[Mapping[str, int]] = (),
        causal: bool = False,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        if head not in HEADS:
            raise ValueError(f"head is one of {', '.join(HEADS)}, found {head!r}{nearest(head, list(HEADS))}")
        if legal is not None and head != "crf":
            raise ValueError(f"legal transitions belong to the head 'crf', not to {head!r}: leave legal at None")
        self.body = Body(cell, input, hidden, layers, embed, bidirectional, stem=stem, causal=causal, **options)
        self.cell, self.kind = self.body.rnn.cell, head
        # the chain's emissions and the frames of CTC are plain scores
        self.head = output_layer(
            "linear" if head in ("crf", "ctc") else head, self.body.rnn.output_size, tags, smoothing
        )
        self.crf = CRF(tags, legal) if head == "crf" else None

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        state: States | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor, States]:
        """x [B, T] of symbols or [B, T, input] vectors, lengths [B] of any order, zeros too, to scores [B, T, tags] and
        the state after. Scores past a length mean nothing."""
        h, after = self.body(x, lengths, state, resets)
        return self.head.scores(h), after

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """The loss of batch.y, summed over labels; `count` is how many.

        softmax          y [B, T], IGNORED where none counts
        sigmoid, linear  y [B, T, tags], steps are counted
        crf              y [B, T] of whole sequences; an IGNORED step within the length may have any label
        ctc              y [B, U], labels from 1, batch.targets of them in each row (None: up to IGNORED)

        A network in one direction hands its state on, so that long sequences can be learned in windows; CRF and CTC
        need whole sequences, and a backward direction their end: there the state is None.
        """
        h, after = self.body(batch.x, batch.lengths, state, batch.resets)
        y, lengths = batch.labels, self.body.steps(batch.lengths)
        if self.kind == "ctc":
            targets = (y != IGNORED).sum(1) if batch.targets is None else batch.targets
            total, count = ctc_loss(self.head.scores(h), y, lengths, targets).sum(), int(targets.sum())
        else:
            y = _within(y, lengths)
            total, count = self._chain(h, y, lengths) if self.crf is not None else self.head.loss(h, y)
        whole = self.body.rnn.bidirectional or self.kind in ("crf", "ctc")
        return Loss(total, total.detach(), count, None if whole else after)

    def _chain(self, h: Tensor, y: Tensor, lengths: Tensor | None) -> tuple[Tensor, int]:
        assert self.crf is not None
        return -self.crf.log_likelihood(self.head.scores(h), y, lengths).sum(), int((y != IGNORED).sum())

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [B, T, tags] at every step: of a CRF its marginals, of CTC those of the frames' symbols; of the
        linear head, its numbers. Zero past the lengths. Call eval() first, else dropout is drawn."""
        scores, _ = self(x, lengths)
        lengths = self.body.steps(lengths)
        if self.crf is not None:
            return self.crf.marginals(scores, lengths)
        p = scores.softmax(-1) if self.kind == "ctc" else as_probabilities(self.head, scores)
        return p if lengths is None else without_padding(p, lengths.to(p.device))

    @torch.no_grad()
    def decode(self, x: Tensor, lengths: Tensor | None = None, allowed: Tensor | None = None) -> Tensor:
        """The best labels [B, T], IGNORED past the lengths: the most probable label of each step, or of a CRF the most
        probable labelling. `allowed` [B, T, tags] booleans leaves a choice at single steps.

        Raises ValueError for heads that do not choose one label a step; CTC's labels are found by `rondo.search.ctc`.
        """
        if self.kind not in ("softmax", "crf"):
            raise ValueError(f"the head {self.kind!r} does not choose one label a step: use predict()")
        scores, _ = self(x, lengths)
        lengths = self.body.steps(lengths)
        if self.crf is not None:
            return self.crf.viterbi(scores, lengths, allowed).tags
        best = (scores if allowed is None else scores.where(allowed, -torch.inf)).argmax(2)
        return _within(best, lengths)

    def stepper(self, state: States | None = None, batch: int = 1) -> TaggerStepper:
        """A function that tags one step at a time, from `state` or, for `batch` rows, from the initial state.

            step = tagger.stepper()
            scores = step(x)                 # x [B] symbols or [B, input] -> [B, tags], as `forward` gives them

        Raises ValueError on a bidirectional network, which has no single step, in training with random sites, and where
        a stem stands before the network, which reads several steps for one.
        """
        if self.body.stem is not None:
            raise ValueError("a stem reads several steps for one: run it over a piece, and step over what it gives")
        return TaggerStepper(self, self.body.rnn.stepper(state, batch))


class TaggerStepper:
    """One step of a tagger at a call. Its memory is constant and no gradient is kept."""

    def __init__(self, model: Tagger, step: Stepper) -> None:
        self._model, self._step = model, step

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        h = self._step(self._model.body.inputs(x))
        return self._model.head.scores(h)

    @property
    def state(self) -> States:
        """What is carried now; later steps do not change it."""
        return self._step.state

    def reset(self, rows: Tensor | None = None) -> None:
        """Put the initial state into the rows where `rows` [B] is True, or into all."""
        self._step.reset(rows)


def _within(y: Tensor, lengths: Tensor | None) -> Tensor:
    """y [B, T] or [B, T, n] with IGNORED past the lengths."""
    if lengths is None:
        return y
    alive = torch.arange(y.shape[1], device=y.device) < lengths.to(y.device).unsqueeze(1)
    return y.where(alive if y.dim() == 2 else alive.unsqueeze(2), IGNORED)
