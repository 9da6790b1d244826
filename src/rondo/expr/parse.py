"""Equations as text. Two forms are read, neither is ever executed:

1. a restricted Python function, which is also what `rondo.render.text` prints:

       def GRU(x: input, h: hidden):
           u = σ(W_u @ (h, x) + b_u)
           c = tanh(W_c @ (h, x) + b_c)
           return State(h=u * c + (1 - u) * h)

2. plain equation lines in the lecture's notation, in any order, where `c<t-1>` is the state entering,
   `W[a, b]` is a matrix on stacked vectors, ∘ or * is elementwise, and `W a` is a product:

       c̃ = tanh(W_c[Γ_r * c<t-1>, x<t>] + b_c)
       Γ_u = σ(W_u[c<t-1>, x<t>] + b_u)
       Γ_r = σ(W_r[c<t-1>, x<t>] + b_r)
       c<t> = Γ_u * c̃ + (1 - Γ_u) * c<t-1>
       a<t> = c<t>

The text is read by `ast` and walked by a table of allowed forms. Limits: 16 KB, 1,000 nodes, depth 100.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import BINARY, MAX_DEPTH, MAX_NODES, UNARY, EquationError, Expr, as_expr, intern, make
from rondo.expr.trace import Free, fresh_name

MAX_BYTES = 16 * 1024
MAX_NUMBER = 1e30
MAX_LOOP = 100

FUNCTIONS: dict[str, tuple[int, Callable[..., Expr]]] = {
    **{op: (1, lambda v, op=op: make(op, v)) for op in UNARY - {"neg"}},  # type: ignore[misc]
    "minimum": (2, lambda a, b: make("minimum", a, b)),
    "maximum": (2, lambda a, b: make("maximum", a, b)),
    "where": (3, lambda c, a, b: make("where", c, a, b)),
    "norm": (1, lambda v: intern("norm", (as_expr(v),))),
    "g1": (1, lambda v: make("tanh", v)),  # the lecture's activation of the hidden state
}
OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
SIGNS = {"∘": "*", "⊙": "*", "×": "*", "·": "*", "−": "-", "σ(": "sigmoid(", "⟨": "<", "⟩": ">", "′": "_prime"}
ACCENTS = {"\u0303": "_tilde", "\u0302": "_hat", "\u0304": "_bar", "\u0307": "_dot"}
GREEK = set("ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμξπρσςτφχψω")  # the letters that no Latin letter looks like
ASCII = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ \t\n()[]{}<>=+-*/@.,:^\"'#\\;!?`%&|~$")
COMPARISONS: dict[type, Callable[[Any, Any], Expr]] = {
    ast.Lt: lambda a, b: make("lt", a, b),
    ast.LtE: lambda a, b: make("le", a, b),
    ast.Gt: lambda a, b: make("lt", b, a),
    ast.GtE: lambda a, b: make("le", b, a),
}


def parse_cell(
    text: str,
    name: str | None = None,
    states: dict[str, str] | None = None,
    shapes: dict[str, tuple[str, ...]] | None = None,
    constants: dict[str, float] | None = None,
    init: dict[str, object] | None = None,
    doc: str = "",
) -> Graph:
    """The graph of a cell given as text, in either form (see the module's text).

    `states` overrides sizes of states (and, for lecture lines, their order: the first is the output);
    `shapes`, `constants` and `init` are as on `Cell`. Raises EquationError, with the line, for anything else.
    """
    source = _clean(text)
    constants = {k: _number(v, k) for k, v in (constants or {}).items()}
    more: dict[str, object] = {"constants": constants, "init": dict(init or {})}
    shapes = {k: tuple(v) for k, v in (shapes or {}).items()}
    if re.search(r"^\s*def\b", source, re.M):
        return _parse_function(source, name, states, shapes, constants, doc, more)
    return _parse_lines(source, name or "Cell", states, shapes, constants, doc, more)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EquationError(f"the constant {name} must be a number")
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise EquationError(f"the number {name} is too large; the limit is {MAX_NUMBER:g}")
    return value


def _clean(text: str) -> str:
    """The text in plain letters: accents and signs of the lecture spelled out, every other letter refused."""
    if not isinstance(text, str):
        raise EquationError(f"equations are text, found {type(text).__name__}")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise EquationError(f"the equations take more than {MAX_BYTES // 1024} KB")
    for sign, plain in SIGNS.items():
        text = text.replace(sign, plain)
    text = unicodedata.normalize("NFD", text).replace("\r\n", "\n")
    for accent, word in ACCENTS.items():
        text = text.replace(accent, word)
    text = re.sub(r"(_(?:tilde|hat|bar|dot|prime))(_\w+)", r"\2\1", text)
    for number, line in enumerate(text.split("\n"), 1):
        for ch in line.split("#")[0]:
            if ch not in ASCII and ch not in GREEK:
                label = unicodedata.name(ch, f"U+{ord(ch):04X}")
                raise EquationError(
                    f"line {number}: the character {ch!r} ({label}) is not allowed in equations: "
                    "use Latin letters, digits, _ and the Greek letters that look like no Latin one"
                )
    depth = deepest = 0
    for ch in text:
        depth += (ch in "([{") - (ch in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise EquationError(f"brackets are nested {deepest} deep; the limit is {MAX_DEPTH}")
    return text


def _ast(source: str) -> ast.Module:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise EquationError(f"line {error.lineno}: {error.msg}: {(error.text or '').strip()[:80]}") from None
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise EquationError(f"the equations cannot be read: {str(error) or type(error).__name__}") from None
    count, level = 0, [tree]  # breadth first: no recursion on hostile depth
    depth = 0
    while level:
        depth += 1
        count += len(level)
        if depth > MAX_DEPTH or count > 20 * MAX_NODES:
            raise EquationError(f"the equations are nested deeper than {MAX_DEPTH} or have over {MAX_NODES} nodes")
        level = [child for node in level for child in ast.iter_child_nodes(node)]  # type: ignore[misc]
    return tree


class _Reader:
    """Walks an allowed syntax tree and builds nodes; `bound` holds what each local name means."""

    def __init__(self, cell: str, constants: dict[str, float], lines: dict[int, str]) -> None:
        self.cell, self.constants, self.lines = cell, constants, lines
        self.bound: dict[str, Any] = {}
        self.names: list[Named] = []
        self.budget = 20 * MAX_NODES

    def fail(self, node: ast.AST, message: str) -> EquationError:
        line = getattr(node, "lineno", 0)
        text = self.lines.get(line, "").strip()
        return EquationError(f"{self.cell}, line {line}: {text[:100]}\n  {message}")

    def expression(self, node: ast.AST) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise self.fail(node, f"the equations have over {MAX_NODES} nodes")
        handler = getattr(self, f"_{type(node).__name__}", None)
        if handler is None:
            raise self.fail(node, f"{_what(node)} cannot stand in equations")
        try:
            return handler(node)
        except EquationError as error:
            raise error if "line" in str(error) else self.fail(node, str(error)) from None

    def _Constant(self, node: ast.Constant) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(node, f"only numbers can stand in equations, found {type(value).__name__}")
        if isinstance(value, int) and value.bit_length() > 100:
            raise self.fail(node, f"a number is too large; the limit is {MAX_NUMBER:g}")
        return _number(value, "literal")

    def _Name(self, node: ast.Name) -> Any:
        name = node.id
        if name in self.bound:
            return self.bound[name]
        if name in self.constants:
            return self.constants[name]
        if name in FUNCTIONS or name == "State":
            raise self.fail(node, f"{name} is a function: write {name}(...)")
        if name.startswith("__"):
            raise self.fail(node, f"names cannot begin with __: {name}")
        return Free(name, [*self.bound, *self.constants, *FUNCTIONS])

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        if not isinstance(node.op, (ast.USub, ast.UAdd)):
            raise self.fail(node, "only - and + can stand before a vector")
        value = self.expression(node.operand)
        return value if isinstance(node.op, ast.UAdd) else -value

    def _BinOp(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, ast.MatMult):
            left = self.expression(node.left)
            if not isinstance(left, Free):
                raise self.fail(node, "the left side of @ must be a free name: W @ v")
            return left @ self._stack(node.right)
        op = OPERATORS.get(type(node.op))
        if op is None:
            raise self.fail(node, f"the operator {type(node.op).__name__} is not known: use + - * / @")
        a, b = self.expression(node.left), self.expression(node.right)
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return self._fold(node, op, a, b)
        return make(op, a, b)

    def _fold(self, node: ast.AST, op: str, a: float, b: float) -> float:
        try:
            value = {"add": a + b, "sub": a - b, "mul": a * b}[op] if op != "div" else a / b
        except ZeroDivisionError:
            raise self.fail(node, "division by zero") from None
        return _number(value, "result")

    def _stack(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(self.expression(e) for e in node.elts)
        return self.expression(node)

    def _Subscript(self, node: ast.Subscript) -> Any:
        base = self.expression(node.value)
        if not isinstance(base, Free):
            raise self.fail(node, "only a parameter can stand before [...]: W[a, b] or R[k]")
        index = self._stack(node.slice)
        if isinstance(index, (int, float)):
            if index != int(index):
                raise self.fail(node, "an index must be a whole number")
            return base[int(index)]
        return base @ index

    def _Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "only the functions of the equation language can be called")
        if node.func.id not in FUNCTIONS:
            raise self.fail(node, f"unknown function {node.func.id!r}{nearest(node.func.id, list(FUNCTIONS))}")
        count, function = FUNCTIONS[node.func.id]
        if node.keywords or len(node.args) != count:
            raise self.fail(node, f"{node.func.id} takes {count} argument(s), in order")
        return function(*(self.expression(a) for a in node.args))

    def _Compare(self, node: ast.Compare) -> Any:
        build = COMPARISONS.get(type(node.ops[0]))
        if len(node.ops) != 1 or build is None:
            raise self.fail(node, "a comparison is one of < <= > >= between two values")
        return build(self.expression(node.left), self.expression(node.comparators[0]))

    def assign(self, name: str, value: Any, line: int) -> None:
        if name in FUNCTIONS or name == "State" or name.startswith("__"):
            raise EquationError(f"{self.cell}, line {line}: {name!r} cannot be assigned; choose another name")
        self.bound[name] = value
        if isinstance(value, Free):
            self.bound[name] = value = value.as_vector()
        if isinstance(value, Expr):
            self.names.append(Named(fresh_name(name, self.names), value, line))


def _what(node: ast.AST) -> str:
    return {
        "Attribute": "attribute access (a.b)",
        "Lambda": "a lambda",
        "IfExp": "if/else (use where(a < b, x, y))",
        "BoolOp": "and/or",
        "JoinedStr": "a string",
        "Tuple": "a tuple (outside of W @ (a, b))",
    }.get(type(node).__name__, f"Python's {type(node).__name__}")


def _parse_function(
    source: str,
    name: str | None,
    states: dict[str, str] | None,
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, object],
) -> Graph:
    tree = _ast(source)
    lines = dict(enumerate(source.split("\n"), 1))
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise EquationError("a cell's text is one function and nothing else: def Name(x: input, h: hidden): ...")
    function = tree.body[0]
    reader = _Reader(function.name, constants, lines)
    a = function.args
    if a.vararg or a.kwarg or a.kwonlyargs or a.defaults or a.posonlyargs or function.decorator_list:
        raise reader.fail(function, "the header is def Name(x: input, h: hidden): plain arguments only")
    sizes: dict[str, str] = {}
    for arg in a.args:
        if arg.annotation is not None and not isinstance(arg.annotation, ast.Name):
            raise reader.fail(function, f"the size of {arg.arg} must be a plain name, as in h: hidden")
        sizes[arg.arg] = arg.annotation.id if isinstance(arg.annotation, ast.Name) else ""
    result = function.body[-1]
    if not isinstance(result, ast.Return):
        raise reader.fail(result, "the last line must be return State(...)")
    call, out = _returned(reader, result)
    returned = [k.arg for k in call.keywords]
    for s in returned:
        if s not in sizes:
            raise reader.fail(result, f"State names {s!r}, which is no argument of {function.name}")
    found = {s: (states or {}).get(s, sizes[s] or "hidden") for s in returned if s}
    inputs = {i: sizes[i] or "input" for i in sizes if i not in found}
    for i in inputs:
        reader.bound[i] = intern("input", (), i)
    for s in found:
        reader.bound[s] = intern("state", (), s)
    body = function.body[:-1]
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        if not isinstance(body[0].value.value, str):
            raise reader.fail(body[0], "a line must be name = equation")
        doc, body = doc or body[0].value.value, body[1:]
    _statements(reader, body)
    updates = {k.arg: as_expr(reader.expression(k.value)) for k in call.keywords if k.arg}
    output = as_expr(reader.expression(out)) if out is not None else next(iter(updates.values()))
    return solve(
        name or function.name, inputs, found, tuple(reader.names), updates, output, shapes, lines, doc=doc, **more
    )


def _returned(reader: _Reader, result: ast.Return) -> tuple[ast.Call, ast.AST | None]:
    value, out = result.value, None
    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
        value, out = value.elts
    good = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "State"
    if not good or value.args or not value.keywords or any(k.arg is None for k in value.keywords):  # type: ignore[union-attr]
        raise reader.fail(result, "the last line must be return State(h=...) or return State(h=...), output")
    return value, out  # type: ignore[return-value]


def _statements(reader: _Reader, body: list[ast.stmt]) -> None:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            reader.assign(node.targets[0].id, reader.expression(node.value), node.lineno)
        elif isinstance(node, ast.For):
            _loop(reader, node)
        else:
            raise reader.fail(node, "a line must be name = equation, or for k in range(n):")


def _loop(reader: _Reader, node: ast.For) -> None:
    call = node.iter
    ok = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
    if not ok or not isinstance(node.target, ast.Name) or node.orelse or not 1 <= len(call.args) <= 3:  # type: ignore[attr-defined]
        raise reader.fail(node, "a loop is for k in range(n): with a plain number n")
    bounds = [reader.expression(a) for a in call.args]  # type: ignore[attr-defined]
    if not all(isinstance(b, (int, float)) and b == int(b) for b in bounds) or (len(bounds) == 3 and bounds[2] == 0):
        raise reader.fail(node, "the bounds of range must be whole numbers or constants of the cell")
    steps = range(*(int(b) for b in bounds))
    if len(steps) > MAX_LOOP:
        raise reader.fail(node, f"a loop of {len(steps)} rounds; the limit is {MAX_LOOP}")
    for k in steps:
        reader.bound[node.target.id] = k
        _statements(reader, node.body)


# --- the lecture's lines -------------------------------------------------------------------------

_TIME = [
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*-\s*1\s*>(?:\s*\})?"), "__prev"),
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*>(?:\s*\})?"), ""),
    (re.compile(r"_\{\s*t\s*-\s*1\s*\}"), "__prev"),
    (re.compile(r"_\{\s*t\s*\}|(?<=[^\W_])_t\b"), ""),
]
_PRODUCT = re.compile(r"(?<=[\w\]])[ \t]+(?=[^\W\d])")


def _parse_lines(
    source: str,
    cell: str,
    states: dict[str, str] | None,
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, object],
) -> Graph:
    statements: list[tuple[str, ast.AST, int]] = []
    lines = dict(enumerate(source.split("\n"), 1))
    for number, line in lines.items():
        plain = line.split("#")[0].strip().rstrip(",;.")
        if not plain:
            continue
        for pattern, word in _TIME:
            plain = pattern.sub(word, plain)
        left, sign, right = plain.partition("=")
        left = left.strip()
        if not sign or not left.isidentifier() or not right.strip():
            raise EquationError(f"line {number}: {line.strip()[:80]}\n  a line must be name = equation")
        tree = _ast(_PRODUCT.sub(" @ ", right.strip()))
        if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
            raise EquationError(f"line {number}: {line.strip()[:80]}\n  a line must be name = equation")
        for node in ast.walk(tree):
            if hasattr(node, "lineno"):
                node.lineno = number
        if left in (s[0] for s in statements):
            raise EquationError(f"line {number}: {left} is defined twice")
        statements.append((left, tree.body[0].value, number))
    if not statements:
        raise EquationError("no equations found: write one a line, name = equation")
    order = _in_order(statements)
    used = {n.id for _, value, _ in statements for n in ast.walk(value) if isinstance(n, ast.Name)}
    carried = [n[: -len("__prev")] for n in sorted(used) if n.endswith("__prev")]
    defined = [name for name, _, _ in statements]
    for s in carried:
        if s not in defined:
            raise EquationError(f"{cell}: {s}<t-1> is read but {s}<t> is never computed; add a line {s}<t> = ...")
    first = next((n for n in ("a", "h", "y") if n in defined), None) or next(n for n in defined if n in carried or not carried)
    ordered = sorted(carried, key=lambda s: (s != first, defined.index(s)))
    found = {s: (states or {}).get(s, "hidden") for s in (states or ordered) if s in ordered} or {}
    if set(states or {}) - set(found):
        extra = sorted(set(states or {}) - set(found))
        raise EquationError(f"{cell}: the state {extra[0]!r} is never used; remove it or use {extra[0]}<t-1>")
    if not found:
        raise EquationError(f"{cell}: nothing is carried in time: no equation reads a name at <t-1>")
    reader = _Reader(cell, constants, lines)
    reader.bound["x"] = intern("input", (), "x")
    for s in found:
        reader.bound[f"{s}__prev"] = intern("state", (), s)
    for name, value, line in order:
        reader.assign(name, reader.expression(value), line)
    updates = {s: as_expr(reader.bound[s]) for s in found}
    output = as_expr(reader.bound[first])
    for n in used:
        if n in ("c", "a", "h") and n not in reader.bound:
            raise EquationError(f"{cell}: {n} is read but never computed")
    return solve(cell, {"x": "input"}, found, tuple(reader.names), updates, output, shapes, lines, doc=doc, **more)


def _in_order(statements: list[tuple[str, ast.AST, int]]) -> list[tuple[str, ast.AST, int]]:
    """The lines sorted so that each name is computed before it is read, otherwise as they stand."""
    defined = {name for name, _, _ in statements}
    needs = {
        name: {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} & defined for name, value, _ in statements
    }
    done: set[str] = set()
    order: list[tuple[str, ast.AST, int]] = []
    waiting = list(statements)
    while waiting:
        ready = next((s for s in waiting if needs[s[0]] <= done), None)
        if ready is None:
            names = ", ".join(s[0] for s in waiting)
            raise EquationError(f"these lines need each other's result at the same step: {names}; did you mean <t-1>?")
        waiting.remove(ready)
        order.append(ready)
        done.add(ready[0])
    return order
