"""The plan: what runs when. Pure; knows sizes only by name.

A step's graph (forward, or its adjoint) is cut into three phases:

    pre    products and row statistics free of the carried state: done for the whole sequence at once
    loop   stages inside the time loop: stage k holds the products whose operands need stage k-1, then one
           pointwise region; row statistics (layer norm) also end a region
    post   products that nothing carried depends on: done for the whole sequence after the loop

Pointwise code is placed where its last operand becomes known; state-free pointwise code is sunk into the loop, where
its operands are read anyway. The plan also chooses what forward saves and what backward recomputes, and where
every value that crosses a stage lives.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from rondo.expr.adjoint import OUTPUT, Adjoint, arriving, differentiate
from rondo.expr.graph import SCALAR, Graph
from rondo.expr.lower import Lowering, cost
from rondo.expr.nodes import COMPARE, Block, Expr, intern, topological
from rondo.expr.schedule import Scheduler
from rondo.expr.stages import LOOP, Key, Schedule

RECOMPUTE_COST = 30  # a value is recomputed in backward when that costs at most about one transcendental


@dataclass(eq=False)
class Outer:
    """A weight gradient: the sum over steps and rows of left (an emitted adjoint) times right (an operand)."""

    block: Block
    left: Expr
    right: Expr


@dataclass(eq=False)
class Plan:
    """Both directions of a cell, and what they share."""

    graph: Graph
    adjoint: Adjoint
    forward: Schedule
    backward: Schedule
    saved: dict[Expr, Key]
    recomputed: tuple[Expr, ...]
    outers: list[Outer]
    sizes: dict[Expr, str]
    elementwise: bool
    linear: bool

    @property
    def levels(self) -> int:
        return self.forward.levels


def plan(graph: Graph) -> Plan:
    """The plan of a cell, both directions."""
    adjoint = differentiate(graph)
    lower = Lowering(graph)
    forward_roots = lower.run(graph.roots)
    updates = dict(zip(graph.states, forward_roots, strict=False))
    output = forward_roots[-1]
    carried = dict(adjoint.states)
    back = lower.run([*carried.values(), *adjoint.inputs.values(), *adjoint.vectors.values()])
    n_s, n_i = len(carried), len(adjoint.inputs)
    d_states = {s: _full(n, arriving(s)) for s, n in zip(carried, back[:n_s], strict=True)}
    d_inputs = dict(zip(adjoint.inputs, back[n_s : n_s + n_i], strict=True))
    d_vectors = dict(zip(adjoint.vectors, back[n_s + n_i :], strict=True))
    outers = [
        Outer(block, *lower.run([left, right])) for block, terms in adjoint.matrices.items() for left, right in terms
    ]
    back_roots = [*back, *(o.left for o in outers)]
    forward_nodes = set(topological(forward_roots))
    save, recomputed = _save_set(updates, output, forward_nodes, back_roots, outers, lower.sizes)

    targets: list[tuple[Expr, Key, bool]] = [(n, ("new", s), False) for s, n in updates.items()]
    if output is not next(iter(updates.values())):
        targets.append((output, ("y",), False))
    forward = Scheduler(lower.sizes, _forward_leaves(graph), {("prev", s) for s in graph.states}, "f").run(
        targets, list(updates.values()), save, []
    )
    leaves = _forward_leaves(graph)
    leaves |= {n: ("new", s) for s, n in updates.items() if n.op not in ("const",)}
    leaves |= {n: forward.home[n] for n in save}
    leaves |= {n: k for n, k in forward.home.items() if lower.sizes[n] == SCALAR}
    leaves |= {arriving(s): ("carry_in", s) for s in graph.states} | {intern("adjoint", (), OUTPUT): ("dy",)}
    targets = [(n, ("carry_out", s), False) for s, n in d_states.items()]
    targets += [(n, ("dx", i), False) for i, n in d_inputs.items() if n.op != "const"]
    backward = Scheduler(lower.sizes, leaves, {("carry_in", s) for s in graph.states}, "b").run(
        targets, list(d_states.values()), [], [(d, v) for v, d in d_vectors.items() if d.op != "const"], outers
    )
    loops = [n for s in forward.phase(LOOP) for g in s.groups for n in g.slots]
    return Plan(
        graph=graph,
        adjoint=adjoint,
        forward=forward,
        backward=backward,
        saved={n: forward.home[n] for n in save},
        recomputed=recomputed,
        outers=outers,
        sizes=lower.sizes,
        elementwise=not loops,
        linear=_is_linear(graph),
    )


def _full(node: Expr, like: Expr) -> Expr:
    """`node`; a number (the zero of a state that nothing smooth reads) as a vector of the size of `like`."""
    return intern("where", (intern("lt", (like, like)), like, node)) if node.op == "const" else node


def _forward_leaves(graph: Graph) -> dict[Expr, Key]:
    found: dict[Expr, Key] = {intern("input", (), i): ("input", i) for i in graph.inputs}
    found |= {intern("state", (), s): ("prev", s) for s in graph.states}
    found |= {intern("vector", (), p.name): ("vector", p.name) for p in graph.params.values() if not p.is_matrix}
    return found | {intern("mask", (), m): ("mask", m) for m in graph.masks}


def _save_set(
    updates: dict[str, Expr],
    output: Expr,
    forward: set[Expr],
    back_roots: list[Expr],
    outers: list[Outer],
    sizes: dict[Expr, str],
) -> tuple[list[Expr], tuple[Expr, ...]]:
    """The forward values that backward reads from memory, and those that it computes again."""
    operands = {o.right for o in outers}
    available = {n for n in forward if not n.args} | set(updates.values())
    needed: dict[Expr, None] = {}
    for node in topological(back_roots):
        if node not in forward:  # a comparison is no number to be kept: its operands are
            read = itertools.chain.from_iterable(a.args if a.op in COMPARE else (a,) for a in node.args)
            needed |= dict.fromkeys(a for a in read if a in forward)
    needed |= dict.fromkeys(n for n in (*back_roots, *(o.right for o in outers)) if n in forward)
    saved, recomputed = [], []
    for node in topological(needed):
        if node not in needed or node in available:
            continue
        if sizes[node] == SCALAR or (node not in operands and cost(node, available, RECOMPUTE_COST) <= RECOMPUTE_COST):
            recomputed.append(node)  # statistics are always kept: they are one number a row
        else:
            saved.append(node)
            available.add(node)
    return saved, tuple(recomputed)


def _is_linear(graph: Graph) -> bool:
    """Whether every update is linear in the states (given inputs): then time could be scanned in parallel."""
    degree: dict[Expr, int] = {}
    for node in topological(graph.updates.values()):
        d = [degree[a] for a in node.args]
        if node.op == "state":
            degree[node] = 1
        elif node.op in ("add", "sub", "neg", "matmul"):
            degree[node] = max(d)
        elif node.op == "mul":
            degree[node] = sum(d)
        elif node.op == "div":
            degree[node] = d[0] if d[1] == 0 else 2
        elif node.op == "where":
            degree[node] = max(d[1:]) if d[0] == 0 else 2
        else:
            degree[node] = 2 if any(d) else 0
    return all(degree[n] <= 1 for n in graph.updates.values())
