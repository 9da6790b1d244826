"""Lowering of a step's graph for planning: norms become means and pointwise code, sums of products become one product,
and what only changes a gradient becomes its value.

A `product` node has operands as arguments and, as attribute, one (block, transposed) pair for each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rondo.expr.adjoint import OUTPUT, arriving
from rondo.expr.graph import SCALAR, Graph
from rondo.expr.nodes import NORM_EPS, Expr, const, intern, make, topological
from rondo.expr.stages import LOOP, POST, PRE, Place

HEAVY = {"sigmoid", "tanh", "exp", "log", "softplus", "sqrt", "div"}


class Lowering:
    """Rewrites norm and rstd into means and pointwise code, clip_gradient into its value; knows every node's size."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sizes: dict[Expr, str] = {n: graph.sizes[n] for n in topological(graph.roots) if not n.args}
        self.sizes |= {arriving(s): z for s, z in graph.states.items()}
        self.sizes[intern("adjoint", (), OUTPUT)] = graph.output_size
        self.new: dict[Expr, Expr] = {}

    def run(self, roots: Iterable[Expr]) -> list[Expr]:
        roots = list(roots)
        for node in topological(roots):
            if node in self.new:
                continue
            args = tuple(self.new[a] for a in node.args)
            if node.op == "rstd":
                self.new[node] = self._rstd(args[0])
            elif node.op == "norm":
                self.new[node] = (args[0] - intern("mean", args)) * self._rstd(args[0])
            elif node.op == "clip_gradient":  # its work is done: the adjoint holds the limits
                self.new[node] = args[0]
            else:
                self.new[node] = intern(node.op, args, node.attr) if node.args else node
            self._measure(self.new[node])
        return [self.new[r] for r in roots]

    def _rstd(self, v: Expr) -> Expr:
        d = v - intern("mean", (v,))
        return const(1.0) / make("sqrt", intern("mean", (d * d,)) + NORM_EPS)

    def _measure(self, root: Expr) -> None:
        for node in topological([root]):
            if node in self.sizes:
                continue
            if node.op in ("matmul", "matmul_t"):
                p = self.graph.params[node.attr.name]  # type: ignore[attr-defined]
                self.sizes[node] = p.cols[node.attr.index] if node.op == "matmul_t" else p.rows  # type: ignore[attr-defined]
            else:
                self.sizes[node] = elementwise_size(node, self.sizes)


def elementwise_size(node: Expr, sizes: dict[Expr, str]) -> str:
    """The size of a pointwise node or mean: that of its vectors, else one number a row, else none (a literal)."""
    found = [sizes[a] for a in node.args]
    vectors = [z for z in found if z not in ("", SCALAR)]
    if node.op == "mean":
        return SCALAR
    return vectors[0] if vectors else (SCALAR if SCALAR in found else "")


def cost(node: Expr, known: set[Expr], limit: int) -> int:
    """Operations to compute `node` from `known` values and row statistics (always kept); 1000 if it needs a product."""
    if node in known or not node.args or node.op == "mean":
        return 0
    if node.op in ("matmul", "matmul_t", "product"):
        return 1000
    total = 20 if node.op in HEAVY else 1
    for a in node.args:
        total += cost(a, known, limit - total)
        if total > limit:
            return 1000
    return total


def merge_products(
    roots: list[Expr],
    carries: list[Expr],
    leaves: Collection[Expr],
    carry: set[Expr],
    sizes: dict[Expr, str],
    backward: bool,
) -> dict[Expr, Expr]:
    """Every matmul as a `product` node (attr: blocks, args: operands), sums of products at one level as one node."""
    order = topological(roots, leaves)
    users: dict[Expr, int] = {}
    for node in order:
        if node not in leaves:
            for a in node.args:
                users[a] = users.get(a, 0) + 1
    for r in set(roots):
        users[r] = users.get(r, 0) + 1
    needed = set(topological(carries, leaves))
    level: dict[Expr, Place] = {}  # phase, and depth within it: the products of one level may be summed
    for node in order:
        below = [level[a] for a in node.args] if node not in leaves else []
        phase = max((p for p, _ in below), default=LOOP if node in carry else PRE)
        step = node.op in ("matmul", "matmul_t", "mean") and node not in leaves
        if step and node not in needed and (backward or phase == LOOP):
            phase = POST  # as in _phases
        level[node] = (phase, max((k for p, k in below if p == phase), default=0) + step)
    new: dict[Expr, Expr] = {}
    inner = {
        a
        for n in order
        if n.op == "add" and n not in leaves
        for a in n.args
        if a.op == "add" and users[a] == 1 and a not in leaves
    }

    def product(terms: list[Expr]) -> Expr:
        node = intern(
            "product",
            tuple(new[t.args[0]] for t in terms),
            tuple((t.attr, t.op == "matmul_t") for t in terms),
        )
        sizes.setdefault(node, sizes[terms[0]])
        return node

    def flatten(node: Expr) -> list[Expr]:
        return [t for a in node.args for t in (flatten(a) if a in inner else [a])]

    for node in order:
        if node in leaves or not node.args:
            new[node] = node
        elif node.op in ("matmul", "matmul_t"):
            new[node] = product([node])
        elif node.op == "add" and node not in inner:
            terms = flatten(node)
            sums: dict[Place, list[Expr]] = {}
            for t in terms:
                if t.op in ("matmul", "matmul_t") and t not in leaves and users[t] == 1:
                    sums.setdefault(level[t], []).append(t)
            merged = {id(t) for ts in sums.values() for t in ts}
            parts = [new[t] for t in terms if id(t) not in merged] + [product(ts) for ts in sums.values()]
            total = parts[0]
            for p in parts[1:]:
                total = make("add", total, p)
            new[node] = total
        else:
            new[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr)
    return new
