"""A small network unrolled: every value and every gradient of each step, in the five topologies of the lecture.

Forward and backward run step by step on the graph of the cell's equations and its derived adjoint
(`rondo.expr.adjoint`), so each number is one that the printed backpropagation through time speaks of:

    z<t> = v . h<t> + d        ŷ<t> = sigmoid(z<t>)        L<t> = -y<t> log ŷ<t> - (1 - y<t>) log(1 - ŷ<t>)
    L = Σ L<t>                 dL/dW = Σ_t (dL/dW)<t>

over the steps that answer. A step that reads nothing gets x<t> = 0. In sequence to sequence two networks follow each
other: the state in which the first ends is where the second begins, and each has its own W (Sutskever et al. 2014,
arXiv:1409.3215).

Truncated backpropagation through time counts the losses of a window alone, and lets no gradient leave it for the steps
before; the state still comes from there (Williams & Peng 1990, doi:10.1162/neco.1990.2.4.490).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, array
from rondo.expr.adjoint import OUTPUT, Adjoint, arriving, differentiate
from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, const, intern
from rondo.kernels import reference
from rondo.rnn import RNN, as_cell

Values = dict[Expr, reference.Value]
Columns = dict[str, Tensor]  # by name, vectors as columns [n, B]
TOPOLOGIES = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "sequence-to-sequence")
MOST = 64  # steps


@functools.cache
def derived(cell: str) -> tuple[Graph, Adjoint]:
    """The graph of a cell (a shipped name, or equations as text) and its adjoint."""
    graph = as_cell(cell).graph
    return graph, differentiate(graph)


@dataclass(frozen=True, eq=False)
class Pulled:
    """What one step does to the gradients that arrive at it.

    full      dL/ds<t> of each new state, through everything that reads it
    entering  dL/ds<t-1>, as far as it goes through this step
    inputs    dL/dx<t>
    params    this step's term of each parameter's gradient, summed over rows
    """

    full: Columns
    entering: Columns
    inputs: Columns
    params: Columns


class Unit:
    """One layer, a step at a time, with its derived backward pass; `params` by name as the cell's own."""

    def __init__(self, graph: Graph, adjoint: Adjoint, params: Columns) -> None:
        self.graph, self.adjoint = graph, adjoint
        self.params = {k: v.unsqueeze(1) if v.dim() == 1 else v for k, v in params.items()}
        self.full = {s: adjoint.of.get(node, const(0)) for s, node in graph.updates.items()}
        widths = {name: p.shape for name, p in self.params.items()}
        sizes = {p.rows: widths[p.name][0] for p in graph.params.values()}
        for p in graph.params.values():
            unknown = [c for c in p.cols if c not in sizes]
            known = sum(sizes[c] for c in p.cols if c in sizes)
            sizes |= {c: (widths[p.name][1] - known) // len(unknown) for c in unknown}
        self.sizes = sizes
        self.read = reference.block_reader(graph, self.params, sizes)

    def start(self, rows: int) -> Columns:
        """The state before the first step: zero."""
        like = next(iter(self.params.values()))
        return {s: like.new_zeros(self.sizes[n], rows) for s, n in self.graph.states.items()}

    def step(self, x: Columns, state: Columns) -> Values:
        """The value of every node of one step."""
        values: Values = {intern("vector", (), k): v for k, v in self.params.items()}
        values |= {intern("input", (), k): v for k, v in x.items()}
        values |= {intern("state", (), k): v for k, v in state.items()}
        named = [n.expr for n in self.graph.names]
        reference.evaluate([*self.graph.roots, *named], values, self.read)
        return values

    def state(self, values: Values) -> Columns:
        """The state after a step."""
        return {s: torch.as_tensor(values[node]) for s, node in self.graph.updates.items()}

    def pull(self, values: Values, output: Tensor, after: Columns, params: bool = True) -> Pulled:
        """The step backward: `output` is the gradient of its own loss by its output, `after` what later steps hand
        back to each new state. Without `params` the gradients of parameters are left out."""
        a, rows = self.adjoint, output.shape[1]
        known = {**values, intern("adjoint", (), OUTPUT): output}
        known |= {arriving(s): v for s, v in after.items()}
        more = [*a.roots, *_operands(a)] if params else [*a.states.values(), *a.inputs.values()]
        reference.evaluate([*self.full.values(), *more], known, self.read)

        def get(node: Expr, size: int) -> Tensor:
            value = known.get(node, 0.0) if node.op != "const" else node.attr
            return torch.as_tensor(value, dtype=output.dtype).expand(size, rows)

        def states(nodes: dict[str, Expr]) -> Columns:
            return {s: get(node, self.sizes[self.graph.states[s]]) for s, node in nodes.items()}

        inputs = {k: get(d, self.sizes[self.graph.inputs[k]]) for k, d in a.inputs.items()}
        return Pulled(states(self.full), states(a.states), inputs, self._params(get) if params else {})

    def _params(self, get: Callable[[Expr, int], Tensor]) -> Columns:
        found = {}
        for p in self.graph.params.values():
            own = self.params[p.name]
            if not p.is_matrix:
                found[p.name] = get(self.adjoint.vectors[p.name], len(own)).sum(1)
                continue
            blocks = []
            for k, size in enumerate(p.cols):
                terms = self.adjoint.matrices.get(Block(p.name, k, len(p.cols)), ())
                outer = [get(d, len(own)) @ get(v, self.sizes[size]).T for d, v in terms]
                blocks.append(torch.stack(outer).sum(0) if outer else own.new_zeros(len(own), self.sizes[size]))
            found[p.name] = torch.cat(blocks, 1)
        return found


def _operands(adjoint: Adjoint) -> list[Expr]:
    return [v for terms in adjoint.matrices.values() for _, v in terms]


# --- the topologies --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """Which steps read an input, which answer, and the step with which a second network begins (their number where
    there is one network)."""

    reads: tuple[bool, ...]
    answers: tuple[bool, ...]
    second: int


def shape(topology: str, steps: int) -> Shape:
    """The shape of a topology. One-to-one has one step; of a sequence to sequence the first half reads, the rest
    answers. Raises DiagnoseError."""
    if topology not in TOPOLOGIES:
        raise DiagnoseError(f"no topology is called {topology!r}: take one of {', '.join(TOPOLOGIES)}")
    if not 1 <= steps <= MOST or (topology == "sequence-to-sequence" and steps < 2):
        raise DiagnoseError(f"{topology} is drawn over 2 to {MOST} steps, found {steps}")
    n = 1 if topology == "one-to-one" else steps
    every, first, end = (True,) * n, (True,) + (False,) * (n - 1), (False,) * (n - 1) + (True,)
    if topology == "sequence-to-sequence":
        half = (n + 1) // 2
        reads = tuple(k < half for k in range(n))
        return Shape(reads, tuple(not r for r in reads), half)
    reads = first if topology == "one-to-many" else every
    return Shape(reads, end if topology == "many-to-one" else every, n)


@dataclass(frozen=True, eq=False)
class Small:
    """A network of a few units at work: its one or two cells, the output layer, an input and its targets.

    units   one, or the encoder and the decoder; head [hidden], bias []
    x       [T, 1]; targets [T] of 0 and 1; both zero where they do not count
    """

    shape: Shape
    cell: str
    units: tuple[Unit, ...]
    head: Tensor
    bias: Tensor
    x: Tensor
    targets: Tensor

    def owner(self, t: int) -> int:
        """Which network makes step t, counted from 0."""
        return int(t >= self.shape.second)

    @property
    def rows(self) -> list[str]:
        """The gate of each row of `stacked`: "r", "u", "c"; "" of a cell with one matrix."""
        params = self.units[0].params
        return [gate.lstrip("_") for gate in gates(params) for _ in params[f"b{gate}"]]

    @property
    def columns(self) -> list[str]:
        """What each column of `stacked` multiplies: "h", "x", or "1" (the bias)."""
        return ["h"] * len(self.head) + ["x"] * self.x.shape[1] + ["1"]


def small(topology: str, steps: int = 5, cell: str = "elman", hidden: int = 3, seed: int = 1) -> Small:
    """A network drawn from a seed, in float64: matrices with deviation 1/sqrt(hidden), inputs standard normal, targets
    0 or 1. Raises DiagnoseError."""
    form, draw = shape(topology, steps), torch.Generator().manual_seed(seed)

    def normal(*size: int, std: float = 1.0) -> Tensor:
        return std * torch.randn(*size, dtype=torch.float64, generator=draw)

    graph, adjoint = derived(cell)
    units = []
    for _ in range(1 if form.second == len(form.reads) else 2):
        own = RNN(cell, 1, hidden, dtype=torch.float64, backend="reference").part("l0")
        shapes = {name: p.shape for name, p in own.named_parameters()}
        params = {k: normal(*s, std=hidden**-0.5 if len(s) == 2 and s[1] > 1 else 0.6) for k, s in shapes.items()}
        units.append(Unit(graph, adjoint, params))
    reads, answers = torch.tensor(form.reads), torch.tensor(form.answers)
    x = torch.where(reads.unsqueeze(1), normal(len(reads), 1), 0.0)
    targets = torch.where(answers, (normal(len(reads)) > 0).double(), 0.0)
    return Small(form, cell, tuple(units), normal(hidden), normal(1).squeeze(), x, targets)


# --- values and gradients --------------------------------------------------------------------------


@dataclass(frozen=True)
class Forward:
    """One step forward: the named values and new states by name, and prediction and loss where it answers."""

    named: dict[str, Array]
    prediction: float | None
    loss: float | None


@dataclass(frozen=True)
class Backward:
    """One step backward. Norms run over all states together.

    score    dL/dz<t> = ŷ<t> - y<t>, 0 where it does not count
    own      norm of dL<t>/dh<t>, what the step's own loss brings
    arriving norm of what comes back from step t+1
    full     dL/ds<t> by state
    leaving  norm of what goes back to step t-1, before a window cuts it
    input    dL/dx<t>
    weights  the step's term of dL/dW, as `stacked`
    running  the sum of the terms of this and all later steps of the same network
    """

    score: float
    own: float
    arriving: float
    full: dict[str, Array]
    leaving: float
    input: Array
    weights: Array
    running: Array

    def norm(self, name: str) -> float:
        """The Euclidean norm of one of full (all states together), input, weights, running."""
        value = getattr(self, name)
        parts = value.values() if isinstance(value, dict) else [value]
        return float(np.linalg.norm(np.concatenate([v.ravel() for v in parts])))


@dataclass(frozen=True)
class Unrolled:
    """A pass forward over all steps, and one backward over those of the window [first, last], counted from 0; the
    other steps have no backward. `weights` is dL/dW of each network."""

    forward: tuple[Forward, ...]
    backward: tuple[Backward | None, ...]
    window: tuple[int, int]
    loss: float
    weights: tuple[Array, ...]

    @property
    def largest(self) -> float:
        """The largest norm of a gradient that passes from one node to another."""
        passed = [
            [abs(b.score), b.own, b.arriving, b.leaving, b.norm("full"), b.norm("input"), b.norm("weights")]
            for b in self.backward
            if b is not None
        ]
        return max((v for step in passed for v in step), default=0.0)


def unroll(net: Small, first: int = 0, last: int | None = None) -> Unrolled:
    """Run a network forward, and backward inside a window. Raises DiagnoseError where the window is none."""
    steps = len(net.x)
    last = steps - 1 if last is None else last
    if not 0 <= first <= last < steps:
        raise DiagnoseError(f"a window lies within the steps 1 to {steps}, found {first + 1} to {last + 1}")
    values, forward = _forward(net)
    backward, weights = _backward(net, values, forward, first, last)
    loss = sum(f.loss for f in forward if f.loss is not None)
    return Unrolled(tuple(forward), tuple(backward), (first, last), loss, weights)


def _forward(net: Small) -> tuple[list[Values], list[Forward]]:
    state = net.units[0].start(1)
    values, found = [], []
    for t, x in enumerate(net.x):
        unit = net.units[net.owner(t)]
        now = unit.step({next(iter(unit.graph.inputs)): x.unsqueeze(1)}, state)
        state = unit.state(now)
        named = {n.name: now[n.expr] for n in unit.graph.names} | dict(state)
        guess = loss = None
        if net.shape.answers[t]:
            z = net.head @ torch.as_tensor(now[unit.graph.output]).squeeze(1) + net.bias
            guess = float(torch.sigmoid(z))
            loss = float(functional.binary_cross_entropy_with_logits(z, net.targets[t]))
        values.append(now)
        found.append(Forward({k: array(torch.as_tensor(v)).ravel() for k, v in named.items()}, guess, loss))
    return values, found


def _backward(
    net: Small, values: list[Values], forward: list[Forward], first: int, last: int
) -> tuple[list[Backward | None], tuple[Array, ...]]:
    found: list[Backward | None] = [None] * len(values)
    after = net.units[-1].start(1)
    sums = [np.zeros_like(stacked(unit.params)) for unit in net.units]
    for t in range(last, first - 1, -1):
        k, guess = net.owner(t), forward[t].prediction
        score = 0.0 if guess is None else guess - float(net.targets[t])
        own = (score * net.head).unsqueeze(1)
        pulled = net.units[k].pull(values[t], own, after)
        term = stacked(pulled.params)
        sums[k] = sums[k] + term
        found[t] = Backward(
            score=score,
            own=float(own.norm()),
            arriving=_norm(after),
            full={s: array(v).ravel() for s, v in pulled.full.items()},
            leaving=_norm(pulled.entering),
            input=array(next(iter(pulled.inputs.values()))).ravel(),
            weights=term,
            running=sums[k],
        )
        after = pulled.entering
    return found, tuple(sums)


def _norm(state: Columns) -> float:
    return float(torch.cat(list(state.values())).norm())


def stacked(params: Columns) -> Array:
    """Parameters (or their gradients) of a cell as the one matrix of the lecture's W[a<t-1>, x<t>] + b: the gates'
    rows under each other, and side by side what multiplies the state, what multiplies x, and the bias. The cell has U,
    W and b for each gate (elman, gru-cho, lstm); else DiagnoseError."""
    ends = gates(params)
    rows = [torch.cat([params[f"{p}{g}"].reshape(len(params[f"b{g}"]), -1) for p in "UWb"], 1) for g in ends]
    return array(torch.cat(rows))


def gates(params: Columns) -> list[str]:
    """The endings of the names of each gate's U, W and b: [""] of Elman, ["_r", "_u", "_c"] of a GRU."""
    ends = [name[1:] for name in params if name.startswith("b")]
    if not ends or set(params) != {f"{p}{g}" for p in "UWb" for g in ends}:
        raise DiagnoseError("one matrix W[a, x] + b needs a cell with U, W and b for each gate: elman, gru-cho, lstm")
    return ends


@dataclass(frozen=True)
class Difference:
    """How far a truncated gradient is from the whole one: cosine of the angle between them, None where one is zero,
    and norm of their difference by that of the whole one, None where that is zero."""

    cosine: float | None
    relative: float | None


def difference(found: Unrolled, whole: Unrolled) -> Difference:
    """Compare dL/dW of two passes, all networks together."""
    a, b = (np.concatenate([w.ravel() for w in u.weights]) for u in (found, whole))
    na, nb = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    cosine = min(1.0, max(-1.0, float(a @ b) / na / nb)) if na > 0 and nb > 0 else None
    return Difference(cosine, float(np.linalg.norm(a - b)) / nb if nb > 0 else None)
