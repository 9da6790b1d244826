"""Seq2Seq: a sequence from a sequence (many-to-one, then one-to-many), with or without attention.

The encoder reads x<1> ... x<T>; its final state, the single vector of the lecture, is the state in which the decoder
begins. With E the embedding of target symbols, y<0> the begin symbol, s the decoder's output and c the context that
attention reads from the encoder's outputs (`rondo.models.attention`):

    none      s<t> = RNN(E[y<t-1>], s<t-1>)             o<t> = s<t>
    luong     s<t> = RNN(E[y<t-1>], s<t-1>)             o<t> = tanh(W [c<t>, s<t>])                  c<t>: query s<t>
              with input feeding: RNN([E[y<t-1>], o<t-1>], s<t-1>), o<0> = 0
    bahdanau  s<t> = RNN([E[y<t-1>], c<t>], s<t-1>)     o<t> = maxout(W [s<t>, E[y<t-1>], c<t>] + b)  c<t>: query s<t-1>
    aligned   s<t> = RNN([E[y<t-1>], h<t>], s<t-1>)     o<t> = [s<t>, h<t>]

    p(y<t> | x, y<1> ... y<t-1>) = softmax(V o<t> + b)

Sutskever et al. 2014 (arXiv:1409.3215; the source reversed: sec. 3.3). Luong et al. 2015 (arXiv:1508.04025, eq. 5, 6;
input feeding: sec. 3.3). Bahdanau et al. 2015 (arXiv:1409.0473, A.1.2; the output: A.2.2, with s<t> as in its eq. 4).
Aligned is for a target as long as its source that answers it place by place (Liu & Lane 2016, arXiv:1609.01454, sec.
3.1, aligned inputs without attention): the decoder reads the encoder's output at its own place, begins with its own
initial state, and needs no end symbol. Its output layer sees h<t> as well, a short way that soon learns what answers
what: on couplets a small model had a perplexity of 175 with it and of 210 without, after the same 1,200 steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.expr.graph import nearest
from rondo.inputs import checked_lengths, checked_symbols, is_index
from rondo.kernels.reverse import flipper
from rondo.models.attention import Additive, General, Memory
from rondo.models.body import Body, Columns, arguments
from rondo.models.head import Softmax
from rondo.models.loss import Loss
from rondo.rnn import RNN
from rondo.states import States, unit_name

ATTENTIONS = ("none", "luong", "bahdanau", "aligned")


class Seq2Seq(nn.Module):
    """An encoder and a decoder of the same cell, layers and units.

    symbols         of the source; 0 where it is vectors, whose width is `input`
    target_symbols  of the target. begin: the one that the decoder reads first; end: the last one of every target, None
                    with "aligned"
    embed           width of the learned embeddings of source and target; 0 feeds one-hot symbols
    shared          source and target have the same symbols, and one embedding
    attention       "none", "luong", "bahdanau" or "aligned"; input_feeding goes with "luong"
    reverse         the encoder reads each source from its end; bidirectional: in both directions
    tied            the output layer's weight is the target's embedding
    smoothing       label smoothing, see `rondo.models.head.Softmax`
    options         RNN's other arguments, for both: dropouts, zoneout, locked, and sizes that the cell adds;
                    learn_initial is the encoder's alone, but with "aligned"

    Bahdanau's decoder and Luong's with input feeding make one step after another; there locked masks and weight
    dropout, which hold for a whole sequence, are refused. In training the others run the decoder over the whole target
    at once. Raises ValueError for what does not fit, naming it.
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        symbols: int,
        target_symbols: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        *,
        begin: int,
        end: int | None = None,
        input: int = 0,
        embed: int = 0,
        shared: bool = False,
        attention: str = "none",
        input_feeding: bool = False,
        reverse: bool = False,
        bidirectional: bool = False,
        tied: bool = False,
        smoothing: float = 0.0,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        _check(given)
        self.arguments = given
        self.begin, self.end, self.reverse = begin, end, reverse
        self.kind, self.input_feeding = attention, input_feeding
        self.encoder = Body(cell, symbols or input, hidden, layers, embed if symbols else 0, bidirectional, **options)
        self.cell = self.encoder.rnn.cell
        memory, read = self.encoder.rnn.output_size, embed or target_symbols
        units = memory // (1 + bidirectional)
        fed = memory if attention in ("bahdanau", "aligned") else units if input_feeding else 0
        self.target = nn.Embedding(target_symbols, embed) if embed and not shared else None
        table = self._table
        if tied and table is not None:  # as an output layer it starts as one does
            nn.init.uniform_(table.weight, -(embed**-0.5), embed**-0.5)
        alone = attention == "aligned"  # else the decoder begins with the encoder's state
        own = {name: v for name, v in options.items() if alone or name != "learn_initial"}
        self.decoder = RNN(self.cell, read + fed, hidden, layers, project=True, **own)
        self.bridge = None if alone else Bridge(self.encoder.rnn, self.decoder)
        self.attention: Additive | General | None = None
        if attention == "bahdanau":
            top = self.decoder.part(unit_name(len(self.decoder.hidden) - 1))
            query = next(iter(top.graph.states.values()))
            self.attention = Additive(top.sizes[query], memory, units)
            self.readout = nn.Linear(units + read + memory, 2 * units)
        elif attention == "luong":
            self.attention = General(units, memory)
            self.readout = nn.Linear(memory + units, units, bias=False)
        width = units + memory if alone else units
        self.head = Softmax(width, target_symbols, smoothing=smoothing, tied=table if tied else None)

    @property
    def _table(self) -> nn.Embedding | None:
        """E of the target's symbols; in a model that shares it, the encoder's, under whose name alone it is kept."""
        table = self.encoder.embedding if self.target is None else self.target
        assert not isinstance(table, Columns)  # symbols are one number here
        return table

    def forward(self, batch: Batch) -> Tensor:
        """The scores [B, U, target_symbols] of each symbol of batch.y, given the source and the symbols before it."""
        return self.head.scores(self._taught(batch).outputs)

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy of the targets, in nats, summed.

        x        sources: symbols [B, T] or vectors [B, T, input]; lengths [B], what lies past them is not read
        y        targets [B, U], each with its `end` symbol (the model adds none), filled up with IGNORED; "aligned":
                 as long as their sources
        targets  [B] symbols of each target, `end` included; what y holds past them does not count. May be left out
                 where y is filled up with IGNORED
        state    what the encoder begins with, else its initial state. Nothing is carried to the next batch
        """
        y, _ = self._targets(batch)
        total, count = self.head.loss(self._taught(batch, state).outputs, y)
        return Loss(total, total.detach(), count)

    @torch.no_grad()
    def nats(self, batch: Batch) -> Tensor:
        """The loss of every symbol of batch.y [B, U], 0 where it does not count."""
        y, _ = self._targets(batch)
        return self.head.nats(self._taught(batch).outputs, y)

    def align(self, batch: Batch) -> Tensor:
        """The attention weights [B, U, T] with which each symbol of batch.y reads the source.

        Raises ValueError for a model without attention.
        """
        weights = self._taught(batch).weights
        if weights is None:
            raise ValueError("this model has no attention to show: choose attention='luong' or 'bahdanau'")
        return weights

    def predictor(self, batch: Batch) -> Decoder:
        """A predictor for `rondo.search`, one row for each source of the batch; of its y nothing is read.

            model.eval()
            found = beam(model.predictor(batch), model.prime(len(batch.x)), 50, width=5, end=model.end)

        Raises ValueError in training where a random site would draw.
        """
        if self.training and self.decoder.sites.active:
            raise ValueError("this model has random sites and is in training: call eval() before predictor()")
        with torch.no_grad():
            return Decoder(self, self._encoded(batch))

    def prime(self, rows: int) -> Tensor:
        """The begin symbol in each row, [rows, 1]: what a search reads first."""
        return torch.full((rows, 1), self.begin, device=self.head.bias.device)

    def _encoded(self, batch: Batch, state: States | None = None) -> Carried:
        """What the decoder begins with."""
        x, lengths = batch.x, checked_lengths(batch.lengths, len(batch.x), batch.x.shape[1], batch.x.device)
        flip = flipper(lengths, x.shape[1]) if self.reverse else lambda v: v
        outputs, final = self.encoder(flip(x), lengths, state)
        memory = fed = None
        if self.kind != "none":
            values = flip(outputs)  # in the source's own order, whatever the encoder's was
            alive = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
            if lengths is not None:
                alive = torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)
            memory = Memory(values, values if self.attention is None else self.attention.keys(values), alive)
        if self.input_feeding:
            fed = outputs.new_zeros(len(x), 1, self.decoder.output_size)
        begin = self.decoder.start(len(x)) if self.bridge is None else self.bridge(final)
        return Carried(begin, torch.arange(len(x), device=x.device), memory, fed)

    def _targets(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """y with IGNORED past the targets' lengths, and those lengths."""
        y = batch.y
        if y is None or y.dim() != 2 or not is_index(y) or not y.shape[1] or len(y) != len(batch.x):
            found = None if y is None else list(y.shape)
            raise ValueError(f"y must be symbols [{len(batch.x)}, U], a target for each source, found {found}")
        lengths = checked_lengths(batch.targets, len(y), y.shape[1], y.device)
        if self.kind == "aligned" and y.shape[1] != batch.x.shape[1]:
            raise ValueError(f"an aligned y is as long as x, {batch.x.shape[1]} symbols, found {y.shape[1]}")
        if lengths is not None:
            y = torch.where(torch.arange(y.shape[1], device=y.device) < lengths.unsqueeze(1), y, IGNORED)
        return y, lengths

    def _taught(self, batch: Batch, state: States | None = None) -> Decoded:
        """The decoder over batch.y: it reads the begin symbol and then y itself, one step later (teacher forcing)."""
        y, lengths = self._targets(batch)
        before = functional.pad(y[:, :-1], (1, 0), value=self.begin)
        return self._decoded(torch.where(before == IGNORED, self.begin, before), self._encoded(batch, state), lengths)

    def _decoded(self, symbols: Tensor, carried: Carried, lengths: Tensor | None = None) -> Decoded:
        """The decoder over symbols [B, U], from what it carries. Outputs past the lengths mean nothing."""
        if self.kind == "bahdanau":
            return self._bahdanau(self._vectors(symbols), carried)
        if self.input_feeding:
            return self._feeding(self._vectors(symbols), carried)
        if self.kind == "aligned":
            return self._aligned(self._vectors(symbols), carried, lengths)
        s, state = self.decoder(symbols if self._table is None else self._vectors(symbols), carried.state, lengths)
        carried = dataclasses.replace(carried, state=state)
        if self.attention is None or carried.memory is None:
            return Decoded(s, None, carried)
        weights = self.attention(s, carried.memory)
        return Decoded(self._attentional(weights, s, carried.memory), weights, carried)

    def _vectors(self, symbols: Tensor) -> Tensor:
        """E[y], or one-hot vectors."""
        count = self.head.symbols
        symbols = checked_symbols(symbols, count)
        if self._table is not None:
            vectors: Tensor = self._table(symbols)
            return vectors
        return functional.one_hot(symbols, count).to(self.head.bias.dtype)

    def _attentional(self, weights: Tensor, s: Tensor, memory: Memory) -> Tensor:
        """Luong's attentional vector, tanh(W [c, s])."""
        return torch.tanh(self.readout(torch.cat([memory.context(weights), s], 2)))

    def _aligned(self, read: Tensor, carried: Carried, lengths: Tensor | None) -> Decoded:
        """The decoder that reads the encoder's output at its own place, over read = E[y], [B, U, n]."""
        memory, last = carried.memory, carried.place + read.shape[1]
        assert memory is not None
        if last > memory.values.shape[1]:
            raise ValueError(f"an aligned target is as long as its source: {memory.values.shape[1]} symbols at most")
        h = memory.values[:, carried.place : last]
        s, state = self.decoder(torch.cat([read, h], 2), carried.state, lengths)
        return Decoded(torch.cat([s, h], 2), None, dataclasses.replace(carried, state=state, place=last))

    def _feeding(self, read: Tensor, carried: Carried) -> Decoded:
        """Luong's decoder with input feeding, over read = E[y], [B, U, n]."""
        memory, state, o = carried.memory, carried.state, carried.fed
        assert memory is not None
        assert self.attention is not None
        assert o is not None
        outputs, seen = [], []
        for e in torch.split(read, 1, 1):  # not by slices: the gradient of each would be as large as `read`
            s, state = self.decoder(torch.cat([e, o], 2), state)
            weights = self.attention(s, memory)
            o = self._attentional(weights, s, memory)
            outputs.append(o)
            seen.append(weights)
        carried = dataclasses.replace(carried, state=state, fed=o)
        return Decoded(torch.cat(outputs, 1), torch.cat(seen, 1), carried)

    def _bahdanau(self, read: Tensor, carried: Carried) -> Decoded:
        """Bahdanau's decoder over read = E[y], [B, U, n]."""
        memory, state = carried.memory, carried.state
        assert memory is not None
        assert self.attention is not None
        query = f"{self.decoder.units[-1][0]}.{next(iter(self.cell.graph.states))}"
        outputs, contexts, seen = [], [], []
        for e in torch.split(read, 1, 1):
            weights = self.attention(state[query].unsqueeze(1), memory)
            c = memory.context(weights)
            s, state = self.decoder(torch.cat([e, c], 2), state)
            outputs.append(s)
            contexts.append(c)
            seen.append(weights)
        pieces = self.readout(torch.cat([torch.cat(outputs, 1), read, torch.cat(contexts, 1)], 2))
        largest = pieces.unflatten(2, (-1, 2)).amax(3)
        return Decoded(largest, torch.cat(seen, 1), dataclasses.replace(carried, state=state))


