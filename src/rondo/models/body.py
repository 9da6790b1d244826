"""Body: what reads the input in a classifier and in a tagger: symbols or vectors, an embedding, an RNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from rondo.cell import Cell
from rondo.inputs import checked_lengths, checked_symbols, is_index, without_padding
from rondo.rnn import RNN
from rondo.states import States


class Body(nn.Module):
    """h<t> = RNN(e<t>, h<t-1>), with e<t> = E[x<t>], a one-hot symbol, or the vector x<t> itself.

    input     width of the vectors x, or how many symbols there are
    embed     width of a learned embedding of symbols; 0: vectors, or one-hot symbols (rows of the first layer's map)
    options   RNN's other arguments: dropouts, zoneout, locked, learn_initial, and sizes that the cell adds
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        embed: int = 0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(input, embed) if embed else None
        # the layer inserts its projection only before a cell that needs input = hidden
        self.rnn = RNN(cell, embed or input, hidden, layers, bidirectional, project=True, **options)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: States | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """x [B, T] of symbols or [B, T, input] to h [B, T, output_size], and the state after; see `RNN.forward`."""
        h, after = self.rnn(self.inputs(x, lengths), state, lengths, resets)
        return h, after

    def inputs(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What the network reads: symbols [...] as rows of the embedding, if there is one."""
        if self.embedding is None:
            return x
        size = self.embedding.num_embeddings
        if not is_index(x):
            raise ValueError(f"x must hold symbols 0 to {size - 1}, since this model embeds them; found {x.dtype}")
        if lengths is not None:  # what stands past them need not be a symbol
            known = checked_lengths(lengths, len(x), x.shape[1], x.device)
            x = without_padding(x, known)  # type: ignore[arg-type]
        e: Tensor = self.embedding(checked_symbols(x, size))
        return e


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
