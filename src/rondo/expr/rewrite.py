"""Rewrites: a graph in, a graph out. Random sites become ordinary boolean inputs of the equations (`Graph.masks`);
a limit on gradients becomes an operator.

A mask is drawn before the loop by whoever runs the graph, so the reference and every kernel read the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import Block, EquationError, Expr, intern, make, topological

DROP = "drop_"  # the mask of recurrent dropout on state h is drop_h: True keeps
ZONE = "zone_"  # the mask of zoneout on state h is zone_h: True keeps the old value


def recurrent_dropout(graph: Graph, p: float) -> Graph:
    """`where(drop_h, s.h / (1 - p), 0)` for each state h, only where h enters a product (Gal & Ghahramani 2016,
    arXiv:1512.05287, eq. 7): alone, or times gates as in `U @ (r * s.h)`. What is carried stays whole.

    Raises EquationError where no state enters a product.
    """
    masks: dict[str, str] = {}

    def dropped(node: Expr) -> Expr:
        if node.op == "mul":
            return make("mul", *(dropped(a) for a in node.args))
        if node.op != "state":
            return node
        name = f"{DROP}{node.attr}"
        masks[name] = graph.states[str(node.attr)]
        return make("where", intern("mask", (), name), node / (1 - p), 0.0)

    new: dict[Expr, Expr] = {}
    for node in topological(_all_roots(graph)):
        args = tuple(new[a] for a in node.args)
        new[node] = intern(node.op, (dropped(args[0]),) if node.op == "matmul" else args, node.attr)
    if not masks:
        raise EquationError(f"{graph.name}: no state enters a product, so recurrent dropout has no place; use zoneout")
    return _renewed(graph, new, masks)


def zoneout(graph: Graph, rates: Mapping[str, float], training: bool) -> Graph:
    """Each state keeps its old value with probability rates[state] (Krueger et al. 2017, arXiv:1606.01305, eq. 3).

    In training `where(zone_h, s.h, new h)`, else the expectation `p * s.h + (1 - p) * new h`. An output that is a
    state is that state after zoneout. Raises EquationError for a state that the cell does not have.
    """
    masks: dict[str, str] = {}
    updates = dict(graph.updates)
    for name, p in rates.items():
        if name not in updates:
            raise EquationError(f"{graph.name} has no state {name!r}{nearest(name, list(updates))}")
        old, new = intern("state", (), name), updates[name]
        if training:
            mask = intern("mask", (), f"{ZONE}{name}")
            masks[str(mask.attr)] = graph.states[name]
            updates[name] = make("where", mask, old, new)
        else:
            updates[name] = p * old + (1 - p) * new
    same = [name for name, node in graph.updates.items() if node is graph.output]
    return _solved(graph, graph.names, updates, updates[same[0]] if same else graph.output, masks)


def clip_gradient(graph: Graph, limit: float) -> Graph:
    """The gradient of every carried state, as it leaves a step backwards in time, limited to [-limit, limit].

    Each state is read through `clip_gradient(s.h, limit)`, whose value is s.h and whose adjoint is
    `minimum(maximum(d, -limit), limit)`, d the sum over all that reads s.h. So no step hands a larger gradient to the
    one before it, whatever the Jacobians do. (Graves 2013, arXiv:1308.0850, sec. 2.1, limits the gradients of the
    gates' sums instead.) Raises EquationError where limit is not a positive number.
    """
    if not 0 < limit < math.inf:
        raise EquationError(f"clip_gradient: the limit is a positive number, found {limit}")
    new: dict[Expr, Expr] = {}
    for node in topological(_all_roots(graph)):
        if node.op == "state":
            new[node] = make("clip_gradient", node, limit)
        else:
            new[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr)
    return _renewed(graph, new, {})


def without_biases(graph: Graph) -> Graph:
    """The graph with every added bias (a vector b...) left out. EquationError where one is not a plain summand."""
    new: dict[Expr, Expr] = {}
    for node in topological(_all_roots(graph)):
        args = tuple(new[a] for a in node.args)
        kept = [a for a in args if not _is_bias(a)]
        new[node] = kept[0] if node.op == "add" and len(kept) == 1 else intern(node.op, args, node.attr)
    bare = _renewed(graph, new, {})
    left = [p for p in bare.params if p.startswith("b") and not bare.params[p].is_matrix]
    if left:
        raise EquationError(f"{graph.name}: {left[0]} is more than an added bias and cannot be left out")
    return bare


def input_rows(graph: Graph) -> tuple[Graph, dict[str, str]] | None:
    """The graph with every product `W @ x` as an input of its own, and which matrix each such input stands for.

    For x a one-hot vector, `W @ x` is a column of W, to be looked up and not multiplied. None where x is also used
    otherwise, or stands in a stack `W @ (h, x)`.
    """
    (x,) = (intern("input", (), name) for name in graph.inputs) if len(graph.inputs) == 1 else (None,)
    nodes = topological(_all_roots(graph))
    maps = [n for n in nodes if x in n.args]
    matrices = {n.attr for n in nodes if isinstance(n.attr, Block) and x not in n.args}
    if not maps or any(n.op != "matmul" or n.attr.count > 1 or n.attr in matrices for n in maps):  # type: ignore[attr-defined]
        return None
    tables = {f"{x.attr}_{n.attr.name}": n.attr.name for n in maps}  # type: ignore[union-attr,attr-defined]
    new: dict[Expr, Expr] = {}
    for node in nodes:
        if node in maps:
            new[node] = intern("input", (), f"{x.attr}_{node.attr.name}")  # type: ignore[union-attr,attr-defined]
        else:
            new[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr) if node.args else node
    rows = {name: graph.params[matrix].rows for name, matrix in tables.items()}
    return _renewed(replace(graph, inputs=rows), new, {}), tables


def recurrent_blocks(graph: Graph) -> set[Block]:
    """The column blocks that multiply something that depends on a state: where weight dropout acts."""
    carried: set[Expr] = set()
    blocks: set[Block] = set()
    for node in topological(graph.roots):
        if node.op == "state" or any(a in carried for a in node.args):
            carried.add(node)
            if isinstance(node.attr, Block):
                blocks.add(node.attr)
    return blocks


def _is_bias(node: Expr) -> bool:
    return node.op == "vector" and str(node.attr).startswith("b")


def _all_roots(graph: Graph) -> list[Expr]:
    return [*graph.roots, *(n.expr for n in graph.names)]


def _renewed(graph: Graph, new: dict[Expr, Expr], masks: dict[str, str]) -> Graph:
    """The graph with every node replaced by its new one."""
    names = tuple(Named(n.name, new[n.expr], n.line) for n in graph.names)
    return _solved(graph, names, {k: new[v] for k, v in graph.updates.items()}, new[graph.output], masks)


def _solved(
    graph: Graph, names: tuple[Named, ...], updates: dict[str, Expr], output: Expr, masks: dict[str, str]
) -> Graph:
    """Sizes solved again, the parameters' shapes held as they were."""
    nodes = topological([*(n.expr for n in names), *updates.values(), output])
    used = {n.attr.name if isinstance(n.attr, Block) else n.attr for n in nodes if n.op in ("matmul", "vector")}
    shapes = {p.name: (p.rows, *p.cols) for p in graph.params.values() if p.name in used}
    masks = {**graph.masks, **masks}
    new = solve(graph.name, graph.inputs, graph.states, names, updates, output, shapes, masks=masks)
    init = {k: v for k, v in graph.init.items() if k in new.params}
    return replace(new, square=graph.square, init=init, constants=graph.constants, doc=graph.doc)
