"""Lesion: a network in which one unit of a named intermediate or of a state is held at a value.

    v_j<t> := to        at every step, for all that reads v<t>, within the step and after it

What the loss then gains says what the unit was good for (Morcos et al. 2018, arXiv:1803.06959; for the units of
recurrent language models Lakretz et al. 2019, arXiv:1903.07435).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import Expr, intern, topological
from rondo.kernels import dispatch
from rondo.rnn import RNN, Run

KEEP, HELD = "+keep", "+held"  # names that no equation can have


def lesioned(graph: Graph, name: str) -> Graph:
    """The graph with `keep * v + held` in place of the intermediate or state `name`, v its node; keep and held are
    inputs of its size. Raises DiagnoseError for a name that the equations do not have."""
    named = {**{n.name: n.expr for n in graph.names}, **graph.updates}
    if name not in named:
        raise DiagnoseError(f"{graph.name} has no {name!r}{nearest(name, list(named))}")
    target, size = named[name], graph.sizes[named[name]]
    keep, held = intern("input", (), KEEP), intern("input", (), HELD)
    new: dict[Expr, Expr] = {}
    for node in topological([*graph.roots, *(n.expr for n in graph.names)]):
        same = intern(node.op, tuple(new[a] for a in node.args), node.attr) if node.args else node
        # a leaf stands for the old value too: there only the new state is another
        new[node] = keep * same + held if node is target and node.args else same
    updates = {s: new[v] for s, v in graph.updates.items()}
    if name in updates and not target.args:
        updates[name] = keep * new[target] + held
    names = tuple(Named(n.name, new[n.expr], n.line) for n in graph.names)
    inputs = {**graph.inputs, KEEP: size, HELD: size}
    shapes = {p.name: (p.rows, *p.cols) for p in graph.params.values()}
    solved = solve(graph.name, inputs, graph.states, names, updates, new[graph.output], shapes, masks=graph.masks)
    return replace(solved, square=graph.square)


def holding(rnn: RNN, name: str, unit: int, to: float) -> Run:
    """A scan for `rondo.diagnose.inside.scanning`: the reference loop with unit `unit` of `name` ("l0.h") held at
    `to`. Raises DiagnoseError for a name or a unit that the network does not have."""
    layer, _, own = name.partition(".")
    if layer not in rnn.parts:
        raise DiagnoseError(f"there is no layer {layer!r}{nearest(layer, list(rnn.parts))}")
    part = rnn.part(layer)
    graph = lesioned(part.graph, own)
    width = part.sizes[graph.inputs[KEEP]]
    if not 0 <= unit < width:
        raise DiagnoseError(f"{name} has the units 0 to {width - 1}, found {unit}")

    def run(at: str, **arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        if at != layer:
            return dispatch.scan(**arguments, backend=rnn.backend)
        x: dict[str, Tensor] = arguments["x"]
        first = next(iter(x.values()))
        keep, held = first.new_ones(width), first.new_zeros(width)
        keep[unit], held[unit] = 0.0, to
        wide = (*first.shape[:2], width)
        x = {**x, KEEP: keep.expand(wide), HELD: held.expand(wide)}
        cut = lesioned(arguments["graph"], own)
        return dispatch.scan(**{**arguments, "graph": cut, "x": x}, backend="reference")

    return run
