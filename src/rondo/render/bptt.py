"""Backpropagation through time, derived from the equations and printed line by line.

    dc̃ = ∂L/∂c̃, through other such names and the values of the forward pass; and the sums over time and batch.

What reaches h<t> from the next step is written dh<t+1→t>; what step t hands to the one before is dh<t→t-1>.
All lines are nodes (see `rondo.render.lines`), so a test evaluates exactly what is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rondo.expr.adjoint import OUTPUT as ARRIVING_OUTPUT
from rondo.expr.adjoint import Adjoint, differentiate
from rondo.expr.graph import Graph, nearest
from rondo.expr.nodes import Block, EquationError, Expr, const, intern, make, matmul, substitute, topological
from rondo.render.lines import (
    INPUT,
    LOGIT,
    OUTPUT,
    PARAMETER,
    STATE,
    Line,
    Symbol,
    forward,
    forward_symbols,
    fresh,
    helper_names,
    inside,
    leaf_symbol,
    matrix,
    names_of,
)

SQUASHES = {"sigmoid", "tanh", "relu", "exp", "softplus"}  # the operand of a named one is its pre-activation z
LARGE = 2  # operations: a larger piece that is read twice gets a name


def bptt(graph: Graph, head: str | None = None) -> list[Line]:
    """The whole recursion: forward, loss, every named adjoint, what goes to t-1, every parameter's gradient.

    head  "softmax" or "sigmoid": an output layer ŷ = head(W_y a + b_y) with its cross entropy; None: the gradient
          of the step's loss by the output is a given, ∂L<t>/∂h<t>.
    """
    if graph.masks:
        raise EquationError(f"{graph.name}: a graph with masks is not printed: derive from the cell's own graph")
    adjoint = differentiate(graph)
    output = output_layer(graph, head)
    extra = _helpers(graph, adjoint)
    symbols = {**forward_symbols(graph), **extra}
    backward = _Backward(graph, adjoint, symbols, output.local)
    return [
        *forward(graph, extra),
        *_blocks(graph),
        *output.loss,
        *output.backward,
        *backward.lines(),
        *backward.gradients(),
        *output.gradients,
    ]


# --- the output layer ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    """The lines of an output layer, and `local`: ∂L<t>/∂(output)."""

    local: Expr
    loss: tuple[Line, ...] = ()
    backward: tuple[Line, ...] = ()
    gradients: tuple[Line, ...] = ()


def _entropy_softmax(y: Expr, p: Expr) -> Expr:
    return -intern("sum", (y * make("log", p),))


def _entropy_sigmoid(y: Expr, p: Expr) -> Expr:
    return intern("sum", (-(y * make("log", p)) - (1 - y) * make("log", 1 - p),))


Formula = Callable[[Expr, Expr], Expr]  # of the target y and the prediction ŷ
# head -> (loss of a step, its derivative by ŷ)
HEADS: dict[str, tuple[Formula, Formula]] = {
    "softmax": (_entropy_softmax, lambda y, p: -(y / p)),
    "sigmoid": (_entropy_sigmoid, lambda y, p: (1 - y) / (1 - p) - y / p),
}


def output_layer(graph: Graph, head: str | None) -> Head:
    """ŷ<t>, L<t>, L and their derivatives, for a head or for a loss that is not given."""
    if head is None:
        symbol = forward_symbols(graph).get(graph.output) or leaf_symbol(graph.output)
        assert symbol is not None, "an output is named or a leaf"
        return Head(intern("adjoint", (), symbol.as_form("local")))
    if head not in HEADS:
        raise EquationError(f"no head is called {head!r}{nearest(head, list(HEADS))}")
    entropy, slope = HEADS[head]
    taken = names_of(graph) | {s.name for s in forward_symbols(graph).values()}
    w, b, z = fresh("W_y", taken), fresh("b_y", taken), fresh(f"{pre_letter(graph)}_y", taken)
    block, bias = Block(w, 0, 1), intern("vector", (), b)
    logits = matmul(block, graph.output) + bias
    guess = intern(head, (logits,))
    truth = Symbol(fresh("y", taken), INPUT)
    target = intern("input", (), truth)
    step = entropy(target, guess)
    error = guess - target
    total = intern("total", (step,))
    y_hat, zs = Symbol(f"{truth.name}_hat", OUTPUT), Symbol(z, LOGIT)
    return Head(
        local=matmul(block, error, transposed=True),
        loss=(
            Line(zs, logits, logits, "loss"),
            Line(y_hat, guess, guess, "loss"),
            Line(Symbol("L", OUTPUT), step, step, "loss"),
            Line(Symbol("L", PARAMETER, ""), total, total, "loss"),
        ),
        backward=(
            Line(y_hat.as_form("partial"), derived("<guess>"), slope(target, guess), "backward", guess),
            Line(zs.as_form("d"), derived("<logits>"), error, "backward", logits),
        ),
        gradients=(
            _gradient(w, matrix(block), summed([intern("outer", (error, graph.output))])),
            _gradient(b, bias, summed([error])),
        ),
    )


def _gradient(name: str, leaf: Expr, expr: Expr) -> Line:
    return Line(Symbol(name, PARAMETER, "", "partial"), derived(f"<{name}>"), expr, "gradients", leaf)


def summed(terms: Iterable[Expr]) -> Expr:
    """The sum of the terms over time and batch; 0 where there is none."""
    terms = list(terms)
    return intern("total", (_add(terms),)) if terms else const(0)


def _add(terms: list[Expr]) -> Expr:
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


# --- further names ---------------------------------------------------------------------------------


def derived(name: str) -> Expr:
    """The leaf that stands for a total derivative; ∂ keeps it apart from the leaves of `adjoint`."""
    return intern("adjoint", (), f"∂{name}")


def _pre_activations(graph: Graph) -> dict[Expr, Symbol]:
    """z_u for the operand of u = σ(...), of Γ_u too; z_c for that of c̃."""
    named = forward_symbols(graph)
    taken = names_of(graph)
    letter = pre_letter(graph)
    found: dict[Expr, Symbol] = {}
    for node, symbol in named.items():
        operand = node.args[0]
        if node.op in SQUASHES and operand.args and operand not in named and operand not in found:
            name = fresh(f"{letter}_{symbol.name.removeprefix('Γ_').removesuffix('_tilde')}", taken)
            taken.add(name)
            found[operand] = Symbol(name)
    return found


def pre_letter(graph: Graph) -> str:
    """The letter of pre-activations: z, or the next one that is no name of the equations."""
    used = {name.split("_")[0] for name in names_of(graph)}
    return next((c for c in "zsq" if c not in used), "pre")


def _helpers(graph: Graph, adjoint: Adjoint) -> dict[Expr, Symbol]:
    """Names for the formulas of the backward pass: pre-activations, and v, v_2, ... for other values whose adjoint is
    read often, or is a product or more than a few operations and read twice, or that the backward pass itself reads."""
    found = _pre_activations(graph)
    unnamed: dict[Expr, Symbol] = {}
    own, nodes = forward_symbols(graph), topological(graph.roots)
    while True:
        symbols = {**own, **found, **unnamed}
        new = next(_unnamed(nodes, adjoint, symbols), None)
        if new is None:
            break
        unnamed[new] = Symbol(f"<{len(unnamed)}>")
    names = helper_names(graph, {s.name for s in own.values()})
    order = [line.target for line in forward(graph, {**found, **unnamed}) if line.target in unnamed]
    return {**found, **{node: Symbol(name) for node, name in zip(order, names, strict=False)}}


def _unnamed(nodes: Sequence[Expr], adjoint: Adjoint, symbols: dict[Expr, Symbol]) -> Iterator[Expr]:
    """Values that need a name: for their adjoint, nearest to the output first; for themselves, innermost first.
    nodes: the graph's, arguments first."""
    values = set(nodes)
    leaf = named_adjoints(nodes, adjoint, symbols)
    table = {d: v for d, v in leaf.items() if d.args}
    roots = set(adjoint.roots)
    parts = [p for d in {*leaf, *roots} for p in ((d,) if d in roots or not d.args else d.args)]
    found = substitute([*parts, *adjoint.of.values()], table, values)
    short, own = found[: len(parts)], dict(zip(adjoint.of, found[len(parts) :], strict=True))
    readers = Counter(a for node in topological(short, values) if node not in values for a in node.args)
    readers.update(set(short))
    rest = [n for n in nodes if n.args and n not in symbols]
    for n in reversed(rest):
        count = readers[own[n]] if n in own and own[n].args else 0
        if count > 2 or (count == 2 and _costly(own[n], symbols)):
            yield n
    yield from (n for n in rest if readers[n] and _costly(n, symbols))