class Bridge(nn.Module):
    """The decoder's initial state from the encoder's final one, by layer and state.

    Where shapes agree the state is handed on as it is. A bidirectional encoder has two for one: then a learned affine
    map of both, which begins as their mean, since a mean of two states of any kind is one.
    """

    def __init__(self, encoder: RNN, decoder: RNN) -> None:
        super().__init__()
        self.maps = nn.ModuleDict()
        self._sources: dict[str, list[str]] = {}
        for (unit,), directions in zip(decoder.units, encoder.units, strict=True):
            for state, size in decoder.part(unit).graph.states.items():
                width = decoder.part(unit).sizes[size]
                self._sources[f"{unit}.{state}"] = [f"{direction}.{state}" for direction in directions]
                if len(directions) > 1:
                    self.maps[f"{unit}_{state}"] = _mean(width, len(directions))

    def forward(self, final: States) -> States:
        """The encoder's final states -> the decoder's initial ones."""
        state = States()
        for name, sources in self._sources.items():
            together = torch.cat([final[source] for source in sources], 1)
            map = self.maps[name.replace(".", "_")] if len(sources) > 1 else None
            state[name] = together if map is None else map(together)
        return state


def _mean(width: int, count: int) -> nn.Linear:
    """An affine map of `count` vectors side by side, which is their mean."""
    linear = nn.Linear(count * width, width)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(width).repeat(1, count) / count)
        linear.bias.zero_()
    return linear


