"""RNN, LSTM and GRU with torch.nn's signatures and exactly its parameters, run from the equations.

Names, shapes, order and initial values per seed are torch's, so state dictionaries and optimiser states pass both
ways. The parameters stay whole; the cell sees differentiable slices of them.
"""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rondo import cells
from rondo.expr.graph import Graph
from rondo.expr.rewrite import without_biases
from rondo.inputs import cast, computing_dtype, full_precision
from rondo.kernels import dispatch
from rondo.sites import draw, select

__all__ = ["GRU", "LSTM", "RNN"]

Sequence = Tensor | PackedSequence
State = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Form:
    """How torch's stacked parameters are read: the graph, and the gates in the order in which they are stacked."""

    graph: Graph
    maps: tuple[str, ...]  # rows of weight_ih
    recurrent: tuple[str, ...]  # rows of weight_hh
    biases: tuple[str, ...]  # rows of bias_ih + bias_hh
    apart: str = ""  # the last gate keeps its two biases: the name of the one in bias_hh


def _gates(cell: str, letters: str, bias: bool, apart: str = "") -> Form:
    """The form of a cell whose parameters are W_, U_, b_ with a gate's letter; no letter is no underscore."""
    graph = cells.find(cell).graph
    maps, recurrent, biases = (tuple(f"{kind}_{gate}".strip("_.") for gate in letters or ".") for kind in "WUb")
    return Form(graph if bias else without_biases(graph), maps, recurrent, biases, apart)


@functools.cache
def form(mode: str, bias: bool, projected: bool) -> Form:
    """The form of a module: one graph for all modules of a kind, and with it one kernel."""
    if mode == "LSTM":
        return _gates("lstm-projected" if projected else "lstm", "ifgo", bias)
    if mode == "GRU":
        return _gates("gru", "rzn", bias, "b_hn")
    return _gates("elman" if mode == "RNN_TANH" else "elman-relu", "", bias)