def _costly(root: Expr, known: Container[Expr]) -> bool:
    """Whether a piece holds a product or more than a few operations."""
    operations = inside(root, known)
    return len(operations) > LARGE or any(n.op in ("matmul", "matmul_t") for n in operations)


def named_adjoints(nodes: Sequence[Expr], adjoint: Adjoint, symbols: dict[Expr, Symbol]) -> dict[Expr, Expr]:
    """The adjoint of each named node -> the leaf that stands for it; of equal ones the nearest to the output counts."""
    found: dict[Expr, Expr] = {}
    for node in reversed(nodes):
        d = adjoint.of.get(node)
        if node in symbols and d is not None and d.op != "const":
            found.setdefault(d, derived(symbols[node].name))
    return found


def _blocks(graph: Graph) -> Iterable[Line]:
    """W = [W_1, W_2] for a matrix on stacked vectors: what the transposed products call its parts."""
    for p in graph.params.values():
        if len(p.cols) > 1:
            blocks = [matrix(Block(p.name, k, len(p.cols))) for k in range(len(p.cols))]
            whole = matrix(Block(p.name, 0, 1))
            yield Line(Symbol(p.name, PARAMETER, ""), whole, intern("columns", tuple(blocks)))


# --- the derivatives -------------------------------------------------------------------------------


