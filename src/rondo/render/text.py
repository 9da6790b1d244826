"""A graph as text: the restricted Python function that `rondo.expr.parse` reads, and plain JSON data around it.

    def GRU(x: input, h: hidden):
        u = sigmoid(W_u @ (h, x) + b_u)
        c = tanh(W_c @ (h, x) + b_c)
        return State(h=u * c + (1 - u) * h)

Parsing the text gives the same nodes. A local that has the name of a state or parameter keeps it where the
old meaning is not read again (`c = f * c + i * g`); else it is renamed, and the JSON form remembers the old name.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rondo.expr.graph import Graph, Named, nearest
from rondo.expr.nodes import Block, EquationError, Expr, topological
from rondo.expr.parse import parse_cell
from rondo.expr.reader import ACCENTS, FUNCTIONS, GREEK, MAX_NUMBER

INFIX = {"lt": ("<", 0), "le": ("<=", 0), "add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}
PRODUCT, NEGATIVE, ATOM = 2, 3, 4
INLINE_DEPTH = 30  # a deeper expression is cut by a name, so that the text stays within the parser's limits
INLINE_SIZE = 60  # so is one that is read twice and larger than this

Statement = tuple[str, Expr]  # the wanted name and the node


# --- stacked products ------------------------------------------------------------------------------


def stacked(node: Expr) -> tuple[str, tuple[Expr, ...]] | None:
    """The matrix and operands when `node` is a whole product W @ v or a sum of blocks that is W @ (a, b)."""
    found = _chain(node)
    return found if found is not None and len(found[1]) == _last_block(node).count else None


def _last_block(node: Expr) -> Block:
    block = (node if node.op == "matmul" else node.args[1]).attr
    assert isinstance(block, Block)
    return block


def _chain(node: Expr) -> tuple[str, tuple[Expr, ...]] | None:
    """The blocks 0..k of one matrix, added from left to right."""
    if node.op == "matmul":
        block = _last_block(node)
        return (block.name, node.args) if block.index == 0 else None
    if node.op != "add" or node.args[1].op != "matmul":
        return None
    left, block = _chain(node.args[0]), _last_block(node)
    if (
        left is None
        or left[0] != block.name
        or len(left[1]) != block.index
        or _last_block(node.args[0]).count != block.count
    ):
        return None
    return block.name, (*left[1], *node.args[1].args)


def operands(node: Expr) -> tuple[Expr, ...]:
    """The arguments as a reader sees them: W @ (a, b) has the operands a and b."""
    stack = stacked(node)
    return stack[1] if stack else node.args


# --- expressions -----------------------------------------------------------------------------------


def number(value: float) -> str:
    """The shortest text that reads back as exactly this number."""
    if not math.isfinite(value):
        raise EquationError(f"the number {value} cannot be written in equations")
    text = repr(value)
    return text[:-2] if text.endswith(".0") and text != "-0.0" else text


def _call(name: str, args: Iterable[str]) -> str:
    return f"{name}({', '.join(args)})"


def write(node: Expr, bound: Mapping[Expr, str], level: int = 0) -> str:
    """The text of a node, in parentheses where it binds less than `level`; nodes in `bound` are written by name."""
    text, own = _text(node, bound)
    return f"({text})" if own < level else text


def _text(node: Expr, bound: Mapping[Expr, str]) -> tuple[str, int]:
    if node in bound:
        return bound[node], ATOM
    if node.op == "const":
        assert isinstance(node.attr, float)
        return number(node.attr), NEGATIVE if math.copysign(1, node.attr) < 0 else ATOM
    if not node.args:
        return str(node.attr), ATOM
    stack = stacked(node)
    if stack:
        matrix, parts = stack
        right = write(parts[0], bound, PRODUCT + 1) if len(parts) == 1 else _call("", (write(p, bound) for p in parts))
        return f"{matrix} @ {right}", PRODUCT
    if node.op in INFIX:
        sign, own = INFIX[node.op]
        return f"{write(node.args[0], bound, own)} {sign} {write(node.args[1], bound, own + 1)}", own
    if node.op == "neg":
        return f"-{write(node.args[0], bound, NEGATIVE)}", NEGATIVE
    if node.op not in FUNCTIONS:
        raise EquationError(f"{node.op} cannot be written in equations")
    return _call(node.op, (write(a, bound) for a in node.args)), ATOM


# --- names -----------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """The name in the parser's letters: accents spelled out, others replaced."""
    for accent, word in ACCENTS.items():
        name = unicodedata.normalize("NFD", name).replace(accent, word)
    plain = "".join(c if c in GREEK or (c.isascii() and (c.isalnum() or c == "_")) else "_" for c in name)
    return f"v{plain}" if not plain or plain[0].isdigit() or plain.startswith("__") else plain


