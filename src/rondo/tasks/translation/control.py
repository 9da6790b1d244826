"""The control: a Transformer from torch.nn of about as many weights, trained on the same data by the same loop.

    memory = Encoder(sqrt(n) E[x] + P),    o = Decoder(sqrt(n) E[y] + P, memory),    p = softmax(E o + b)

Vaswani et al. 2017 (arXiv:1706.03762), with the norm before each part (Xiong et al. 2020, arXiv:2002.04745); P are the
sines and cosines of its section 3.5. It stands beside the recurrent model to be measured against, not among the shapes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import IGNORED, Batch
from rondo.models.body import arguments
from rondo.models.head import Softmax
from rondo.models.loss import Loss
from rondo.render.load import load_cell
from rondo.states import States


class Transformer(nn.Module):
    """Encoder and decoder of `layers` layers and `heads` heads, `embed` wide, `hidden` in between.

    cell      not used: a model file has one
    symbols   of source and target, which share one embedding with the output layer
    longest   positions that there are

    It has what `Seq2Seq` has: `loss`, `nats`, `predictor`, `prime`.
    """

    shape = "translation_transformer"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        symbols: int,
        *,
        begin: int,
        end: int,
        embed: int,
        hidden: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
        smoothing: float = 0.0,
        longest: int = 512,
    ) -> None:
        given = arguments({**locals(), "options": {}})
        super().__init__()
        self.arguments, self.cell = given, load_cell(cell) if isinstance(cell, str) else cell
        self.begin, self.end, self.longest = begin, end, longest
        self.embedding = nn.Embedding(symbols, embed)
        nn.init.normal_(self.embedding.weight, std=embed**-0.5)
        self.drop = nn.Dropout(dropout)
        kind: dict[str, Any] = {"dropout": dropout, "batch_first": True, "norm_first": True}
        encoder = nn.TransformerEncoderLayer(embed, heads, hidden, **kind)
        decoder = nn.TransformerDecoderLayer(embed, heads, hidden, **kind)
        self.encoder = nn.TransformerEncoder(encoder, layers, nn.LayerNorm(embed), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, layers, nn.LayerNorm(embed))
        for p in [*self.encoder.parameters(), *self.decoder.parameters()]:  # as nn.Transformer: the layers are copies
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        self.head = Softmax(embed, symbols, smoothing=smoothing, tied=self.embedding)

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Cross-entropy of the targets, in nats, summed; as `Seq2Seq.loss`."""
        y = self._targets(batch)
        total, count = self.head.loss(self._taught(batch, y), y)
        return Loss(total, total.detach(), count)

    @torch.no_grad()
    def nats(self, batch: Batch) -> Tensor:
        """The loss of every symbol of batch.y [B, U], 0 where it does not count."""
        y = self._targets(batch)
        return self.head.nats(self._taught(batch, y), y)

    def predictor(self, batch: Batch) -> Decoder:
        """A predictor for `rondo.search`, one row for each source of the batch."""
        with torch.no_grad():
            padding = _padding(batch)
            return Decoder(self, self.encoder(self._vectors(batch.x), src_key_padding_mask=padding), padding)

    def prime(self, rows: int) -> Tensor:
        """The begin symbol in each row, [rows, 1]."""
        return torch.full((rows, 1), self.begin, device=self.head.bias.device)

    def outputs(self, symbols: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """o [B, U, embed] of target symbols [B, U], each seeing those before it and the encoded source."""
        later = nn.Transformer.generate_square_subsequent_mask(symbols.shape[1], device=symbols.device)
        masks = {"tgt_mask": later, "memory_key_padding_mask": padding, "tgt_is_causal": True}
        found: Tensor = self.decoder(self._vectors(symbols), memory, **masks)
        return found

    def _taught(self, batch: Batch, y: Tensor) -> Tensor:
        before = functional.pad(y[:, :-1], (1, 0), value=self.begin)
        before = torch.where(before == IGNORED, self.begin, before)
        padding = _padding(batch)
        memory = self.encoder(self._vectors(batch.x), src_key_padding_mask=padding)
        return self.outputs(before, memory, padding)

    def _targets(self, batch: Batch) -> Tensor:
        y = batch.labels
        if batch.targets is None:
            return y
        return torch.where(torch.arange(y.shape[1], device=y.device) < batch.targets.unsqueeze(1), y, IGNORED)

    def _vectors(self, symbols: Tensor) -> Tensor:
        """sqrt(n) E[x] + P. Raises ValueError for more symbols than there are positions."""
        width, count = self.embedding.embedding_dim, symbols.shape[1]
        if count > self.longest:
            raise ValueError(f"this model reads at most {self.longest} symbols, found {count}")
        found: Tensor = self.drop(
            math.sqrt(width) * self.embedding(symbols) + _positions(count, width).to(symbols.device)
        )
        return found


@dataclass(frozen=True)
class Prefixes:
    """What has been read: symbols [N, t], and which source each row reads."""

    symbols: Tensor
    sources: Tensor


@dataclass(frozen=True)
class Decoder:
    """A predictor for `rondo.search`: every step reads the whole prefix again."""

    model: Transformer
    memory: Tensor
    padding: Tensor

    def start(self, rows: int) -> Prefixes:
        """One row for each source; of a single source, as many as wanted."""
        device = self.memory.device
        sources = (
            torch.arange(rows, device=device) if len(self.memory) == rows else torch.zeros(rows, dtype=torch.int64)
        )
        return Prefixes(torch.zeros(rows, 0, dtype=torch.int64, device=device), sources.to(device))

    @torch.no_grad()
    def step(self, symbols: Tensor, state: Prefixes) -> tuple[Tensor, Prefixes]:
        """Reads target symbols [N]; gives the log-probabilities [N, symbols] of the next ones."""
        read = torch.cat([state.symbols, symbols.unsqueeze(1)], 1)
        o = self.model.outputs(read, self.memory[state.sources], self.padding[state.sources])
        return self.model.head.log_probabilities(o[:, -1]), Prefixes(read, state.sources)

    def select(self, state: Prefixes, index: Tensor) -> Prefixes:
        return Prefixes(state.symbols[index], state.sources[index])


def _padding(batch: Batch) -> Tensor:
    """[B, T] bool: True past the source's length."""
    places = torch.arange(batch.x.shape[1], device=batch.x.device)
    lengths = torch.full((len(batch.x),), batch.x.shape[1]) if batch.lengths is None else batch.lengths
    return places >= lengths.to(batch.x.device).unsqueeze(1)


def _positions(count: int, width: int) -> Tensor:
    """Sines and cosines of each place, [count, width]."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(count).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]


SHAPES: tuple[Any, ...] = (Transformer,)
