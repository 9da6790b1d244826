"""A cell read for a page: equations and derivation row by row as MathML, each adjoint tied to the rows it belongs to;
the parameters; and the network of named values.

A row's right side comes in pieces, so that a page can break a long line between them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, topological
from rondo.render.bptt import bptt
from rondo.render.latex import typeset
from rondo.render.layout import MATHML, PLAIN, Layout, Op, Row, Script, print_layout, row
from rondo.render.lines import OUTPUT, STATE, Line, forward, inside
from rondo.render.notation import Typesetter, notation_of

BREAKS = {"+", "−", "∘", "⊙", "·"}  # a long line may be broken before these


@dataclass(frozen=True)
class Formula:
    """One row. part: equations, names (of values that only the derivation names), loss, backward, gradients;
    `lines` of the text and `twins`, the rows that belong to it (of an adjoint: what it is the adjoint of)."""

    id: str
    part: str
    name: str
    left: str
    right: tuple[str, ...]
    plain: str
    lines: tuple[int, ...] = ()
    twins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A named value in the network; `reads` are ids, `level` the longest path from what enters the step."""

    id: str
    kind: str
    label: tuple[str, str, str]  # base, index, superscript
    reads: tuple[str, ...]
    level: int
    state: str = ""  # the state that this value becomes
    plain: str = ""


@dataclass(frozen=True)
class Reading:
    """What a page shows of a cell. `network`: its nodes, what enters first; `output` is the id of one of them."""

    formulas: tuple[Formula, ...]
    network: tuple[Node, ...]
    output: str
    derived: bool = True


def read(graph: Graph, text: str, notation: str = "lecture", head: str | None = None, derive: bool = True) -> Reading:
    """Everything to be typeset. text: what the graph was read from; derive: with backpropagation through time."""
    own = forward(graph)
    pieces = _pieces(own)
    equations = _rows("e", own, "equations", notation)
    numbers = _text_lines(graph, own, text)
    equations = [replace(f, lines=numbers[k]) for k, f in enumerate(equations)]
    derivation: list[Formula] = []
    twins: dict[str, set[str]] = {}
    if derive:
        known = {line.target for line in own}
        lines = bptt(graph, head)
        rows = _rows("d", lines, "", notation)
        kept = [(line, f) for line, f in zip(lines, rows, strict=True) if line.target not in known]
        derivation = [replace(f, part="names" if f.part == "forward" else f.part) for _, f in kept]
        ids = {line.target: f.id for line, f in [*zip(own, equations, strict=True), *kept] if line.of is None}
        for line, f in kept:
            found = _belongs(line, own, pieces)
            twins[f.id] = {equations[k].id for k in found} | {ids[n] for n in (line.of,) if n in ids}
    both: dict[str, set[str]] = {k: set(v) for k, v in twins.items()}
    for a, others in twins.items():
        for b in others:
            both.setdefault(b, set()).add(a)
    every = [replace(f, twins=tuple(sorted(both.get(f.id, ())))) for f in (*equations, *derivation)]
    nodes, output = network(graph, own, equations, notation)
    return Reading(tuple(every), nodes, output, derive)


def _rows(prefix: str, lines: Sequence[Line], part: str, notation: str) -> list[Formula]:
    found = []
    for k, (line, (own, left, right)) in enumerate(zip(lines, typeset(lines, notation), strict=True)):
        plain = f"{print_layout(left, PLAIN)} = {print_layout(right, PLAIN)}"
        pieces = tuple(_mathml_pieces(right))
        found.append(Formula(f"{prefix}{k}", part or own, line.name, _math(print_layout(left, MATHML)), pieces, plain))
    return found


def _math(inner: str) -> str:
    return f'<math displaystyle="true">{inner}</math>'


def _mathml_pieces(right: Layout) -> Iterable[str]:
    """The right side with its equals sign, cut before the operators of the sum or product that it is."""
    sign, piece = "=", list[Layout]()
    for item in right.items if isinstance(right, Row) else (right,):
        if isinstance(item, Op) and item.text in BREAKS and piece:
            yield _piece(sign, piece)
            sign, piece = item.text, []
        else:
            piece.append(item)
    yield _piece(sign, piece)


def _piece(sign: str, items: list[Layout]) -> str:
    return _math(f'<mrow><mo form="infix">{sign}</mo>{print_layout(row(*items), MATHML)}</mrow>')


# --- what belongs together -------------------------------------------------------------------------


def _pieces(own: Sequence[Line]) -> list[set[Expr]]:
    """The nodes that each equation computes or reads, other named values being read by name."""
    known = {line.target for line in own}
    found = []
    for line in own:
        operations = inside(line.expr, known - {line.expr})
        found.append(operations | {a for n in operations for a in n.args} | {line.expr})
    return found


