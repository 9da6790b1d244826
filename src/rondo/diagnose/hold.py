"""Hold: gates of a cell held at a value while it reads, and what a gate is made of.

    Γ<t> := to        for chosen units at chosen steps, for all that reads the gate, within the step and after it

as if its equation were another (an intervention, do(Γ = to): Pearl 2009, Causality, sec. 3.4). What the gate's own
equation says is kept beside it. A gate is a squashed sum, and each product in it has a part from each of its inputs:

    Γ_k = σ(z_k),    z_k = Σ_j W[k, j] x_j + Σ_j U[k, j] a_j + b_k
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array
from rondo.diagnose.steps import Values, names, walk
from rondo.expr.graph import Graph, nearest
from rondo.expr.nodes import Block, Expr


@dataclass(frozen=True)
class Hold:
    """A named intermediate or state held at `to`: at all units and steps, or at one unit, one step (from 0)."""

    name: str
    to: float
    unit: int | None = None
    step: int | None = None


@dataclass(frozen=True, eq=False)
class Held:
    """A pass forward with gates held: at every step the value of every node, and `own`, what the equation of each node
    that is held would have made."""

    graph: Graph
    values: list[Values]
    own: list[Values]

    def of(self, name: str) -> Array:
        """The values [T, n] of a name of the equations or a state."""
        node = _node(self.graph, name)
        return np.stack([step[node] for step in self.values])

    def own_of(self, name: str) -> Array:
        """The same, as its equation gives them."""
        node = _node(self.graph, name)
        return np.stack([own.get(node, step[node]) for step, own in zip(self.values, self.own, strict=True)])


def _node(graph: Graph, name: str) -> Expr:
    known = names(graph)
    if name not in known:
        raise DiagnoseError(f"{graph.name} has no {name!r}{nearest(name, list(known))}")
    return known[name]


def held(graph: Graph, params: Mapping[str, Tensor], x: Tensor, holds: Sequence[Hold] = ()) -> Held:
    """Walk a cell over x [T, n] with gates held. Raises DiagnoseError for a name, a unit or a step that is not
    there."""
    wanted: dict[Expr, list[Hold]] = {}
    for hold in holds:
        wanted.setdefault(_node(graph, hold.name), []).append(hold)
        _within(hold, "step", hold.step, len(x))
    own: list[Values] = [{} for _ in range(len(x))]

    def amend(t: int, node: Expr, value: Tensor) -> Tensor:
        if node not in wanted:
            return value
        own[t][node], new = value.squeeze(1).numpy().copy(), value.clone()
        for hold in wanted[node]:
            _within(hold, "unit", hold.unit, len(new))
            if hold.step in (None, t):
                new[slice(None) if hold.unit is None else hold.unit] = hold.to
        return new

    return Held(graph, walk(graph, params, {next(iter(graph.inputs)): x}, amend), own)


def _within(hold: Hold, what: str, value: int | None, count: int) -> None:
    if value is not None and not 0 <= value < count:
        raise DiagnoseError(f"{hold.name} has the {what}s 0 to {count - 1}, found {value}")


@dataclass(frozen=True)
class Term:
    """One addend of what a squashing function is given: the node that a matrix multiplies, with the part [T, m] of one
    unit that each of its m numbers makes; a bias or another piece is a node with one column."""

    node: Expr
    parts: Array


def terms(found: Held, params: Mapping[str, Tensor], name: str, unit: int) -> list[Term]:
    """What one unit of a named sigmoid or tanh is made of at every step; all parts sum to its argument. Raises
    DiagnoseError for a name that is no sigmoid or tanh."""
    node = _node(found.graph, name)
    if node.op not in ("sigmoid", "tanh"):
        raise DiagnoseError(f"{name} is no sigmoid or tanh: it has no argument to take apart")
    return [_term(found, params, sign, part, unit) for sign, part in addends(node.args[0])]


def addends(node: Expr, sign: float = 1.0) -> list[tuple[float, Expr]]:
    """A sum as signed terms."""
    signs = {"add": (sign, sign), "sub": (sign, -sign), "neg": (-sign,)}.get(node.op)
    if signs is None:
        return [(sign, node)]
    return [term for arg, s in zip(node.args, signs, strict=True) for term in addends(arg, s)]


def _term(found: Held, params: Mapping[str, Tensor], sign: float, node: Expr, unit: int) -> Term:
    if node.op != "matmul":
        return Term(node, sign * np.stack([step[node][unit : unit + 1] for step in found.values]))
    block, operand = node.attr, node.args[0]
    assert isinstance(block, Block)
    inputs = np.stack([step[operand] for step in found.values])
    widths = {
        n.attr.index: len(found.values[0][n.args[0]])
        for n in found.values[0]
        if n.op == "matmul" and isinstance(n.attr, Block) and n.attr.name == block.name
    }
    start = sum(widths[k] for k in range(block.index))
    row = params[block.name].detach()[unit, start : start + inputs.shape[1]].double().numpy()
    return Term(operand, sign * inputs * row)
