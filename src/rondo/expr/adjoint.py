"""The symbolic adjoint of one step: backpropagation through time, derived from the equations.

With `dy` the gradient arriving at the output at t and `dh'` the gradient arriving at the new state h from t+1,
the adjoint of every node follows from one table of rules; matrices collect outer products, vectors collect
terms, both summed over time and batch by whoever runs the equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, const, intern, make, matmul, topological

OUTPUT = "<output>"  # the name of the adjoint leaf that arrives at the output


def _is(node: Expr, value: float) -> bool:
    return node.op == "const" and node.attr == value


def times(a: Expr, b: Expr) -> Expr:
    """a * b, with the factors 0 and 1 dropped."""
    if _is(a, 0.0) or _is(b, 0.0):
        return const(0)
    if _is(a, 1.0):
        return b
    return a if _is(b, 1.0) else make("mul", a, b)


def plus(a: Expr, b: Expr) -> Expr:
    """a + b, with zeros dropped."""
    if _is(a, 0.0):
        return b
    return a if _is(b, 0.0) else make("add", a, b)


def _where(c: Expr, a: Expr | float, b: Expr | float) -> Expr:
    return make("where", c, a, b)


def _norm(v: Expr, n: Expr, d: Expr) -> Expr:
    mean_d, mean_dn = intern("mean", (d,)), intern("mean", (d * n,))
    return intern("rstd", (v,)) * (d - mean_d - n * mean_dn)


def _extreme(less: Expr, more: Expr, d: Expr) -> tuple[Expr, Expr]:
    half = 0.5 * d
    return _where(less, d, _where(more, 0.0, half)), _where(less, 0.0, _where(more, d, half))


def _clipped(d: Expr, limit: Expr) -> Expr:
    return make("minimum", make("maximum", d, -limit), limit)


# op -> (node, adjoint of the node) -> adjoints of its arguments
DERIVATIVES: dict[str, Callable[[Expr, Expr], tuple[Expr, ...]]] = {
    "add": lambda n, d: (d, d),
    "sub": lambda n, d: (d, -d),
    "mul": lambda n, d: (times(d, n.args[1]), times(d, n.args[0])),
    "div": lambda n, d: (d / n.args[1], -(d * n / n.args[1])),
    "neg": lambda n, d: (-d,),
    "sigmoid": lambda n, d: (d * n * (1 - n),),
    "tanh": lambda n, d: (d * (1 - n * n),),
    "relu": lambda n, d: (_where(n.args[0] > 0, d, 0.0),),
    "exp": lambda n, d: (d * n,),
    "log": lambda n, d: (d / n.args[0],),
    "softplus": lambda n, d: (d * make("sigmoid", n.args[0]),),
    "sqrt": lambda n, d: (0.5 * d / n,),
    "abs": lambda n, d: (_where(n.args[0] > 0, d, _where(n.args[0] < 0, -d, 0.0)),),
    "minimum": lambda n, d: _extreme(n.args[0] < n.args[1], n.args[1] < n.args[0], d),
    "maximum": lambda n, d: _extreme(n.args[1] < n.args[0], n.args[0] < n.args[1], d),
    "where": lambda n, d: (const(0), _where(n.args[0], d, 0.0), _where(n.args[0], 0.0, d)),
    "clip_gradient": lambda n, d: (_clipped(d, n.args[1]), const(0)),
    "norm": lambda n, d: (_norm(n.args[0], n, d),),
}


@dataclass(frozen=True, eq=False)
class Adjoint:
    """The adjoint equations of a graph.

    of        forward node -> its adjoint (total derivative of the loss with respect to it)
    inputs    per-step gradient of each input; `states` of each state entering the step
    vectors   term of each vector parameter (sum over time and batch)
    matrices  per column block, the outer products (adjoint, operand) that sum to its gradient
    """

    graph: Graph
    of: dict[Expr, Expr]
    inputs: dict[str, Expr]
    states: dict[str, Expr]
    vectors: dict[str, Expr]
    matrices: dict[Block, tuple[tuple[Expr, Expr], ...]]

    @property
    def roots(self) -> tuple[Expr, ...]:
        outer = [d for terms in self.matrices.values() for d, _ in terms]
        return (*self.states.values(), *self.inputs.values(), *self.vectors.values(), *outer)


def arriving(state: str) -> Expr:
    """The leaf for the gradient that reaches a new state from t+1 (or from the final state at the last step)."""
    return intern("adjoint", (), state)


def differentiate(graph: Graph) -> Adjoint:
    """Reverse-mode differentiation of one step, on the graph."""
    zero = const(0)
    of: dict[Expr, Expr] = {}

    def add(node: Expr, d: Expr) -> None:
        of[node] = plus(of[node], d) if node in of else d

    add(graph.output, intern("adjoint", (), OUTPUT))
    for state, node in graph.updates.items():
        add(node, arriving(state))
    matrices: dict[Block, list[tuple[Expr, Expr]]] = {}
    for node in reversed(topological(graph.roots)):
        d = of.get(node)
        if d is None or _is(d, 0.0):
            continue
        if node.op == "matmul":
            block = node.attr
            assert isinstance(block, Block)
            matrices.setdefault(block, []).append((d, node.args[0]))
            if node.args[0].op != "const":
                add(node.args[0], matmul(block, d, transposed=True))
        elif node.args:
            for arg, da in zip(node.args, DERIVATIVES[node.op](node, d), strict=True):
                if arg.op not in ("const", "lt", "le", "mask"):
                    add(arg, da)
    leaf = {(n.op, n.attr): n for n in topological(graph.roots) if not n.args}

    def total(op: str, name: str) -> Expr:
        node = leaf.get((op, name))
        return of.get(node, zero) if node is not None else zero

    return Adjoint(
        graph=graph,
        of=of,
        inputs={i: total("input", i) for i in graph.inputs},
        states={s: total("state", s) for s in graph.states},
        vectors={p.name: total("vector", p.name) for p in graph.params.values() if not p.is_matrix},
        matrices={b: tuple(t) for b, t in matrices.items()},
    )


def adjoint_sizes(adjoint: Adjoint) -> dict[Expr, str]:
    """The size of every node of the adjoint, forward nodes included; numbers that stand for vectors get "" ."""
    graph = adjoint.graph
    sizes = dict(graph.sizes)
    for node, d in adjoint.of.items():
        if d.op == "adjoint" and d not in sizes:
            sizes[d] = graph.sizes[node]
    sizes[intern("adjoint", (), OUTPUT)] = graph.output_size
    for s in graph.states:
        sizes[arriving(s)] = graph.states[s]
    for node in topological(adjoint.roots):
        if node in sizes:
            continue
        if node.op == "const":
            sizes[node] = ""
        elif node.op in ("matmul", "matmul_t"):
            block = node.attr
            assert isinstance(block, Block)
            p = graph.params[block.name]
            sizes[node] = p.cols[block.index] if node.op == "matmul_t" else p.rows
        elif node.op in ("mean", "rstd"):
            sizes[node] = "1"
        else:
            known = [sizes[a] for a in node.args if sizes[a] not in ("", "1")]
            sizes[node] = known[0] if known else max((sizes[a] for a in node.args), default="")
    return sizes