class _Recurrent(nn.Module):
    """What the three modules share; arguments and parameters as in torch.nn."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int = 0,
        **where: Any,
    ) -> None:
        super().__init__()
        _check_arguments(input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size, self.num_layers = mode, input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self.proj_size = proj_size
        self._form = form(mode, bias, proj_size > 0)
        self._names: list[list[list[str]]] = []  # by layer and direction, in torch's order
        for k in range(num_layers):
            shapes = self._shapes(k)
            self._names.append([])
            for direction in ("", "_reverse")[: 1 + bidirectional]:
                self._names[k].append([f"{name}_l{k}{direction}" for name in shapes])
                for name, shape in zip(self._names[k][-1], shapes.values(), strict=True):
                    self.register_parameter(name, nn.Parameter(torch.empty(shape, **where)))
        self.reset_parameters()

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        """The parameters of one layer in one direction, in torch's order."""
        rows = len(self._form.maps) * self.hidden_size
        out = self.proj_size or self.hidden_size
        width = out * (1 + self.bidirectional) if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        return shapes | ({"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {})

    def reset_parameters(self) -> None:
        """Uniform within 1 / sqrt(hidden_size), in torch's order."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            nn.init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters by layer and direction."""
        return [[getattr(self, name) for name in names] for layer in self._names for names in layer]

    def flatten_parameters(self) -> None:
        """Nothing: parameters are never moved. Here so that code written for torch.nn runs."""

    def forward(self, input: Sequence, hx: State | None = None) -> tuple[Any, Any]:
        """As in torch.nn.

        input  [T, B, I], or [B, T, I] with batch_first, or [T, I], or a PackedSequence
        hx     h_0 [layers * directions, B, H], for an LSTM (h_0, c_0); without B where input has none; default zero
        Returns the output, of the kind of `input`, and h_n or (h_n, c_n) like hx. T = 0 is allowed.
        Raises TypeError or ValueError naming what does not fit.
        """
        if isinstance(input, PackedSequence):
            x, lengths = pad_packed_sequence(input, batch_first=True)
            y, after = self._run(x, hx, lengths.to(x.device))
            return _packed_like(y, lengths, input), after
        if not isinstance(input, Tensor) or input.dim() not in (2, 3) or input.shape[-1] != self.input_size:
            found = list(input.shape) if isinstance(input, Tensor) else type(input).__name__
            raise ValueError(f"input must be 2-D or 3-D with {self.input_size} values in the last place, found {found}")
        if input.dim() == 2:
            hx = _each(hx, lambda v: v.unsqueeze(1)) if hx is not None else None
            y, after = self._run(input.unsqueeze(0), hx, None)
            return y.squeeze(0), _each(after, lambda v: v.squeeze(1))
        y, after = self._run(input if self.batch_first else input.transpose(0, 1), hx, None)
        return (y if self.batch_first else y.transpose(0, 1)), after

    def _run(self, x: Tensor, hx: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        """The layers on x [B, T, I], batch first."""
        returned, weight = x.dtype, getattr(self, self._names[0][0][0])
        dtype = computing_dtype(x, weight)
        if x.device != weight.device:
            raise ValueError(f"input is on {x.device} and the parameters are on {weight.device}: move one of them")
        with full_precision(x):
            before = self._start(x, hx, dtype)
            x, cell = cast(x, dtype), self._form
            after: list[dict[str, Tensor]] = []
            for k, layer in enumerate(self._names):
                if k and self.training and self.dropout:  # the mask that torch draws, bit for bit
                    x = select(draw(1 - self.dropout, x.shape, False, x.device), x, self.dropout)
                outputs = []
                for reverse, names in enumerate(layer):
                    params = self._params(cell, names, dtype)
                    own = before[len(after)]
                    y, new = dispatch.scan(cell.graph, params, {"x": x}, own, lengths, reverse=bool(reverse))
                    outputs.append(y)
                    after.append(new)
                x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
        final = [cast(_stack([new[s] for new in after]), returned) for s in cell.graph.states]
        return cast(x, returned), final[0] if len(final) == 1 else (final[0], final[1])

    def _params(self, cell: Form, names: list[str], dtype: torch.dtype) -> dict[str, Tensor]:
        """The cell's parameters as slices; `chunk` makes the gradient of a stacked matrix one concatenation."""
        values: list[Tensor] = [cast(getattr(self, name), dtype) for name in names]
        gates = len(cell.maps)
        params = dict(zip(cell.maps, values[0].chunk(gates), strict=True))
        params.update(zip(cell.recurrent, values[1].chunk(gates), strict=True))
        if self.proj_size:
            params["P"] = values[-1]
        if self.bias and not cell.apart:
            params.update(zip(cell.biases, (values[2] + values[3]).chunk(gates), strict=True))
        elif self.bias:
            inner, outer = values[2].chunk(gates), values[3].chunk(gates)
            sums = [a + b for a, b in zip(inner[:-1], outer[:-1], strict=True)]
            params.update(zip(cell.biases, [*sums, inner[-1]], strict=True), **{cell.apart: outer[-1]})
        return params

    def _start(self, x: Tensor, hx: State | None, dtype: torch.dtype) -> list[dict[str, Tensor]]:
        """The state that each layer and direction starts from, by name."""
        count, batch = self.num_layers * (1 + self.bidirectional), x.shape[0]
        widths = {"h": self.proj_size or self.hidden_size, "c": self.hidden_size}
        names = "hc" if self.mode == "LSTM" else "h"
        if hx is None:
            zeros = {s: torch.zeros(batch, widths[s], dtype=dtype, device=x.device) for s in names}
            return [zeros] * count
        given = hx if isinstance(hx, tuple) else (hx,)
        if len(given) != len(names):
            what = "a pair (h_0, c_0)" if len(names) == 2 else "one tensor h_0"
            raise ValueError(f"hx must be {what}, found {len(given)} tensor(s)")
        for s, v in zip(names, given, strict=True):
            shape = (count, batch, widths[s])
            if v.shape != shape:
                raise ValueError(f"{s}_0 must be {list(shape)}, found {list(v.shape)} (batch in the middle, always)")
        rows = [cast(v, dtype).unbind(0) for v in given]
        return [dict(zip(names, values, strict=True)) for values in zip(*rows, strict=True)]

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults: dict[str, Any] = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        defaults |= {"dropout": 0.0, "bidirectional": False}
        return text + "".join(f", {k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v)


class RNN(_Recurrent):
    """torch.nn.RNN: h<t> = tanh(W_ih x<t> + b_ih + W_hh h<t-1> + b_hh), or relu (see torch.nn.RNN)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity is 'tanh' or 'relu', found {nonlinearity!r}")
        mode, sizes = f"RNN_{nonlinearity.upper()}", (input_size, hidden_size, num_layers)
        super().__init__(mode, *sizes, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity


class LSTM(_Recurrent):
    """torch.nn.LSTM; `proj_size` projects h (Sak et al. 2014). The equations are `rondo.cells.lstm`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__(
            "LSTM", *sizes, bias, batch_first, dropout, bidirectional, proj_size, device=device, dtype=dtype
        )


class GRU(_Recurrent):
    """torch.nn.GRU, which resets after the product. The equations are `rondo.cells.gru`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = (input_size, hidden_size, num_layers)
        super().__init__("GRU", *sizes, bias, batch_first, dropout, bidirectional, device=device, dtype=dtype)


def _stack(values: list[Tensor]) -> Tensor:
    return values[0].unsqueeze(0) if len(values) == 1 else torch.stack(values)


def _each(state: State, f: Any) -> State:
    return (f(state[0]), f(state[1])) if isinstance(state, tuple) else f(state)


def _packed_like(y: Tensor, lengths: Tensor, like: PackedSequence) -> PackedSequence:
    """y [B, T, n] packed in the order of another packed batch."""
    if like.sorted_indices is not None:
        y, lengths = y.index_select(0, like.sorted_indices), lengths[like.sorted_indices.cpu()]
    data = pack_padded_sequence(y, lengths, batch_first=True).data
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)


def _check_arguments(input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int) -> None:
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive whole number, found {value!r}")
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(f"dropout is a probability, found {dropout!r}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"proj_size must be less than hidden_size = {hidden_size} and not negative, found {proj_size}")
    if dropout and num_layers == 1:
        warnings.warn("dropout acts between layers and there is only one: it has no effect", stacklevel=4)