@dataclass(frozen=True)
class Carried:
    """What the decoder carries from step to step, in N rows."""

    state: States
    sources: Tensor  # [N] which source each row reads
    memory: Memory | None  # of these sources, with attention
    fed: Tensor | None  # Luong's last attentional vector [N, 1, n], with input feeding
    place: int = 0  # symbols read, with "aligned"


@dataclass(frozen=True)
class Decoded:
    """What the decoder gives for U symbols."""

    outputs: Tensor  # o [B, U, n]
    weights: Tensor | None  # a [B, U, T], with attention
    carried: Carried


@dataclass(frozen=True)
class Decoder:
    """A predictor for `rondo.search` over encoded sources."""

    model: Seq2Seq
    encoded: Carried

    def start(self, rows: int) -> Carried:
        """One row for each source; of a single source, as many as wanted."""
        count = len(self.encoded.sources)
        if count not in (1, rows):
            raise ValueError(f"the batch has {count} sources and the search {rows} rows: give a prime for each source")
        return self.encoded if count == rows else self.select(self.encoded, self.encoded.sources.expand(rows))

    @torch.no_grad()
    def step(self, symbols: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """Reads target symbols [N]; gives the log-probabilities [N, target_symbols] of the next ones."""
        decoded = self.model._decoded(symbols.unsqueeze(1), state)
        return self.model.head.log_probabilities(decoded.outputs[:, 0]), decoded.carried

    def select(self, state: Carried, index: Tensor) -> Carried:
        sources, memory = state.sources[index], state.memory
        if self.encoded.memory is not None and not torch.equal(sources, state.sources):  # a beam keeps them mostly
            memory = self.encoded.memory.rows(sources)
        fed = None if state.fed is None else state.fed[index]
        return Carried(state.state.rows(index), sources, memory, fed, state.place)


def _check(given: dict[str, Any]) -> None:
    """Raises ValueError where the arguments do not fit together."""
    attention, stepwise = given["attention"], given["attention"] == "bahdanau" or given["input_feeding"]
    if attention not in ATTENTIONS:
        raise ValueError(f"no attention is called {attention!r}{nearest(attention, list(ATTENTIONS))}")
    if given["input_feeding"] and attention != "luong":
        raise ValueError("input_feeding feeds Luong's attentional vector: it needs attention='luong'")
    if bool(given["symbols"]) == bool(given["input"]):
        raise ValueError(
            "a source is either symbols or vectors: give symbols, or symbols=0 and input, the vectors' width"
        )
    if given["tied"] and not given["embed"]:
        raise ValueError("tied shares the target's embedding with the output layer: it needs embed, the width of one")
    if given["shared"] and not (given["embed"] and given["symbols"] == given["target_symbols"]):
        raise ValueError("a shared embedding needs embed, the width of one, and as many source as target symbols")
    for name in ("begin", "end"):
        if name == "end" and attention == "aligned":
            if given[name] is not None:
                raise ValueError("an aligned target ends with its source: leave end out")
        elif given[name] is None or not 0 <= given[name] < given["target_symbols"]:
            raise ValueError(f"{name} must be one of the {given['target_symbols']} target symbols, found {given[name]}")
    if stepwise and (given.get("weight_dropout") or given.get("locked")):
        raise ValueError(
            "locked masks and weight dropout hold for a whole sequence, and this decoder runs step by step: "
            "take attention='luong' without input feeding, or leave them out"
        )
