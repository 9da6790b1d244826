"""The network of sentiment: one reading of a text and a question, answered in several ways.

    e_t = [E_1[x_1t], ..., E_k[x_kt]],    h = bidirectional RNN(e)
    v   = [max_t h_t, mean_t h_t, mean over the target of h_t]       (the whole text, where no target is asked about)
    d   = W v + b
    w   = sum_t n_t S[x_t] / sqrt(sum_t n_t)                         S: what each symbol alone speaks for
    s   = g_d d + g_w w

s holds the scores of the polarities, the mean and the spread of the valence, and the scores of the five stars; a linear
map of h_t tags the pieces as B, I, O of found targets. w is a bag of words beside the network (wide and deep: Cheng et
al. 2016, arXiv:1606.07792), fitted before it (`rondo.tasks.sentiment.initial`); n_t is 1, and where a target is asked
about, how near it a piece stands. The balance g is fitted on texts held out (`rondo.tasks.sentiment.calibrate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.models.body import Body, arguments
from rondo.models.loss import Loss
from rondo.models.pooling import Pooling
from rondo.states import States
from rondo.tasks.sentiment.data import CLASSES, EDGES, POLARITY, STARS, TAGGED, TAGS, VALENCE
from rondo.tasks.sentiment.text import INSIDE, UNKNOWN

OUTPUTS = 3 + 2 + 5  # polarities, valence (mean, log of the spread), stars
MIDDLE, SCALE = 5.0, 1.5  # the valence's mean is MIDDLE + SCALE * score
AFTER, AHEAD, LEAST, FAR = 6.0, 3.0, 0.05, 1000  # nearness falls to 1 / e in so many pieces; what is left; out of reach
CENTRES = (2.0, 3.75, 5.0, 6.25, 8.0)  # valence of each strength, where stars are what is learned


@dataclass(frozen=True)
class Answers:
    """polarity [B, 3]: probabilities of negative, neutral, positive; stars [B, 5]; valence [B], 1-9; spread [B]."""

    polarity: Tensor
    stars: Tensor
    valence: Tensor
    spread: Tensor


class SentimentModel(nn.Module):
    """Polarity, strength and targets, with any cell.

    input     symbols of each column, the mark last; embed: widths of their vectors (0: only in the sum beside)
    known     of each column, so many of the first symbols have vectors; the others are unknown to the network
    strength  "valence": the stars are what the normal distribution of the valence has between the EDGES; "stars": five
              classes, and the valence is their mean
    weights   of the losses of valence, stars and tags
    frozen    the sum beside stays as it was fitted before training
    head_dropout    on what the heads read; beside_dropout: how often the sum beside the network is left out of a row
    """

    shape = "sentiment"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: Sequence[int],
        hidden: int,
        layers: int = 1,
        embed: Sequence[int] = (),
        known: Sequence[int] = (),
        strength: str = "valence",
        smoothing: float = 0.0,
        weights: Sequence[float] = (0.5, 0.5, 0.5),
        head_dropout: float = 0.0,
        beside_dropout: float = 0.0,
        frozen: bool = False,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        self.arguments = given
        if strength not in ("valence", "stars"):
            raise ValueError(f"strength is valence or stars, found {strength!r}")
        self.strength, self.smoothing, self.weights = strength, smoothing, tuple(weights)
        self.read = [k for k, width in enumerate(embed) if width]  # columns that the network reads
        self.known = [min(n, k) for n, k in zip(input, known or input, strict=True)]
        sizes = [self.known[k] for k in self.read]
        self.body = Body(cell, sizes, hidden, layers, [embed[k] for k in self.read], True, **options)
        self.cell = self.body.rnn.cell
        width = self.body.rnn.output_size
        self.most, self.mean = Pooling("max", width), Pooling("mean", width)
        self.dropout, self.beside_dropout = nn.Dropout(head_dropout), beside_dropout
        self.answer = nn.Linear(3 * width, OUTPUTS)
        self.tagger = nn.Linear(width, 3)
        self.alone = nn.ModuleList(nn.Embedding(n, OUTPUTS) for n in input[:-1])
        for table in self.alone:
            nn.init.zeros_(table.weight)  # type: ignore[arg-type]
            table.requires_grad_(not frozen)
        self.balance: Tensor
        self.spread: Tensor
        self.register_buffer("balance", torch.ones(2, 2))  # of polarity, of strength: how much w and d count
        self.register_buffer("spread", torch.ones(1))  # what the spread of the valence is multiplied by

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [B, T, k], lengths [B] to the scores s [B, 10] and the steps' outputs h [B, T, n]."""
        beside, deep, h = self.parts(x, lengths)
        return self.balanced(beside, deep), h

    def parts(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The scores w and d [B, 10], and h [B, T, n]."""
        seen = torch.where(x < torch.tensor(self.known), x, UNKNOWN)
        h, _ = self.body(seen[..., self.read], lengths)
        sizes = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
        alive = torch.arange(x.shape[1]) < sizes.unsqueeze(1)
        inside = (x[..., -1] > 0) & ((x[..., -1] - 1) % 3 == INSIDE) & alive
        pooled = torch.cat([self.most(h, lengths), self.mean(h, lengths), _at_target(h, inside, alive)], 1)
        return self.beside(x, inside, alive), self.answer(self.dropout(pooled)), h

    def beside(self, x: Tensor, inside: Tensor, alive: Tensor) -> Tensor:
        """w [B, 10]; in training it is left out of some rows, so that the network answers by itself."""
        near = nearness(inside) * alive
        alone = sum(table(x[..., k]) for k, table in enumerate(self.alone)) * near.unsqueeze(2)
        found: Tensor = alone.sum(1) / near.sum(1, keepdim=True).clamp(min=1e-3).sqrt()
        return found * (torch.rand(len(x), 1) >= self.beside_dropout) if self.training else found

    def balanced(self, beside: Tensor, deep: Tensor) -> Tensor:
        """The scores s of w and d; in training both count alike."""
        if self.training:
            return beside + deep
        g = self.balance.repeat_interleave(torch.tensor([3, 7]), 0)
        return g[:, 0] * beside + g[:, 1] * deep

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """What batch.y says (`rondo.tasks.sentiment.data`). Reported are the nats of polarity, valence and stars."""
        scores, h = self(batch.x, batch.lengths)
        told = self.misfit(scores, batch.labels)
        found = self._tags_loss(h, batch.labels[:, TAGS:], batch.labels[:, TAGGED])
        return Loss(told + self.weights[2] * found, told.detach(), len(scores))

    def misfit(self, scores: Tensor, y: Tensor) -> Tensor:
        """How far scores [B, 10] are from the answers of y [B, 5 ...], summed, each part by its weight."""
        polarity = self._polarity_loss(scores[:, :3], y[:, POLARITY], y[:, CLASSES])
        valence = _valence_loss(scores[:, 3], scores[:, 4], y[:, VALENCE])
        if self.strength == "stars":
            stars = self._classes_loss(scores[:, 5:], y[:, STARS])
        else:
            stars = _interval_loss(scores[:, 3], scores[:, 4], *_intervals(y))
        return polarity + self.weights[0] * valence + self.weights[1] * stars

    def _polarity_loss(self, scores: Tensor, y: Tensor, classes: Tensor) -> Tensor:
        """Cross-entropy; neutral is no choice where there were only two classes."""
        only = (classes == 2).unsqueeze(1) & torch.tensor([False, True, False])
        return self._classes_loss(scores.masked_fill(only, -1e4), y)

    def _classes_loss(self, scores: Tensor, y: Tensor) -> Tensor:
        smoothing = self.smoothing if self.training else 0.0
        if not smoothing:
            return functional.cross_entropy(scores, y, ignore_index=IGNORED, reduction="sum")
        known = y != IGNORED
        log_p = scores[known].log_softmax(1)
        allowed = scores[known] > -1e3
        spread = (log_p * allowed).sum(1) / allowed.sum(1)
        right = log_p.gather(1, y[known].unsqueeze(1)).squeeze(1)
        return -((1 - smoothing) * right + smoothing * spread).sum()

    def _tags_loss(self, h: Tensor, y: Tensor, tagged: Tensor) -> Tensor:
        """The mean over the pieces of each text whose targets are known, summed."""
        known = tagged == 1
        if not known.any():
            return h.new_zeros(())
        scores, y = self.tagger(self.dropout(h[known])), y[known]
        nats = functional.cross_entropy(scores.flatten(0, 1), y.flatten(), ignore_index=IGNORED, reduction="none")
        return (nats.view(y.shape).sum(1) / (y != IGNORED).sum(1).clamp(min=1)).sum()

    @torch.no_grad()
    def predict(self, x: Tensor, lengths: Tensor | None = None) -> Answers:
        """Calibrated probabilities. Call eval() first, else dropout is drawn."""
        return self.answers(self(x, lengths)[0])

    def answers(self, scores: Tensor) -> Answers:
        """What scores [B, 10] say."""
        polarity = scores[:, :3].softmax(1)
        if self.strength == "stars":
            stars = scores[:, 5:].softmax(1)
            centres = torch.tensor(CENTRES)
            valence = stars @ centres
            spread = ((stars * (centres - valence.unsqueeze(1)) ** 2).sum(1)).sqrt()
            return Answers(polarity, stars, valence, spread)
        mean, spread = _normal(scores[:, 3], scores[:, 4])
        spread = spread * self.spread
        below = _below(torch.tensor(EDGES), mean.unsqueeze(1), spread.unsqueeze(1))
        stars = functional.pad(below, (0, 1), value=1.0) - functional.pad(below, (1, 0))
        return Answers(polarity, stars, mean.clamp(1, 9), spread)

    @torch.no_grad()
    def tags(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probabilities [B, T, 3] of O, B, I at each piece: found targets. Ask with marks of the whole text."""
        _, h = self(x, lengths)
        p: Tensor = self.tagger(h).softmax(2)
        return p


def nearness(inside: Tensor) -> Tensor:
    """How much each piece [B, T] says of a target, whose pieces `inside` names: 1 there, less the farther off, and
    sooner before it than after: what is said of a thing mostly follows it. 1 everywhere in a row without a target."""
    steps, far = torch.arange(inside.shape[1]).expand(inside.shape), inside.shape[1] + FAR
    since = steps - steps.where(inside, -far).cummax(1).values
    until = steps.where(inside, 2 * far).flip(1).cummin(1).values.flip(1) - steps
    near = torch.maximum(torch.exp(-since / AFTER), torch.exp(-until / AHEAD))
    return (LEAST + (1 - LEAST) * near).where(inside.any(1, keepdim=True), 1.0)


def _at_target(h: Tensor, inside: Tensor, alive: Tensor) -> Tensor:
    """The mean of h over the target's pieces, over all where none is asked about, [B, n]."""
    inside = torch.where(inside.any(1, keepdim=True), inside, alive).to(h.dtype)
    return (h * inside.unsqueeze(2)).sum(1) / inside.sum(1, keepdim=True).clamp(min=1)


def _normal(mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the valence from their scores."""
    return MIDDLE + SCALE * mean, functional.softplus(spread) + 0.2


def _below(edge: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """The normal distribution's share below an edge."""
    return 0.5 * (1 + torch.erf((edge - mean) / (spread * math.sqrt(2))))


def _valence_loss(mean: Tensor, spread: Tensor, y: Tensor) -> Tensor:
    """-log of the normal density at the valence, summed where it is known."""
    known = y != IGNORED
    mean, spread = _normal(mean[known], spread[known])
    return (((y[known] / 1000 - mean) / spread) ** 2 / 2 + spread.log() + 0.5 * math.log(2 * math.pi)).sum()


def _intervals(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the valence must lie by stars or polarity alone: low, high [B], and in which rows they are known."""
    edges = torch.tensor([1.0, *EDGES, 9.0])
    stars, polarity = y[:, STARS], y[:, POLARITY]
    low = torch.where(stars >= 0, stars, torch.tensor([0, 2, 3])[polarity.clamp(min=0)])
    high = torch.where(stars >= 0, stars + 1, torch.tensor([2, 3, 5])[polarity.clamp(min=0)])
    known = (y[:, VALENCE] == IGNORED) & ((stars >= 0) | (polarity >= 0))
    return edges[low.clamp(min=0)], edges[high.clamp(min=0)], known


def _interval_loss(mean: Tensor, spread: Tensor, low: Tensor, high: Tensor, known: Tensor) -> Tensor:
    """-log of the normal distribution's share between low and high, summed where they are known."""
    mean, spread = _normal(mean[known], spread[known])
    share = _below(high[known], mean, spread) - _below(low[known], mean, spread)
    return -(share + 1e-4).log().sum()


SHAPES = [SentimentModel]
