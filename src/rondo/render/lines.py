"""Lines: equations as a list of named results, the one structure that is typeset and that tests evaluate.

A line says `symbol = expr`. Its `target` is the node that later lines use for the result, so that an expression
never repeats what an earlier line has named. Besides the equations' own operators a line may hold

    softmax(v)      over the units                 sum(v)          over the units, one number
    outer(d, v)     d vᵀ                           stack(a, b)     vectors on top of each other
    columns(A, B)   matrices side by side          total(v)        sum over time and batch
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, intern, topological
from rondo.render.text import statements

GATE, CANDIDATE, STATE, OUTPUT, INPUT, PARAMETER, LOCAL, LOGIT = (
    "gate",
    "candidate",
    "state",
    "output",
    "input",
    "parameter",
    "local",
    "logit",
)
TIMED = {STATE, INPUT, OUTPUT}  # these show their time in every notation, locals only where it is an index
CANDIDATE_NAMES = {"c", "h", "a", "s", "g"}  # a tanh of products with one of these names is a candidate for a state


@dataclass(frozen=True)
class Symbol:
    """What a formula calls a quantity, before any notation: name, role and time ("", t, t-1, t+1→t, t→t-1).

    form: "" the value itself, "d" the total derivative of the loss by it, written d name, "partial" the same
    written as a fraction, "local" the part of it that the loss of the same step gives.
    """

    name: str
    role: str = LOCAL
    time: str = "t"
    form: str = ""

    def as_form(self, form: str) -> Symbol:
        return replace(self, form=form)


@dataclass(frozen=True, eq=False)
class Line:
    """One printed equation. `of` is the forward node (or parameter leaf) whose gradient the line gives."""

    symbol: Symbol
    target: Expr
    expr: Expr
    part: str = "forward"
    of: Expr | None = None

    @property
    def name(self) -> str:
        """The result in plain letters: u, du, dh<t>, dh<t→t-1>, dW_u."""
        s = self.symbol
        return ("d" if s.form else "") + s.name + (f"<{s.time}>" if s.role in TIMED else "")


def fresh(name: str, taken: Container[str]) -> str:
    """`name`, or name_2, name_3 ... where it is taken."""
    k, candidate = 2, name
    while candidate in taken:
        candidate, k = f"{name}_{k}", k + 1
    return candidate


def names_of(graph: Graph) -> set[str]:
    """Every name that the equations use."""
    return {*graph.inputs, *graph.states, *graph.params, *(n.name for n in graph.names)}


def matrix(block: Block) -> Expr:
    """A matrix, or a column block of one, as an operand of `columns`."""
    return intern("matrix", (), block)


def leaf_symbol(node: Expr) -> Symbol | None:
    """The symbol of a leaf: of the equations, or of a gradient that arrives (from t+1, or from the loss at t)."""
    if isinstance(node.attr, Symbol):
        return node.attr
    if node.op == "adjoint":
        return Symbol(str(node.attr), STATE, "t+1→t", "d")
    roles = {"input": (INPUT, "t"), "state": (STATE, "t-1"), "vector": (PARAMETER, "")}
    return Symbol(str(node.attr), *roles[node.op]) if node.op in roles else None


def forward_symbols(graph: Graph) -> dict[Expr, Symbol]:
    """The nodes that have a name, an update going by the name of its state."""
    kept: dict[Expr, Symbol] | None = graph.__dict__.get("_symbols")  # asked for many times while a graph is printed
    if kept is None:
        kept = graph.__dict__["_symbols"] = _forward_symbols(graph)
    return dict(kept)


def _forward_symbols(graph: Graph) -> dict[Expr, Symbol]:
    found: dict[Expr, Symbol] = {}
    for state, node in graph.updates.items():
        if node.args:
            found.setdefault(node, Symbol(state, STATE))
    reserved = {*graph.inputs, *graph.states, *graph.params}
    for n in graph.names:
        if n.expr.args and n.expr not in found:
            role = OUTPUT if n.expr is graph.output else _role(n.name, n.expr, found)
            name = n.name if n.name not in reserved else fresh(f"{n.name}_1", names_of(graph))
            found[n.expr] = Symbol(name, role)
    if graph.output.args and graph.output not in found:
        taken = names_of(graph)
        found[graph.output] = Symbol("h" if "h" not in taken else fresh("y", taken), OUTPUT)
    helpers = [node for name, node in statements(graph) if not name and node not in found]
    names = helper_names(graph)
    return {**found, **{node: Symbol(name) for node, name in zip(helpers, names, strict=False)}}


def helper_names(graph: Graph, used: Container[str] = ()) -> Iterator[str]:
    """v, v_2, v_3 ... without the names of the equations and those in use."""
    taken = names_of(graph)
    every = ("v" if k == 1 else f"v_{k}" for k in itertools.count(1))
    return (n for n in every if n not in taken and n not in used)


def _role(name: str, node: Expr, named: Container[Expr]) -> str:
    if node.op == "sigmoid":
        return GATE
    squashed = node.op == "tanh" and name in CANDIDATE_NAMES
    return CANDIDATE if squashed and any(n.op == "matmul" for n in inside(node, named)) else LOCAL


def inside(root: Expr, known: Container[Expr]) -> set[Expr]:
    """The operations of a piece, `known` nodes counting as leaves."""
    found: set[Expr] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.args and node not in found and node not in known:
            found.add(node)
            waiting += node.args
    return found


def forward(graph: Graph, extra: dict[Expr, Symbol] | None = None) -> list[Line]:
    """The equations of one step. `extra` names further nodes; each gets a line just before the first that reads it."""
    symbols = {**forward_symbols(graph), **(extra or {})}
    found: list[Line] = []
    done: set[Expr] = set()

    def emit(root: Expr) -> None:
        for node in topological([root], done):
            if node in symbols and node not in done:
                done.add(node)
                found.append(Line(symbols[node], node, node))

    for n in graph.names:
        emit(n.expr)
    for node in graph.roots:
        emit(node)
    return [*found, *_aliases(graph, symbols)]


def _aliases(graph: Graph, symbols: dict[Expr, Symbol]) -> Iterable[Line]:
    """Lines that only give another name: a state equal to another value, and a named output such as a<t> = c<t>."""
    for state, node in graph.updates.items():
        symbol = symbols.get(node)
        if symbol is None or symbol.name != state:
            yield Line(Symbol(state, STATE), intern("alias", (node,), state), node)
    symbol = symbols.get(graph.output)
    if symbol is not None and symbol.role == STATE:
        named = [n.name for n in graph.names if n.expr is graph.output][1:]
        for name in named[-1:]:
            if name not in graph.states:
                yield Line(Symbol(name, OUTPUT), intern("alias", (graph.output,), name), graph.output)