class _Backward:
    """Writes adjoints through each other: `leaf` maps the adjoint of a named node to the leaf that stands for it."""

    def __init__(self, graph: Graph, adjoint: Adjoint, symbols: dict[Expr, Symbol], local: Expr) -> None:
        self.graph, self.adjoint, self.symbols, self.local = graph, adjoint, symbols, local
        nodes = topological(graph.roots)
        self.values = set(nodes)
        every = topological([*(n.expr for n in graph.names), *graph.roots])
        self.order = [n for n in reversed(every) if n in symbols]
        self.leaf = named_adjoints(nodes, adjoint, symbols)

    def named(self, d: Expr, own: bool = False) -> Expr:
        """An adjoint through the named ones; `own`: it is the line of its name, so only its parts are replaced."""
        table = {k: v for k, v in self.leaf.items() if not (own and k is d)}
        table.setdefault(intern("adjoint", (), ARRIVING_OUTPUT), self.local)
        return tidy(substitute([d], table, self.values)[0], self.values)

    def lines(self) -> Iterable[Line]:
        """Every named adjoint, those first that others read; then the inputs, and the states entering."""
        written: set[Expr] = set()
        waiting = {n: self._line(n) for n in self.order}
        by_target = {line.target: node for node, line in waiting.items()}

        def emit(node: Expr) -> Iterable[Line]:
            if node in written:
                return
            written.add(node)
            for part in topological([waiting[node].expr]):
                if part in by_target:
                    yield from emit(by_target[part])
            yield waiting[node]

        for node in self.order:
            yield from emit(node)
        for name, d in self.adjoint.inputs.items():
            symbol = Symbol(name, INPUT, "t", "partial")
            yield Line(symbol, derived(f"<{name}>"), self.named(d), "backward", intern("input", (), name))
        for name, d in self.adjoint.states.items():
            symbol = Symbol(name, STATE, "t→t-1", "d")
            yield Line(symbol, derived(f"<{name}>"), self.named(d), "backward", intern("state", (), name))

    def _line(self, node: Expr) -> Line:
        d = self.adjoint.of.get(node, const(0))
        own = self.leaf.get(d)
        mine = derived(self.symbols[node].name)
        expr = self.named(d, own=own is mine)
        return Line(self.symbols[node].as_form("d"), mine, expr, "backward", node)

    def gradients(self) -> Iterable[Line]:
        for p in self.graph.params.values():
            if p.is_matrix:
                leaf = matrix(Block(p.name, 0, 1))
                yield _gradient(p.name, leaf, self._matrix(p.name, len(p.cols)))
            else:
                d = self.named(self.adjoint.vectors[p.name])
                yield _gradient(p.name, intern("vector", (), p.name), const(0) if d is const(0) else summed([d]))

    def _matrix(self, name: str, count: int) -> Expr:
        """Σ d [a, b]ᵀ where the blocks share their adjoints, else block beside block."""
        uses = [self.adjoint.matrices.get(Block(name, k, count), ()) for k in range(count)]
        if count == 1 or all([d for d, _ in u] == [d for d, _ in uses[0]] for u in uses):
            pairs = [(u[0][0], [a for _, a in u]) for u in zip(*uses, strict=True)]
            return summed(self._outer(d, a[0] if count == 1 else intern("stack", tuple(a))) for d, a in pairs)
        return intern("columns", tuple(summed(self._outer(d, a) for d, a in u) for u in uses))

    def _outer(self, d: Expr, operand: Expr) -> Expr:
        return tidy(intern("outer", (self.named(d), operand)), self.values)


