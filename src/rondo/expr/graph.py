"""Graph: a cell's equations after tracing or parsing, with every size solved by unification."""

from __future__ import annotations

import difflib
import functools
import itertools
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from rondo.expr.nodes import COMPARE, MAX_DEPTH, MAX_NODES, POINTWISE, Block, EquationError, Expr, topological

SCALAR = "1"  # the size of a mean or rstd: one number per row


@dataclass(frozen=True)
class Param:
    """A parameter found by use: a matrix (rows x the sum of its column blocks) or a vector (rows)."""

    name: str
    rows: str
    cols: tuple[str, ...] = ()

    @property
    def is_matrix(self) -> bool:
        return bool(self.cols)

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        return (sizes[self.rows], sum(sizes[c] for c in self.cols)) if self.cols else (sizes[self.rows],)


@dataclass(frozen=True)
class Named:
    """A local name of the equations, the node it stands for, and its line (1 = first line of the body)."""

    name: str
    expr: Expr
    line: int


@dataclass(frozen=True, eq=False)
class Graph:
    """A cell as data: what enters, what is carried, what is learned, and the nodes that connect them.

    `sizes` maps every node to the name of its size; `square` says that the equations mix x and a state
    elementwise, so that input must equal hidden.
    """

    name: str
    inputs: dict[str, str]
    states: dict[str, str]
    params: dict[str, Param]
    names: tuple[Named, ...]
    updates: dict[str, Expr]
    output: Expr
    sizes: dict[Expr, str]
    square: bool = False
    init: dict[str, object] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)  # boolean inputs that rewrites add, and their sizes
    doc: str = ""
    number: int = field(
        init=False, default_factory=lambda: next(_numbers)
    )  # names the graph where only plain data can pass

    def __post_init__(self) -> None:
        _by_number[self.number] = self

    def __getstate__(self) -> dict[str, object]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "number"}  # and nothing cached

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, number=next(_numbers))
        _by_number[self.number] = self

    def __deepcopy__(self, memo: object) -> Graph:
        return self  # immutable: copies of a network share it, and with it everything cached by graph

    @property
    def roots(self) -> tuple[Expr, ...]:
        return (*self.updates.values(), self.output)

    @property
    def output_size(self) -> str:
        return self.sizes[self.output]

    @functools.cached_property
    def size_names(self) -> tuple[str, ...]:
        """Every named size that the parameters, states and inputs use, in order of first appearance."""
        found = [*self.inputs.values(), *self.states.values()]
        for p in self.params.values():
            found += [p.rows, *p.cols]
        return tuple(dict.fromkeys(found))


_numbers: itertools.count[int] = itertools.count()
_by_number: weakref.WeakValueDictionary[int, Graph] = weakref.WeakValueDictionary()


def graph_of(number: int) -> Graph:
    """The living graph with this number."""
    return _by_number[number]


def nearest(name: str, known: list[str]) -> str:
    """A short hint: the known name that looks most like `name`."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else (f"; known names: {', '.join(known)}" if known else "")


class _Unifier:
    """Union-find over size terms: names (strings) and unknowns (integers)."""

    def __init__(self) -> None:
        self.parent: dict[object, object] = {}
        self.square = False

    def find(self, term: object) -> object:
        while term in self.parent:
            term = self.parent[term]
        return term

    def unify(self, a: object, b: object) -> bool:
        """Make two sizes equal; False when they are two different names that may not be equal."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return True
        if isinstance(a, int):
            self.parent[a] = b
        elif isinstance(b, int):
            self.parent[b] = a
        elif {a, b} == {"input", "hidden"}:
            self.square = True
            self.parent["input"] = "hidden"
        else:
            return False
        return True


