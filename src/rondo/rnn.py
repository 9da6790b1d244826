"""RNN: a cell run over time, in layers and directions.

    rnn = RNN(GRUCho, input=28, hidden=64, layers=2)
    y, state = rnn(x)                    # x [B, T, 28] -> y [B, T, 64]; state by name, e.g. state["l1.h"] [B, 64]
    y, state = rnn(x, state)             # goes on where the last call stopped

Parameters are ordinary ones, named as in the equations: `rnn.l0.W_r`, `rnn.l0_reverse.W_r`, `rnn.l1.W_r`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rondo import cells
from rondo.cell import Cell
from rondo.expr import rewrite
from rondo.expr.graph import Graph, nearest
from rondo.initial import check_init
from rondo.inputs import (
    check_sequence,
    checked_lengths,
    checked_resets,
    checked_symbols,
    computing_dtype,
    full_precision,
    is_index,
    without_padding,
)
from rondo.kernels import dispatch
from rondo.layer import Layer
from rondo.sites import Sites
from rondo.states import States, unit_name
from rondo.stepper import Stepper
from rondo.trace import noting

Inputs = Tensor | dict[str, Tensor]
Run = Callable[..., tuple[Tensor, dict[str, Tensor]]]  # (unit's name, what Layer.arguments gives, lengths, resets)


class RNN(nn.Module):
    """A recurrent network: one cell, in layers and directions.

    cell           a Cell, its class, the name of a shipped cell ("gru-cho"), or the text of its equations
    input          width of x; hidden: units, one number or a list with one for each layer
    layers         depth (with a list of units: its length); bidirectional: each layer also runs from the end, and
                   hands on both outputs side by side
    learn_initial  the state before the first step and after a reset is learned (else zero)
    project        put a learned matrix before each layer whose cell needs input = hidden and has not
    *_dropout, zoneout, locked   random sites, see `rondo.sites.Sites`; `dropout` is the one between layers
    clip_gradient  in training, the gradient that a step hands to the one before it is limited to [-clip_gradient,
                   clip_gradient], unit by unit; 0: not (`rondo.expr.rewrite.clip_gradient`)
    backend        "auto" or "reference", see `rondo.kernels.dispatch`
    **sizes        sizes that the cell adds, e.g. rank=8

    Raises ValueError or EquationError for what does not fit, naming it.
    """

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        input: int,
        hidden: int | Sequence[int],
        layers: int | None = None,
        bidirectional: bool = False,
        *,
        learn_initial: bool = False,
        project: bool = False,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        locked: bool | Collection[str] = False,
        clip_gradient: float = 0.0,
        backend: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.cell = as_cell(cell)
        self.input, self.hidden, self.bidirectional = _positive("input", input), _units(hidden, layers), bidirectional
        self.sites = Sites(input_dropout, dropout, output_dropout, recurrent_dropout, weight_dropout, zoneout, locked)
        self.backend = backend
        graph = self.cell.graph
        check_init(graph)
        graphs, where = self.sites.graphs(graph), {"device": device, "dtype": dtype}
        if clip_gradient:
            graphs[True] = rewrite.clip_gradient(graphs[True], clip_gradient)
        _check_extra_inputs(graph, len(self.hidden))
        extra = _extra_sizes(self.cell, sizes)
        self.units: list[list[str]] = []  # names of the layers' parts: [[l0, l0_reverse], [l1, ...]]
        width = self.input
        for k, units in enumerate(self.hidden):
            values, wide = _layer_sizes(self.cell, width, units, extra, project, k)
            names = [unit_name(k, reverse) for reverse in (False, True)[: 1 + bidirectional]]
            for reverse, name in enumerate(names):
                part = Layer(graph, graphs, values, bool(reverse), self.sites, learn_initial, wide, **where)
                self.add_module(name, part)
            self.units.append(names)
            width = part.width * len(names)
        self.output_size = width  # of y
        self._projects = project and graph.square

    def part(self, name: str) -> Layer:
        """One layer in one direction: "l0", "l0_reverse", ..."""
        return self._modules[name]  # type: ignore[return-value]

    @property
    def parts(self) -> dict[str, Layer]:
        """Every layer and direction by name."""
        return {name: self.part(name) for names in self.units for name in names}

    def forward(
        self, x: Inputs, state: States | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """The network over a batch of sequences.

        x        [B, T, input], or integers [B, T] for one-hot vectors; a dictionary for a cell of several inputs
        state    what an earlier call returned (same rows), or None for the initial state
        lengths  [B] integers in 0..T, any order: steps past the length are not run and their outputs are zero
        resets   [B, T] bool: True makes step t the first of a segment, entered with the initial state; no gradient
                 crosses. The reverse direction restarts below such a t
        Returns y [B, T, output_size] in x's dtype, and the state after the last step of each row. Half precision and
        autocast compute in float32; the state stays in float32, so that nothing is lost between calls.
        Raises TypeError or ValueError naming the argument that does not fit.
        """
        return self._over_layers(self._scan, x, state, lengths, resets)

    def _scan(self, name: str, **arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        return dispatch.scan(**arguments, backend=self.backend)

    def _over_layers(
        self, run: Run, x: Inputs, state: States | None, lengths: Tensor | None, resets: Tensor | None
    ) -> tuple[Tensor, States]:
        given = self._named(x)
        main, *others = given
        batch, steps = given[main].shape[:2]
        lengths = checked_lengths(lengths, batch, steps, given[main].device)
        resets = checked_resets(resets, batch, steps, given[main].device)
        values, returned = self._vectors(given, lengths)
        v = values[main]
        with full_precision(v):
            before = self.start(batch) if state is None else self._given(state, v, computing_dtype(v, self._weight()))
            new = States()
            v = self.sites.on("input", v) if self.training else v
            for k, names in enumerate(self.units):
                if k and self.training:
                    v = self.sites.on("between", v)
                outputs = []
                for name in names:
                    part = self.part(name)
                    own = {s: before[f"{name}.{s}"] for s in part.graph.states}
                    fed = {main: v, **{i: values[i] for i in others}}
                    y, after = run(name, **part.arguments(fed, own), lengths=lengths, resets=resets)
                    outputs.append(y)
                    new.update((f"{name}.{s}", value) for s, value in after.items())
                v = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
            v = self.sites.on("output", v) if self.training else v
        return v.to(returned), new

    def _weight(self) -> Tensor:
        """A parameter that tells the network's dtype and device."""
        part = self.part("l0")
        weight: Tensor = getattr(part, next(iter(part.graph.params)))
        return weight

    def _named(self, x: Inputs) -> dict[str, Tensor]:
        """The cell's inputs by name, in the order of its equations, checked."""
        expected, weight = self.cell.graph.inputs, self._weight()
        main = next(iter(expected))
        given = x if isinstance(x, dict) else {main: x}
        if given.keys() != expected.keys():
            raise ValueError(f"{self.cell.name} reads {', '.join(expected)}: pass a dictionary with these names")
        sizes = self.part("l0").sizes
        for name, size in expected.items():
            check_sequence(given[name], name, self.input if name == main else sizes[size], weight)
        if any(v.shape[:2] != given[main].shape[:2] for v in given.values()):
            raise ValueError("the inputs of the cell differ in batch or time: they are read step by step together")
        return {name: given[name] for name in expected}

    def _vectors(self, given: dict[str, Tensor], lengths: Tensor | None) -> tuple[dict[str, Tensor], torch.dtype]:
        """The inputs as vectors in the computing dtype, and the dtype of y."""
        weight, values = self._weight(), {}
        for name, v in given.items():
            dtype = computing_dtype(v, weight)
            if lengths is not None and (is_index(v) or self._projects):  # a NaN or a -1 there must not reach a product
                v = without_padding(v, lengths)
            values[name] = self._symbols(v, dtype) if is_index(v) else v.to(dtype)
        first = next(iter(given.values()))
        return values, weight.dtype if is_index(first) else first.dtype

    def _symbols(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Symbols [B, T]: as they are where the first layer looks rows of its input maps up, else one-hot vectors."""
        x, first = checked_symbols(x, self.input), self.part("l0")
        drops = self.training and self.sites.input
        if (first.projects or first.tables[self.training]) and not drops:
            return x
        return nn.functional.one_hot(x, self.input).to(dtype)

    def start(self, batch: int) -> States:
        """The state before the first step for `batch` rows: learned, or zero."""
        weight = self._weight()
        dtype = computing_dtype(weight, weight)
        return States(
            (f"{name}.{s}", v) for name, part in self.parts.items() for s, v in part.start(batch, weight, dtype).items()
        )

    def _given(self, state: States, v: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
        """A state that was passed in, checked, in the computing dtype."""
        shapes = {f"{n}.{s}": (len(v), p.sizes[z]) for n, p in self.parts.items() for s, z in p.graph.states.items()}
        if not isinstance(state, Mapping) or state.keys() != shapes.keys():
            found = ", ".join(state) if isinstance(state, Mapping) else type(state).__name__
            raise ValueError(f"this network carries {', '.join(shapes)}; found {found}: pass what a call returned")
        for name, shape in shapes.items():
            if state[name].shape != shape:
                raise ValueError(f"the state {name} must be {list(shape)}, found {list(state[name].shape)}")
            if state[name].device != v.device:
                raise ValueError(f"the state {name} is on {state[name].device}, x on {v.device}: use state.to(device)")
        return {name: value.to(dtype) for name, value in state.items()}

    def trace(
        self, x: Inputs, state: States | None = None, lengths: Tensor | None = None, resets: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Every named intermediate and every state after its step, by layer and direction: {"l0.r": [B, T, n], ...}.

        Arguments as in a call; runs the reference loop. Zero past the lengths. A state's name wins over a local name
        that means something else.
        """
        seen: dict[str, Tensor] = {}
        self._over_layers(noting(seen), x, state, lengths, resets)
        return seen

    def stepper(self, state: States | None = None, batch: int = 1) -> Stepper:
        """A function that runs one step at a time, from `state` or, for `batch` rows, from the initial state.

            step = rnn.stepper()
            y = step(x)                      # x [B, input] -> y [B, output_size]; step.state is what it carries

        Equals the whole sequence; no gradient is kept. Raises ValueError on a bidirectional network, and in training
        where a random site would draw anew at each step.
        """
        if self.bidirectional:
            raise ValueError("a bidirectional network needs the whole sequence: it has no single step")
        if self.training and self.sites.active:
            raise ValueError("this network has random sites and is in training: call eval() before stepper()")
        weight = self._weight()
        given = self.start(batch) if state is None else state
        rows = len(next(iter(given.values()), weight)) if isinstance(given, Mapping) else 0
        dtype = computing_dtype(weight, weight)
        own = self._given(given, weight.new_empty(rows, 0), dtype)
        return Stepper(list(self.parts.items()), own, self._step_inputs, self.backend)

    def _step_inputs(self, x: Inputs) -> tuple[dict[str, Tensor], torch.dtype]:
        """The inputs of one step as vectors [B, 1, n], and the dtype of y; x [B, input] or integers [B]."""
        one = {name: v.unsqueeze(1) for name, v in x.items()} if isinstance(x, dict) else x.unsqueeze(1)
        values, returned = self._vectors(self._named(one), None)
        for name, v in values.items():
            if is_index(v):
                values[name] = nn.functional.one_hot(v, self.input).to(computing_dtype(v, self._weight()))
        return values, returned

    def explain(self) -> str:
        """Which path each layer takes and why, a line each."""
        weight = self._weight()
        dtype = computing_dtype(weight, weight)
        return "\n".join(
            f"{name}: {dispatch.explain(part.graphs[self.training], weight.device, dtype, self.backend)}"
            for name, part in self.parts.items()
        )

    def reset_parameters(self) -> None:
        """Draw every parameter anew."""
        for part in self.parts.values():
            part.reset_parameters()

    def extra_repr(self) -> str:
        hidden = self.hidden[0] if len(self.hidden) == 1 else self.hidden
        return f"{self.cell.name}, input={self.input}, hidden={hidden}" + ", bidirectional" * self.bidirectional


def as_cell(cell: Cell | type[Cell] | str) -> Cell:
    """A Cell from an instance, a class, a shipped name, or the text of its equations."""
    if isinstance(cell, str):
        return Cell.parse(cell) if "=" in cell else cells.find(cell)
    if isinstance(cell, type) and issubclass(cell, Cell):
        return cell()
    if isinstance(cell, Cell):
        return cell
    raise TypeError(f"cell must be a Cell, its class, a name or equations as text, found {type(cell).__name__}")


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive whole number, found {value!r}")
    return value


def _units(hidden: int | Sequence[int], layers: int | None) -> list[int]:
    """Units of each layer."""
    if isinstance(hidden, int):
        return [_positive("hidden", hidden)] * _positive("layers", 1 if layers is None else layers)
    if not hidden or layers not in (None, len(hidden)):
        raise ValueError(f"hidden lists {len(hidden)} layer(s) and layers is {layers}: give one number for each layer")
    return [_positive("hidden", h) for h in hidden]


def _check_extra_inputs(graph: Graph, layers: int) -> None:
    wide = [name for name, size in list(graph.inputs.items())[1:] if size == "input"]
    if wide and layers > 1:
        raise ValueError(f"{graph.name}: its input {wide[0]!r} has the width of x, which a second layer no longer has")


def _extra_sizes(cell: Cell, given: dict[str, int]) -> dict[str, int | str]:
    """The sizes that the cell adds: as given, else its default."""
    added = [s for s in cell.graph.size_names if s not in ("input", "hidden")]
    for name in given:
        if name not in added:
            raise ValueError(f"{cell.name} has no size {name!r}{nearest(name, added)}")
        _positive(name, given[name])
    values = {**{k: v for k, v in cell.sizes.items() if k in added}, **given}
    missing = [s for s in added if s not in values]
    if missing:
        raise ValueError(f"{cell.name} has a size {missing[0]!r}: pass {missing[0]}=... to RNN")
    return values


def _layer_sizes(
    cell: Cell, width: int, units: int, extra: dict[str, int | str], project: bool, k: int
) -> tuple[dict[str, int], int | None]:
    """Every size of layer k, and the width that a projection has to bring to `input`, if one is needed."""
    square = cell.graph.square and width != units
    if square and not project:
        raise ValueError(
            f"{cell.name} mixes x and its state elementwise, so layer {k} needs input = hidden; found {width} and "
            f"{units}: make them equal, or pass project=True, which puts a learned matrix before the cell"
        )
    own = {"input": units if square else width, "hidden": units}
    own.update({k: v for k, v in extra.items() if isinstance(v, int)})
    own.update({k: own[v] for k, v in extra.items() if isinstance(v, str)})
    return own, width if square else None
