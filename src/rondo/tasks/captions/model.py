"""The captioner: a generator of characters that looks at the places of a picture.

An encoder gives features x_k of the places k of a picture (49 of a 7 x 7 grid, or one: their mean). With g their mean,
z the features over the root of the mean square of g, each then centred and scaled as the training pictures' are and all
divided by the root of their number, E the embedding of characters and y<0> the end sign:

    v     = relu(V mean_k z_k + a)                 what the picture is about
    m_k   = relu(M z_k + b)                        what is at a place
    s<t>  = RNN([E[y<t-1>], v], s<t-1>)
    a<t>  = softmax over k of s<t> · W m_k         where the model looks (Luong et al. 2015, arXiv:1508.04025, eq. 8)
    o<t>  = tanh(R [sum_k a<t,k> m_k, s<t>])
    p(y<t> | picture, y<1> ... y<t-1>) = softmax(E o<t> + c)

A condition at every step: Vinyals et al. 2015 (arXiv:1411.4555) with the picture not at the first step alone; the
places: Xu et al. 2015 (arXiv:1502.03044, soft attention). With one place the weights are 1 and o<t> sees the picture
directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.models.attention import General, Memory
from rondo.models.body import arguments
from rondo.models.head import Softmax
from rondo.models.loss import Loss
from rondo.rnn import RNN
from rondo.sites import Sites
from rondo.states import States
from rondo.stepper import Stepper
from rondo.tasks.captions.eye import Eye

PARTS = 4  # of a batch, by length


class Captioner(nn.Module):
    """Sentences of `symbols` characters about pictures.

    features  numbers that the encoder gives of a place
    embed     width of a character's vector; width: of v and m_k
    end       the character that stands before a sentence and after it
    options   RNN's other arguments
    """

    shape = "captioner"
    middle: Tensor
    spread: Tensor
    reward: Callable[[Captioner, Batch], Loss] | None = None  # what is trained by in place of cross-entropy

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        symbols: int,
        features: int,
        hidden: int,
        layers: int = 1,
        *,
        embed: int,
        width: int,
        end: int,
        feature_dropout: float = 0.0,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        if not 0 <= end < symbols:
            raise ValueError(f"the end sign is one of {symbols} symbols, found {end}")
        self.arguments, self.end, self.features = given, end, features
        self.embedding = nn.Embedding(symbols, embed)
        nn.init.uniform_(self.embedding.weight, -(embed**-0.5), embed**-0.5)
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.about, self.places = nn.Linear(features, width), nn.Linear(features, width)
        for layer in (self.about, self.places):  # of inputs of norm 1, so that Adam's steps stay small beside them
            nn.init.normal_(layer.weight)
        self.rnn = RNN(cell, embed + width, hidden, layers, project=True, **options)
        self.cell = self.rnn.cell
        units = self.rnn.output_size
        self.attention = General(units, width)
        self.readout = nn.Linear(width + units, embed, bias=False)
        self.head = Softmax(embed, symbols, smoothing=smoothing, tied=self.embedding)
        self.feature_sites = Sites(output=feature_dropout)
        self.input_sites = Sites(output=input_dropout)
        self.output_sites = Sites(output=output_dropout)

    def seen(self, features: Tensor) -> Seen:
        """What is read of pictures, from features [P, K, C]. Raises ValueError for another width."""
        if features.dim() != 3 or features.shape[2] != self.features:
            raise ValueError(f"features are [P, K, {self.features}], found {list(features.shape)}")
        z = (_sized(features) - self.middle) / self.spread * self.features**-0.5
        z = self.feature_sites.on("output", z) if self.training else z
        return Seen(self.about(z.mean(1)).relu(), self.places(z).relu())

    @torch.no_grad()
    def centre(self, features: Tensor) -> None:
        """Take the middle and the spread of each feature from those of training pictures [P, K, C]."""
        z = _sized(features).mean(1)
        spread = z.std(0)
        self.middle.copy_(z.mean(0))
        self.spread.copy_(spread.clamp(min=float(spread.median()) / 4 + 1e-6))  # a rare one is not blown up

    def forward(self, x: Tensor, seen: Seen, state: States | None = None) -> tuple[Tensor, Tensor, States]:
        """What is seen of N pictures and the characters [N, T] that are read about each, to o [N, T, embed], the
        attention weights [N, T, K] and the state after."""
        e: Tensor = self.embedding(x)
        read = torch.cat([e, seen.about.unsqueeze(1).expand(-1, x.shape[1], -1)], 2)
        s, state = self.rnn(self.input_sites.on("output", read) if self.training else read, state)
        o, weights = self.looked(s, self.memory(seen))
        return o, weights, state

    def memory(self, seen: Seen) -> Memory:
        """What attention reads."""
        alive = torch.ones(seen.places.shape[:2], dtype=torch.bool, device=seen.places.device)
        return Memory(seen.places, self.attention.keys(seen.places), alive)

    def looked(self, s: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The network's outputs s [N, T, n] to o [N, T, embed] and the weights [N, T, K]."""
        weights = self.attention(s, memory)
        o = torch.tanh(self.readout(torch.cat([memory.context(weights), s], 2)))
        return (self.output_sites.on("output", o) if self.training else o), weights

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy; in training by reward, what that says of sentences of the model's own."""
        if self.training and self.reward is not None:
            return self.reward(self, batch)
        return self.cross_entropy(batch)

    def cross_entropy(self, batch: Batch) -> Loss:
        """In nats, of the characters of all sentences, x and y [P, S, T], condition [P, K, C]."""
        total, count = torch.zeros(()), 0
        for o, y, _ in self.taught(batch):
            nats, n = self.head.loss(o, y)
            total, count = total + nats, count + n
        return Loss(total, total.detach(), count)

    @torch.no_grad()
    def nats(self, batch: Batch) -> Tensor:
        """The loss of every character [P, S, T], 0 where the target is IGNORED."""
        found = torch.zeros(batch.labels.shape)
        rows = found.flatten(0, 1)  # a view
        for o, y, index in self.taught(batch):
            rows[index, : y.shape[1]] = self.head.nats(o, y)
        return found

    def taught(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """o [N, T, embed], y [N, T] and the places N of the sentences among P * S, those of about one length at a time,
        so that little is computed for padding. A picture may have fewer sentences than another."""
        if batch.condition is None or batch.x.dim() != 3:
            raise ValueError("a batch holds x and y [P, S, T] and the features of P pictures as condition [P, K, C]")
        x, y, seen = batch.x.flatten(0, 1), batch.labels.flatten(0, 1), self.seen(batch.condition)
        lengths = (y != IGNORED).sum(1)
        order = lengths.argsort(stable=True)
        order = order[lengths[order] > 0]
        for index in order.tensor_split(min(PARTS, max(1, len(order) // 8))):
            longest = int(lengths[index].max())
            o, _, _ = self(x[index, :longest], seen.rows(index // batch.x.shape[1]))
            yield o, y[index, :longest], index

    @torch.no_grad()
    def align(self, x: Tensor, features: Tensor) -> Tensor:
        """The weights [N, T, K] with which each character of x [N, T] looks at the places of its picture [N, K, C]: row
        t says where the model looked when it wrote character t."""
        before = torch.cat([torch.full_like(x[:, :1], self.end), x[:, :-1]], 1)
        weights: Tensor = self(before, self.seen(features))[1]
        return weights

    def predictor(self, features: Tensor) -> CaptionPredictor:
        """A predictor for `rondo.search`, one row for each picture [P, K, C]; call eval() first."""
        with torch.no_grad():
            seen = self.seen(features)
            return CaptionPredictor(self, seen.about, self.memory(seen))

    def prime(self, rows: int) -> Tensor:
        """What a search reads first, [rows, 1]."""
        return torch.full((rows, 1), self.end, device=self.embedding.weight.device)


def _sized(features: Tensor) -> Tensor:
    """Features [P, K, C] over the root of the mean square of their mean over the places."""
    return features / features.mean(1, keepdim=True).square().mean(2, keepdim=True).sqrt().clamp(min=1e-6)


@dataclass(frozen=True)
class Seen:
    """What is read of pictures: about [P, width], places [P, K, width]."""

    about: Tensor
    places: Tensor

    def rows(self, index: Tensor) -> Seen:
        """The pictures that `index` selects."""
        return Seen(self.about[index], self.places[index])


@dataclass(frozen=True)
class Place:
    """Where the writing of N rows stands: the network's state, and which picture each row is about."""

    stepper: Stepper
    sources: Tensor
    about: Tensor
    memory: Memory


@dataclass(frozen=True)
class CaptionPredictor:
    """A predictor for `rondo.search` over pictures. A position is used up by `step` and `select`."""

    model: Captioner
    about: Tensor
    memory: Memory

    def start(self, rows: int) -> Place:
        """As many rows for each picture, one after the other."""
        count = len(self.about)
        if rows % count:
            raise ValueError(f"there are {count} pictures and {rows} rows: give each picture as many")
        sources = torch.arange(count).repeat_interleave(rows // count)
        return self._at(self.model.rnn.stepper(batch=rows), sources)

    def _at(self, stepper: Stepper, sources: Tensor) -> Place:
        return Place(stepper, sources, self.about[sources], self.memory.rows(sources))

    @torch.no_grad()
    def step(self, symbols: Tensor, state: Place) -> tuple[Tensor, Place]:
        """Reads characters [N]; gives the log-probabilities [N, V] of the next ones."""
        x = torch.cat([self.model.embedding(symbols), state.about], 1)
        o, _ = self.model.looked(state.stepper(x).unsqueeze(1), state.memory)
        return self.model.head.log_probabilities(o[:, 0]), state

    @torch.no_grad()
    def select(self, state: Place, index: Tensor) -> Place:
        """The rows that `index` names, in its order."""
        sources = state.sources[index]
        if len(index) == len(state.sources):
            state.stepper.select(index)
            same = torch.equal(sources, state.sources)  # a beam keeps them mostly
            return state if same else self._at(state.stepper, sources)
        return self._at(self.model.rnn.stepper(state.stepper.state.rows(index)), sources)


SHAPES: Sequence[type[nn.Module]] = (Captioner, Eye)