def solve(
    name: str,
    inputs: dict[str, str],
    states: dict[str, str],
    names: tuple[Named, ...],
    updates: dict[str, Expr],
    output: Expr,
    shapes: dict[str, tuple[str, ...]] | None = None,
    where: dict[int, str] | None = None,
    masks: dict[str, str] | None = None,
    end: int = 0,
    **more: Any,
) -> Graph:
    """Solve all sizes and collect the parameters.

    For error messages `where` maps a line to its text, and `end` is the line that returns the results.
    """
    shapes = shapes or {}
    _check_sizes(name, inputs, states, shapes)
    order = topological([*(n.expr for n in names), *updates.values(), output])
    _check_limits(name, order)
    line_of = dict(_first_lines(names, updates, output, end))
    uf = _Unifier()
    term: dict[Expr, object] = {}
    rows: dict[str, object] = {}
    cols: dict[str, list[object]] = {}
    vectors: dict[str, object] = {}
    fresh = iter(range(1, 1_000_000))

    def clash(line: int, what: str, a: object, b: object) -> EquationError:
        text = (where or {}).get(line, "").strip()
        place = f"{name}, line {line}" + (f": {text}" if text else "") if line else name
        return EquationError(f"{place}\n  {what}: one side has size {_show(uf.find(a))}, the other {_show(uf.find(b))}")

    def same(node: Expr, what: str, a: object, b: object) -> None:
        if not uf.unify(a, b):
            raise clash(line_of[node], what, a, b)

    for node in order:
        if node.op == "const":
            term[node] = None
        elif node.op in ("input", "mask"):
            term[node] = inputs[str(node.attr)] if node.op == "input" else (masks or {})[str(node.attr)]
        elif node.op == "state":
            term[node] = states[str(node.attr)]
        elif node.op == "vector":
            v = str(node.attr)
            if v not in vectors:
                vectors[v] = shapes[v][0] if v in shapes else next(fresh)
            term[node] = vectors[v]
        elif node.op == "matmul":
            block = node.attr
            assert isinstance(block, Block)
            m = block.name
            if m not in rows:
                declared = shapes.get(m)
                if declared and len(declared) != block.count + 1:
                    raise EquationError(
                        f"{name}: shapes[{m!r}] = {declared} must name the rows and {block.count} column size(s)"
                    )
                rows[m] = declared[0] if declared else next(fresh)
                cols[m] = list(declared[1:]) if declared else [next(fresh) for _ in range(block.count)]
            if len(cols[m]) != block.count:
                raise EquationError(
                    f"{name}: the matrix {m} is applied to {len(cols[m])} stacked vectors in one place and "
                    f"{block.count} in another; use two matrices"
                )
            arg = term[node.args[0]]
            if arg is None:
                raise EquationError(f"{name}: {m} @ a number makes no vector; multiply by a state or an input")
            same(node, f"{m} @ ...", cols[m][block.index], arg)
            term[node] = rows[m]
        elif node.op in ("mean", "rstd"):
            term[node] = SCALAR
        else:
            assert node.op in POINTWISE or node.op == "norm", node.op
            known = [term[a] for a in node.args if term[a] is not None and term[a] != SCALAR]
            for other in known[1:]:
                same(node, f"elementwise {node.op}", known[0], other)
            some = [term[a] for a in node.args if term[a] is not None]
            term[node] = known[0] if known else (some[0] if some else None)
            if node.op == "norm" and not known:
                raise EquationError(f"{name}: norm needs a vector")
    for s, node in updates.items():
        if term[node] is None:
            raise EquationError(f"{name}: the new {s} is a number; a state must be a vector")
        if not uf.unify(states[s], term[node]):
            line = next((n.line for n in names if n.name == s and n.expr is node), end)
            raise clash(line, f"the update of state {s}", states[s], term[node])
    if term[output] is None:
        raise EquationError(f"{name}: the output is a number; return a vector")

    reachable = set(topological([*updates.values(), output]))
    read = {str(n.attr) for n in reachable if n.op == "state"}
    for s in states:
        if s not in read:
            raise EquationError(f"{name}: the state {s!r} is never used; remove it or use it")

    def final(t: object, what: str) -> str:
        t = uf.find(t)
        if t is None:
            return ""
        if isinstance(t, int):
            raise EquationError(
                f"{name}: the size of {what} is not fixed by the equations; "
                f'declare it: shapes = {{"{what}": ("rank", ...)}}'
            )
        return str(t)

    params: dict[str, Param] = {}
    for node in order:
        if node.op == "matmul":
            m = node.attr.name  # type: ignore[attr-defined]
            params.setdefault(m, Param(m, final(rows[m], m), tuple(final(c, m) for c in cols[m])))
        elif node.op == "vector":
            v = str(node.attr)
            params.setdefault(v, Param(v, final(vectors[v], v)))
    for p in shapes:
        if p not in params:
            raise EquationError(f"{name}: shapes names {p!r}, which no equation uses{nearest(p, list(params))}")
    both = [p for p in rows if p in vectors]
    if both:
        raise EquationError(f"{name}: {both[0]} is used both as a matrix (left of @) and as a vector; use two names")
    order_of_use = _order_of_use(order)
    params = {k: params[k] for k in sorted(params, key=lambda k: order_of_use.get(k, 1 << 30))}
    sizes = {n: final(t, f"line {line_of.get(n, '?')}") for n, t in term.items()}
    return Graph(
        name=name,
        inputs={k: str(uf.find(v)) if uf.square else v for k, v in inputs.items()},
        states=dict(states),
        params=params,
        names=names,
        updates=updates,
        output=output,
        sizes=sizes,
        square=uf.square,
        masks=dict(masks or {}),
        **more,
    )