def _checked(name: str) -> str:
    """A name that must travel as it is: of a parameter, a state or an input."""
    if _plain(name) != name or keyword.iskeyword(name) or name in FUNCTIONS or name == "State":
        raise EquationError(f"the name {name!r} cannot be written in equations; use plain Latin or Greek letters")
    return name


def _reads(roots: Iterable[Expr], bound: Mapping[Expr, str]) -> set[str]:
    """The inputs, states and parameters that a line reads, `bound` nodes being read by name."""
    found: set[str] = set()
    waiting, seen = list(roots), set(bound)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += node.args
        if isinstance(node.attr, Block):
            found.add(node.attr.name)
        elif isinstance(node.attr, str):
            found.add(node.attr)
    return found


def _fresh(name: str, taken: set[str]) -> str:
    candidates = (f"{name}_new{k}" for k in ("", *range(2, 10_000)))
    return name if name not in taken else next(c for c in candidates if c not in taken)


def statements(graph: Graph) -> list[Statement]:
    """The statements in order, with helper names where an expression is too deep or is large and read twice."""
    wanted = [(n.name, n.expr) for n in graph.names if n.expr.args]  # a leaf goes by its own name
    named = {node for _, node in wanted}
    readers: Counter[Expr] = Counter()
    depth: dict[Expr, int] = {}
    size: dict[Expr, int] = {}
    found: list[Statement] = []

    def visit(root: Expr) -> None:
        waiting = [(root, False)]
        while waiting:
            node, ready = waiting.pop()
            if node in depth:
                continue
            parts = operands(node)
            if not ready:
                waiting += [(node, True), *((p, False) for p in reversed(parts))]
                continue
            depth[node] = 1 + max((depth[p] for p in parts), default=0)
            size[node] = 1 + sum(size[p] for p in parts)
            large = depth[node] > INLINE_DEPTH or (readers[node] > 1 and size[node] > INLINE_SIZE)
            if large and node not in named and node is not root:
                found.append(("", node))
            if node in named or large:
                depth[node] = size[node] = 1

    for node in topological([*(node for _, node in wanted), *graph.roots]):
        readers.update(operands(node))
    for name, node in wanted:
        visit(node)
        found.append((name, node))
    for node in graph.roots:
        visit(node)
    return found


def _assignments(graph: Graph) -> list[tuple[str, str, Expr]]:
    """(printed name, own name or "", node) of every line, the printed names chosen so that nothing is shadowed."""
    wanted = statements(graph)
    leaves = {*graph.inputs, *graph.states, *graph.params}
    never = {*FUNCTIONS, "State", *keyword.kwlist, *graph.inputs}
    bound: dict[Expr, str] = {}
    reads = []
    for name, node in wanted:
        reads.append(_reads([node], bound))
        bound.setdefault(node, name)
    later = _reads(graph.roots, bound)
    free: list[set[str]] = []  # names that must keep their meaning after each line
    for r in reversed(reads):
        free.append(set(later))
        later |= r
    used: set[str] = set()
    own = {name for name, _ in wanted}
    found = []
    for (name, node), keep in zip(wanted, reversed(free), strict=True):
        plain = _plain(name or "v")
        if not name or plain in keep | never | used:
            plain = _fresh(plain, keep | never | used | leaves | own)
        used.add(plain)
        found.append((plain, name, node))
    return found


# --- the whole cell --------------------------------------------------------------------------------


def equations(graph: Graph) -> str:
    """The graph as a restricted Python function; `parse_cell` reads it back to the same nodes.

    Sizes that the equations leave open are not in the text: see `shapes_of` and `to_json`.
    """
    return _print(graph, _assignments(graph))