# --- making formulas short -------------------------------------------------------------------------


LINEAR = {"matmul_t", "outer", "total"}  # a minus before the first operand can stand before the whole


def tidy(root: Expr, values: Container[Expr]) -> Expr:
    """The same value in the form a person writes: a - b, and du = dh ∘ (c - h) instead of dh ∘ c - dh ∘ h.

    `values` of the forward pass stay as they are.
    """
    new: dict[Expr, Expr] = {}
    for node in topological([root], values):
        fixed = node in values
        new[node] = node if fixed else _tidied(intern(node.op, tuple(new[a] for a in node.args), node.attr), values)
    return new[root]


def _tidied(node: Expr, values: Container[Expr]) -> Expr:
    if node.op == "neg" and node.args[0].op == "neg":
        return node.args[0].args[0]
    if node.op in LINEAR and node.args[0].op == "neg":
        return -intern(node.op, (node.args[0].args[0], *node.args[1:]), node.attr)
    if node.op in ("mul", "div"):
        minus = [a.op == "neg" and a not in values for a in node.args]
        bare = intern(node.op, tuple(a.args[0] if m else a for a, m in zip(node.args, minus, strict=True)))
        return -bare if sum(minus) == 1 else bare
    return _collected(node, values) if node.op in ("add", "sub") else node


def _terms(node: Expr, values: Container[Expr], sign: int = 1) -> list[tuple[int, Expr]]:
    if node in values or node.op not in ("add", "sub", "neg"):
        return [(sign, node)]
    signs = {"add": (sign, sign), "sub": (sign, -sign), "neg": (-sign,)}[node.op]
    return [t for a, s in zip(node.args, signs, strict=True) for t in _terms(a, values, s)]


def _factors(node: Expr) -> list[Expr]:
    return [f for a in node.args for f in _factors(a)] if node.op == "mul" else [node]


def _collected(node: Expr, values: Container[Expr]) -> Expr:
    """A sum with the terms of a common adjoint put together."""
    groups: dict[Expr, list[tuple[int, Expr]]] = {}
    for sign, term in _terms(node, values):
        factors = _factors(term)
        shared = next((f for f in factors if f.op == "adjoint"), None) if len(factors) > 1 else None
        if shared is None:
            groups.setdefault(term, []).append((sign, const(1)))
            continue
        factors.remove(shared)
        groups.setdefault(shared, []).append((sign, _product(factors)))
    return _plus([_group(shared, rest) for shared, rest in groups.items()])


def _group(shared: Expr, rest: list[tuple[int, Expr]]) -> tuple[int, Expr]:
    if len(rest) == 1:
        sign, r = rest[0]
        return sign, shared if r is const(1) else shared * r
    return 1, shared * _plus(rest)


def _plus(terms: list[tuple[int, Expr]]) -> Expr:
    """A signed sum, beginning with a positive term where there is one."""
    first = next((k for k, (sign, _) in enumerate(terms) if sign > 0), 0)
    terms = [terms[first], *terms[:first], *terms[first + 1 :]]
    total = terms[0][1] if terms[0][0] > 0 else -terms[0][1]
    for sign, term in terms[1:]:
        total = make("add" if sign > 0 else "sub", total, term)
    return total


def _product(factors: list[Expr]) -> Expr:
    total = factors[0]
    for f in factors[1:]:
        total = total * f
    return total