def _belongs(line: Line, own: Sequence[Line], pieces: Sequence[set[Expr]]) -> list[int]:
    """The equations that a line of the derivation is about: where its value is computed, or its leaf is read."""
    if line.part == "gradients":
        name = line.symbol.name
        return [k for k, piece in enumerate(pieces) if any(_parameter(n) == name for n in piece)]
    node = line.of if line.of is not None else line.target
    exact = [k for k, one in enumerate(own) if node in (one.target, one.expr)]
    if exact and node.args:
        return exact
    return [k for k, piece in enumerate(pieces) if node in piece]


def _parameter(node: Expr) -> str:
    return node.attr.name if isinstance(node.attr, Block) else str(node.attr) if node.op == "vector" else ""


def _text_lines(graph: Graph, own: Sequence[Line], text: str) -> list[tuple[int, ...]]:
    """The lines of the text that each equation stands on."""
    named: dict[Expr, int] = {}
    for n in graph.names:
        named.setdefault(n.expr, n.line)
    last = max((k for k, line in enumerate(text.split("\n"), 1) if re.match(r"\s*return\b", line)), default=0)
    found = []
    for line in own:
        number = named.get(line.expr, last)
        also = last if line.symbol.role == STATE and last else number
        found.append(tuple(k for k in dict.fromkeys((number, also)) if k))
    return found


# --- parameters ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A parameter with the names of its sizes and how many numbers it holds."""

    name: str
    mathml: str
    shape: str
    count: int


def size_values(graph: Graph, own: Mapping[str, int | str], chosen: Mapping[str, int]) -> dict[str, int]:
    """A value for every named size: chosen, else the cell's own, else half of hidden; input 8 and hidden 16."""
    found = {"input": chosen.get("input", 8), "hidden": chosen.get("hidden", 16)}
    if graph.square:
        found["input"] = found["hidden"]
    for name in graph.size_names:
        default = own.get(name, max(1, found["hidden"] // 2))
        found.setdefault(name, chosen.get(name, found[default] if isinstance(default, str) else default))
    return {name: found[name] for name in dict.fromkeys(("input", "hidden", *graph.size_names)) if name in found}


def parameters(graph: Graph, sizes: Mapping[str, int], notation: str = "lecture") -> list[Parameter]:
    """The parameters in the order of their use."""
    go = Typesetter(forward(graph), notation_of(notation))
    found = []
    for p in graph.params.values():
        shape = p.shape(dict(sizes))
        count = functools.reduce(int.__mul__, shape, 1)
        columns = " + ".join(p.cols)
        text = p.rows if not p.cols else f"{p.rows} × {f'({columns})' if len(p.cols) > 1 else columns}"
        found.append(Parameter(p.name, _math(print_layout(go.parameter(p.name), MATHML)), text, count))
    return found


# --- the network -----------------------------------------------------------------------------------


def network(graph: Graph, own: Sequence[Line], rows: Sequence[Formula], notation: str) -> tuple[tuple[Node, ...], str]:
    """What enters the step and every named value, with what each reads; and the id of the output."""
    go = Typesetter(own, notation_of(notation))
    ids: dict[Expr, str] = {}
    found: dict[str, Node] = {}
    reached = topological([*graph.roots, *(n.expr for n in graph.names)])
    for node in reached:
        if node.op in ("input", "state"):
            layout, _ = go.layout(node)
            ids[node] = f"{node.op}-{node.attr}"
            found[ids[node]] = Node(ids[node], node.op, _label(layout), (), 0, plain=print_layout(layout, PLAIN))
    for line, formula in zip(own, rows, strict=True):
        sources = _sources(line.expr, ids)
        level = 1 + max((found[s].level for s in sources), default=0)
        kind = "new" if line.symbol.role == STATE else line.symbol.role
        state = line.symbol.name if line.symbol.role == STATE else ""
        found[formula.id] = Node(formula.id, kind, _label(go.symbol(line.symbol)), sources, level, state, formula.plain)
        ids[line.target] = formula.id
    named = [f.id for line, f in zip(own, rows, strict=True) if line.symbol.role == OUTPUT]
    return tuple(found.values()), named[-1] if named else ids.get(graph.output, "")


def _sources(root: Expr, ids: Mapping[Expr, str]) -> tuple[str, ...]:
    """The named values that a value is computed from directly."""
    if root in ids:
        return (ids[root],)
    found: dict[str, None] = {}
    waiting, seen = list(root.args), {root}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in ids:
            found[ids[node]] = None
        else:
            waiting += node.args
    return tuple(found)


def _label(layout: Layout) -> tuple[str, str, str]:
    """A symbol as base, index and superscript in plain letters."""
    if not isinstance(layout, Script):
        return print_layout(layout, PLAIN), "", ""
    sub = ",".join(print_layout(p, PLAIN) for p in layout.sub)
    return print_layout(layout.base, PLAIN), sub, "".join(print_layout(p, PLAIN) for p in layout.sup)
