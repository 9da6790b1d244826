"""Body: what reads the input in a classifier and in a tagger: symbols, columns of symbols or vectors, an RNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.inputs import checked_lengths, checked_symbols, is_index, without_padding
from rondo.models.stem import Stem
from rondo.rnn import RNN
from rondo.states import States


class Columns(nn.Module):
    """e<t> = [E_1[x_1<t>], ..., E_k[x_k<t>]]: symbols of k kinds at every step, a table each, the vectors side by side.

    A character and the pair that it begins; a word, its shape and its ending.

    symbols  of each column; widths: of each table's vectors
    """

    def __init__(self, symbols: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        if len(symbols) != len(widths) or not len(symbols) or min(*symbols, *widths) < 1:
            raise ValueError(
                f"columns of symbols need a table each: input {list(symbols)} and embed {list(widths)} must be "
                "positive and equally many"
            )
        self.tables = nn.ModuleList(map(nn.Embedding, symbols, widths))

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, k] symbols, or [B, k] of one step, to vectors [..., sum of widths]. Raises ValueError for a symbol
        that no table has."""
        if x.dim() not in (2, 3) or x.shape[-1] != len(self.tables):
            raise ValueError(f"x must be [batch, time, {len(self.tables)}], a symbol a column, found {list(x.shape)}")
        parts = [table(checked_symbols(x[..., k], table.num_embeddings)) for k, table in enumerate(self.tables)]  # type: ignore[arg-type]
        return torch.cat(parts, -1)


class Body(nn.Module):
    """h<t> = RNN(e<t>, h<t-1>), with e<t> = E[x<t>], a one-hot symbol, or the vector x<t> itself.

    input     width of the vectors x, or how many symbols there are; of columns of symbols, a list (see `Columns`)
    embed     width of a learned embedding of symbols, of columns a list; 0: vectors, or one-hot symbols (rows of the
              first layer's map)
    stem      layers of convolution between the vectors and the network (`rondo.models.stem`), which may leave fewer
              steps; causal: they read no later steps. A stem reads whole sequences: no carried state, no resets
    options   RNN's other arguments: dropouts, zoneout, locked, learn_initial, and sizes that the cell adds
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int | Sequence[int],
        hidden: int | Sequence[int],
        layers: int | None = None,
        embed: int | Sequence[int] = 0,
        bidirectional: bool = False,
        *,
        stem: Sequence[Mapping[str, int]] = (),
        causal: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.embedding, width = _reading(input, embed)
        self.stem = Stem(width, stem, causal) if stem else None
        width = self.stem.output_size if self.stem else width
        # the layer inserts its projection only before a cell that needs input = hidden
        self.rnn = RNN(cell, width, hidden, layers, bidirectional, project=True, **options)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: States | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """x [B, T] of symbols or [B, T, input] to h [B, T, output_size], and the state after; see `RNN.forward`. With a
        stem, T is then what `steps` says."""
        read = self.inputs(x, lengths)
        if self.stem is not None:
            if state is not None or resets is not None:
                raise ValueError("a stem reads whole sequences: give neither a state nor resets")
            read = _one_hot(read, self.stem) if is_index(read) else read
            read, lengths = self.stem(read, checked_lengths(lengths, len(x), x.shape[1], x.device))
        h, after = self.rnn(read, state, lengths, resets)
        return h, after

    def steps(self, lengths: Tensor | None) -> Tensor | None:
        """How many steps of h rows of these lengths have."""
        return lengths if self.stem is None or lengths is None else self.stem.steps(lengths)

    def inputs(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the network reads: symbols [...] as rows of the embedding, if there is one."""
        if self.embedding is None:
            return x
        if not is_index(x):
            raise ValueError(f"x must hold symbols{self._numbers}, since this model embeds them; found {x.dtype}")
        if lengths is not None:  # what stands past them need not be a symbol
            known = checked_lengths(lengths, len(x), x.shape[1], x.device)
            x = without_padding(x, known)  # type: ignore[arg-type]
        if isinstance(self.embedding, nn.Embedding):
            x = checked_symbols(x, self.embedding.num_embeddings)
        e: Tensor = self.embedding(x)
        return e

    @property
    def _numbers(self) -> str:
        return f" 0 to {self.embedding.num_embeddings - 1}" if isinstance(self.embedding, nn.Embedding) else ""


def _one_hot(x: Tensor, stem: Stem) -> Tensor:
    """Symbols that are not embedded, as vectors."""
    size = stem.layers[0].in_channels
    assert isinstance(size, int)
    return nn.functional.one_hot(checked_symbols(x, size), size).to(stem.layers[0].weight.dtype)  # type: ignore[arg-type]


def _reading(input: int | Sequence[int], embed: int | Sequence[int]) -> tuple[nn.Embedding | Columns | None, int]:
    """What makes vectors of symbols, and their width."""
    if isinstance(input, int) and isinstance(embed, int):
        return (nn.Embedding(input, embed), embed) if embed else (None, input)
    if isinstance(input, int) or isinstance(embed, int):
        raise ValueError(f"columns of symbols need lists for both: found input {input!r} and embed {embed!r}")
    return Columns(input, embed), sum(embed)


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """A model's arguments but its cell, from the `locals()` of its constructor, as JSON holds them: the same after a
    model file has been read. Raises ValueError for a value that JSON does not hold."""
    own = {k: v for k, v in given.items() if k not in ("self", "cell", "options") and not k.startswith("__")}
    return {name: _plain(name, value) for name, value in {**own, **given["options"]}.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(name, v) for k, v in value.items()}
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(name, v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    raise ValueError(f"{name}: a model keeps plain values, which a file can hold, found {type(value).__name__}")
