"""Are two cells the same but for their names? Both ways to ask that marking needs.

    digest          the structure alone, without names and without the order of sums and products: what a copy keeps
    same_function   the same numbers for every input: what an exercise asks, however the equations are written

For the second, parameters must be matched. Matrices and vectors that are added up belong to one gate; gates whose parts
read the same kinds of things (an input, a state, an expression) are tried in every order, and states too.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.cell import Cell
from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, topological
from rondo.kernels import reference
from rondo.kernels.check import Case, case

MOST_TRIED = 5040
SAME = 1e-9  # float64 beside float64
Atom = Block | str  # the columns of a matrix that meet one operand; a vector's name


def digest(cell: Cell) -> str:
    """A short name of the cell's structure."""
    told: dict[Expr, str] = {}
    for node in topological(cell.graph.roots):
        told[node] = hashlib.sha256(_structure(node, told).encode()).hexdigest()[:16]
    atoms = {atom for node in told if (atom := _atom(node)) is not None}  # one gate used twice is not two gates
    whole = f"{len(atoms)} {' '.join(sorted(told[root] for root in cell.graph.roots))}"
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def _structure(node: Expr, told: dict[Expr, str]) -> str:
    if node.op in ("add", "mul"):
        return f"{node.op} {' '.join(sorted(told[leaf] for leaf in _terms(node, node.op)))}"
    names = {"input": "", "state": "", "mask": "", "vector": "", "matmul": ""}
    attr = names.get(node.op, repr(node.attr))
    return f"{node.op} {attr} {' '.join(told[a] for a in node.args)}"


def _terms(node: Expr, op: str) -> Iterator[Expr]:
    if node.op == op:
        for argument in node.args:
            yield from _terms(argument, op)
    else:
        yield node


def same_function(cell: Cell, other: Cell, sizes: dict[str, int], steps: int = 5, seed: int = 0) -> bool:
    """Do both compute the same outputs, for some order of their gates and states?"""
    a, b = cell.graph, other.graph
    if len(a.states) != len(b.states) or len(a.inputs) != len(b.inputs) or a.masks or b.masks:
        return False
    one = case(a, steps, 1, sizes, seed=seed)
    y, _ = reference.scan(a, one.params, one.x, one.state)
    tried = itertools.islice(_matched(a, b, one), MOST_TRIED)
    return any(_close(y, b, one, params, state) for params, state in tried)


def _close(y: Tensor, b: Graph, one: Case, params: dict[str, Tensor], state: dict[str, Tensor]) -> bool:
    z, _ = reference.scan(b, params, dict(zip(b.inputs, one.x.values(), strict=True)), state)
    return y.shape == z.shape and bool(torch.allclose(y, z, rtol=SAME, atol=SAME))


def _matched(a: Graph, b: Graph, one: Case) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Every way to give the parameters and states of `b` the values of those of `a`."""
    values = _values(a, one.params)
    for order in itertools.permutations(a.states):
        given = dict(zip(b.states, order, strict=True))  # a state of b stands for which of a
        mine, theirs = _gates(a, {s: s for s in a.states}), _gates(b, given)
        if Counter(g.kind for g in mine) != Counter(g.kind for g in theirs):
            continue
        for chosen in _orders(mine, theirs):
            found = {q: values[p] for g, h in chosen for p, q in zip(g.atoms, h.atoms, strict=True)}
            params = _params(b, found)
            if params is not None:
                yield params, {s: one.state[given[s]] for s in b.states}


@dataclass(frozen=True)
class _Gate:
    """Atoms that are added up, by the kinds of what they read."""

    atoms: tuple[Atom, ...]
    kind: tuple[str, ...]


def _gates(graph: Graph, states: dict[str, str]) -> list[_Gate]:
    """The gates of a graph; `states`: what its states are to be called."""
    nodes = list(topological(graph.roots))
    inner = {argument for node in nodes if node.op == "add" for argument in node.args}
    inputs, seen, found = list(graph.inputs), set[Atom](), []
    for node in nodes:
        if node.op == "add" and node in inner:
            continue
        parts: list[tuple[str, Atom]] = []
        for term in _terms(node, "add") if node.op == "add" else [node] if node not in inner else []:
            atom = _atom(term)
            if atom is not None and atom not in seen:
                seen.add(atom)
                parts.append((_reads(term, inputs, states), atom))
        if parts:
            parts.sort(key=lambda part: part[0])
            found.append(_Gate(tuple(p[1] for p in parts), tuple(p[0] for p in parts)))
    return found


def _atom(node: Expr) -> Atom | None:
    if node.op == "matmul":
        assert isinstance(node.attr, Block)
        return node.attr
    return str(node.attr) if node.op == "vector" else None


def _reads(node: Expr, inputs: list[str], states: dict[str, str]) -> str:
    """What the operand of a matrix is; a vector reads nothing."""
    if node.op == "vector":
        return "-"
    operand = node.args[0]
    if operand.op == "input":
        return f"input {inputs.index(str(operand.attr))}"
    return f"state {states[str(operand.attr)]}" if operand.op == "state" else "expression"


def _orders(mine: list[_Gate], theirs: list[_Gate]) -> Iterator[list[tuple[_Gate, _Gate]]]:
    """Every pairing of gates of one kind."""
    if not mine:
        yield []
        return
    first = mine[0]
    for k, other in enumerate(theirs):
        if other.kind == first.kind:
            for rest in _orders(mine[1:], theirs[:k] + theirs[k + 1 :]):
                yield [(first, other), *rest]


def _values(graph: Graph, params: dict[str, Tensor]) -> dict[Atom, Tensor]:
    """The value of each atom: columns of a stacked matrix apart."""
    found: dict[Atom, Tensor] = {}
    for node in topological(graph.roots):
        atom = _atom(node)
        if isinstance(atom, Block):
            own = graph.params[atom.name]
            whole = params[atom.name]
            widths = [whole.shape[1]] if atom.count == 1 else _widths(own.cols, whole, graph, params)
            found[atom] = torch.split(whole, widths, 1)[atom.index]
        elif atom is not None:
            found[atom] = params[atom]
    return found


def _widths(cols: tuple[str, ...], whole: Tensor, graph: Graph, params: dict[str, Tensor]) -> list[int]:
    """The columns of a stacked matrix by operand: sizes that rows of other parameters tell; what is left is x's."""
    known = {p.rows: params[p.name].shape[0] for p in graph.params.values()}
    missing = [c for c in cols if c not in known]
    rest = whole.shape[1] - sum(known[c] for c in cols if c in known)
    return [known.get(c, rest // max(1, len(missing))) for c in cols]


def _params(graph: Graph, values: dict[Atom, Tensor]) -> dict[str, Tensor] | None:
    """The parameters whose atoms have these values; None where one is missing or its rows differ."""
    found: dict[str, Tensor] = {}
    for p in graph.params.values():
        count = len(p.cols) if p.is_matrix else 0
        atoms: list[Atom] = [Block(p.name, k, count) for k in range(count)] if count else [p.name]
        if any(a not in values for a in atoms) or len({values[a].shape[0] for a in atoms}) != 1:
            return None
        found[p.name] = torch.cat([values[a] for a in atoms], 1) if count else values[p.name]
    return found