def _print(graph: Graph, assignments: list[tuple[str, str, Expr]]) -> str:
    if graph.masks:
        mask = next(iter(graph.masks))
        raise EquationError(
            f"{graph.name}: the mask {mask!r} was added by dropout or zoneout and is no part of the equations: "
            "write the cell's own graph"
        )
    for name in (*graph.inputs, *graph.states, *graph.params):
        _checked(name)
    bound: dict[Expr, str] = {}
    lines = [f"def {_title(graph.name)}({_header(graph)}):"]
    for printed, _, node in assignments:
        lines.append(f"    {printed} = {write(node, bound)}")
        bound.setdefault(node, printed)
    new = _call("State", (f"{s}={write(node, bound)}" for s, node in graph.updates.items()))
    first = next(iter(graph.updates.values()))
    output = "" if graph.output is first else f", {write(graph.output, bound)}"
    return "\n".join([*lines, f"    return {new}{output}"]) + "\n"


def _title(name: str) -> str:
    plain = _plain(re.sub(r"\W", "_", name))
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def _header(graph: Graph) -> str:
    """Arguments and sizes. Where input = hidden was derived, the header says input, so that it is derived again."""
    inputs = {i: "input" if graph.square and size == "hidden" else size for i, size in graph.inputs.items()}
    return ", ".join(f"{_checked(k)}: {_checked(v)}" for k, v in {**inputs, **graph.states}.items())


def shapes_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The named sizes of every parameter, rows then column blocks: enough to solve the graph again."""
    return {p.name: (p.rows, *p.cols) for p in graph.params.values()}


def to_json(graph: Graph, sizes: Mapping[str, int | str] | None = None) -> dict[str, Any]:
    """The cell as plain JSON data: what travels in a model file. `sizes` are values of the cell's own size names."""
    assignments = _assignments(graph)
    return {
        "name": graph.name,
        "equations": _print(graph, assignments),
        "sizes": dict(sizes or {}),
        "shapes": {k: list(v) for k, v in shapes_of(graph).items()},
        "init": {k: list(v) if isinstance(v, tuple) else v for k, v in graph.init.items()},
        "constants": dict(graph.constants),
        "names": {printed: own for printed, own, _ in assignments if printed != own},
        "doc": graph.doc,
    }


FIELDS = {
    "name": str,
    "equations": str,
    "sizes": dict,
    "shapes": dict,
    "init": dict,
    "constants": dict,
    "names": dict,
    "doc": str,
}


def from_json(data: Mapping[str, Any]) -> Graph:
    """The graph of `to_json`. Nothing is executed; data of another form is an EquationError that says where."""
    if not isinstance(data, Mapping):
        raise EquationError(f"a cell is an object with the fields {', '.join(FIELDS)}, found {type(data).__name__}")
    for key, value in data.items():
        if key not in FIELDS:
            raise EquationError(f"a cell has no field {key!r}{nearest(str(key), list(FIELDS))}")
        if not isinstance(value, FIELDS[key]):
            raise EquationError(
                f"the cell's field {key!r} must be {FIELDS[key].__name__}, found {type(value).__name__}"
            )
    if "equations" not in data:
        raise EquationError("the cell has no 'equations'")
    graph = parse_cell(
        data["equations"],
        name=data.get("name"),
        shapes={k: tuple(_shape(k, v)) for k, v in data.get("shapes", {}).items()},
        constants=data.get("constants"),
        init={k: _initial(k, v) for k, v in data.get("init", {}).items()},
        doc=data.get("doc", ""),
    )
    return replace(graph, names=tuple(_renamed(graph.names, data.get("names", {}))))


def _shape(name: str, value: object) -> list[str]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(s, str) for s in value):
        raise EquationError(f"the shape of {name} must be a list of size names, found {value!r}")
    return list(value)


def _initial(name: str, value: object) -> object:
    def is_number(v: object) -> bool:
        return isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) <= MAX_NUMBER  # no nan

    if is_number(value) or isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(is_number(v) for v in value):
        return tuple(value)
    raise EquationError(f"the initial value of {name} must be a number, a word or [low, high], found {value!r}")


def _renamed(names: Iterable[Named], own: Mapping[str, object]) -> Iterable[Named]:
    """The locals with their own names again, without the helper names that printing added."""
    for n in names:
        name = own.get(n.name, n.name)
        if not isinstance(name, str):
            raise EquationError(f"the name of {n.name} must be text, found {name!r}")
        if name:
            yield Named(name, n.expr, n.line)