def _show(term: object) -> str:
    return f"'{term}'" if isinstance(term, str) else "unknown"


def _check_sizes(name: str, inputs: dict[str, str], states: dict[str, str], shapes: dict[str, tuple[str, ...]]) -> None:
    if not inputs:
        raise EquationError(f"{name} reads no input; a cell has at least one")
    if not states:
        raise EquationError(f"{name} carries no state; return State(h=...)")
    both = [i for i in inputs if i in states]
    if both:
        raise EquationError(f"{name}: {both[0]!r} is both an input and a state; use two names")
    for p, shape in shapes.items():
        if not isinstance(shape, (tuple, list)) or not shape:
            wanted = 'names of sizes, as in ("rank", "hidden")'
            raise EquationError(f"{name}: shapes[{p!r}] must be {wanted}, found {shape!r}")
    for size in (*inputs.values(), *states.values(), *(s for shape in shapes.values() for s in shape)):
        if not isinstance(size, str) or not size.isidentifier():
            raise EquationError(f"{name}: a size is a plain name such as hidden, found {size!r}")


def _check_limits(name: str, order: list[Expr]) -> None:
    if len(order) > MAX_NODES:
        raise EquationError(f"{name}: {len(order)} nodes; the limit is {MAX_NODES}")
    deepest = max((n.depth for n in order), default=0)
    if deepest > 10 * MAX_DEPTH:
        raise EquationError(f"{name}: a chain of {deepest} operations; the limit is {10 * MAX_DEPTH}")


def _first_lines(
    names: tuple[Named, ...], updates: dict[str, Expr], output: Expr, end: int
) -> Iterator[tuple[Expr, int]]:
    """Every node with the line on which it first appears, in the order of the equations."""
    roots = [*((n.expr, n.line) for n in names), *((r, end) for r in (*updates.values(), output))]
    order = iter(topological(root for root, _ in roots))
    done: set[Expr] = set()
    for root, line in roots:
        while root not in done:  # the order finishes one root before the next
            node = next(order)
            done.add(node)
            yield node, line


def _order_of_use(order: Iterable[Expr]) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in order:
        key = node.attr.name if isinstance(node.attr, Block) else str(node.attr) if node.op == "vector" else None
        if key is not None:
            found.setdefault(key, len(found))
    return found


def is_bool(node: Expr) -> bool:
    return node.op in COMPARE or node.op == "mask"
