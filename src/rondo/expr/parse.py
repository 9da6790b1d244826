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

   Several may stand on one line, parted by commas or semicolons. A line for the prediction ŷ<t>, as in
   `ŷ<t> = g2(W_ya a<t> + b_y)`, is checked and left to the model: it is no part of the cell.

The text is read by `ast` and walked by a table of allowed forms. Limits: 16 KB, 1,000 nodes, depth 100.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import LEAVES, MAX_DEPTH, MAX_NODES, UNARY, EquationError, Expr, as_expr, fold, intern, make
from rondo.expr.trace import Free, fresh_name

MAX_BYTES = 16 * 1024
MAX_NUMBER = 1e30
MAX_LOOP = 100

FUNCTIONS: dict[str, tuple[int, Callable[..., Expr]]] = {
    **{op: (1, lambda v, op=op: make(op, v)) for op in sorted(UNARY - {"neg"})},
    "minimum": (2, lambda a, b: make("minimum", a, b)),
    "maximum": (2, lambda a, b: make("maximum", a, b)),
    "where": (3, lambda c, a, b: make("where", c, a, b)),
    "norm": (1, lambda v: intern("norm", (as_expr(v),))),
    "g1": (1, lambda v: make("tanh", v)),  # the lecture's activation of the hidden state
}
OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
HEADS = {"g2", "softmax", "sigmoid"}  # what makes the lecture's prediction of a linear map
SIGNS = {"∘": "*", "⊙": "*", "×": "*", "·": "*", "−": "-", "⟨": "<", "⟩": ">"}
ACCENTS = {"\u0303": "_tilde", "\u0302": "_hat", "\u0304": "_bar", "\u0307": "_dot", "′": "_prime"}
GREEK = set("ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμξπρσςτφχψω")  # the letters that no Latin letter looks like
ASCII = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ \t\n()[]{}<>=+-*/@.,:^\"'#\\;!?`%&|~$")
# where any letter may stand: comments, and in the function form what Python reads as a string
_COMMENT = re.compile(r"(#[^\n]*)")
_LITERAL = re.compile(
    r'''("""(?:\\.|[^\\])*?"""|\'{3}(?:\\.|[^\\])*?\'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)''', re.S
)
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
    text = _checked(text)
    function = re.search(r"^[ \t]*def\b", text, re.M)
    source = _clean(text, _LITERAL if function else _COMMENT)
    constants = {k: _number(v, f"the constant {k}") for k, v in (constants or {}).items()}
    more: dict[str, Any] = {"constants": constants, "init": dict(init or {})}
    if function:
        return _parse_function(source, name, states or {}, shapes or {}, constants, doc, more)
    return _parse_lines(source, name or "Cell", states or {}, shapes or {}, constants, doc, more)


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EquationError(f"{what} must be a number, found {type(value).__name__}")
    if not abs(value) <= MAX_NUMBER:  # also false for nan
        raise EquationError(f"{what} is too large; the limit is {MAX_NUMBER:g}")
    return value


def _checked(text: object) -> str:
    """The text, if it is one and not too long, with plain line ends."""
    if not isinstance(text, str):
        raise EquationError(f"equations are text, found {type(text).__name__}")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise EquationError(f"the equations take more than {MAX_BYTES // 1024} KB")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _clean(text: str, literal: re.Pattern[str]) -> str:
    """The text in plain letters: accents and signs of the lecture spelled out, every other letter refused."""
    pieces = literal.split(text)
    pieces[::2] = [_plain(piece) for piece in pieces[::2]]
    line = 1
    for k, piece in enumerate(pieces):
        if k % 2 == 0:
            _check_letters(piece, line)
        line += piece.count("\n")
    _check_brackets("".join(pieces[::2]))
    return "".join(pieces)


def _plain(code: str) -> str:
    for sign, plain in SIGNS.items():
        code = code.replace(sign, plain)
    code = unicodedata.normalize("NFD", code)
    for accent, word in ACCENTS.items():  # c̃_k is c_k_tilde; a name spelled c_tilde_k stays as it is
        code = re.sub(rf"{accent}(_(?!t\b)\w+)?", rf"\1{word}", code)
    return re.sub(r"(?<!\w)σ(?=\s*\()", "sigmoid", code)


def _check_letters(code: str, first: int) -> None:
    for number, line in enumerate(code.split("\n"), first):
        for ch in line:
            if ch not in ASCII and ch not in GREEK:
                label = unicodedata.name(ch, f"U+{ord(ch):04X}")
                raise EquationError(
                    f"line {number}: the character {ch!r} ({label}) is not allowed in equations: "
                    "use Latin letters, digits, _ and the Greek letters that look like no Latin one"
                )


def _check_brackets(code: str) -> None:
    depth = deepest = 0
    for ch in code:
        depth += (ch in "([{") - (ch in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise EquationError(f"brackets are nested {deepest} deep; the limit is {MAX_DEPTH}")


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
        self.taken: set[str] = set()  # names that a line may not take again
        self.budget = 20 * MAX_NODES

    def fail(self, node: ast.AST, message: str) -> EquationError:
        line = getattr(node, "lineno", 0)
        text = self.lines.get(line, "").strip()
        error = EquationError(f"{self.cell}, line {line}: {text[:100]}\n  {message}")
        error.placed = True
        return error

    def expression(self, node: ast.AST) -> Any:
        self.budget -= 1
        if self.budget < 0:
            raise self.fail(node, f"the equations have over {MAX_NODES} nodes")
        handler = getattr(self, f"_{type(node).__name__}", None)
        if handler is None:
            raise self.fail(node, f"{_what(node)} cannot stand in equations")
        return self.placed(node, lambda: handler(node))

    def vector(self, node: ast.AST) -> Expr:
        """The expression as a node: numbers and free names included."""
        found: Expr = self.placed(node, lambda: as_expr(self.expression(node)))
        return found

    def placed(self, node: ast.AST, read: Callable[[], Any]) -> Any:
        """What `read` gives; its error names the line of `node` unless it names one already."""
        try:
            return read()
        except EquationError as error:
            raise error if error.placed else self.fail(node, str(error)) from None

    def _Constant(self, node: ast.Constant) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(node, f"only numbers can stand in equations, found {type(value).__name__}")
        return _number(value, "a number")

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
            if isinstance(node.left, ast.BinOp):
                raise self.fail(node, "the left side of @ must be a free name: use brackets, a * (W @ v)")
            left = self.expression(node.left)
            if not isinstance(left, Free):
                raise self.fail(node, "the left side of @ must be a free name: W @ v")
            return left @ self._stack(node.right)
        op = OPERATORS.get(type(node.op))
        if op is None:
            raise self.fail(node, f"the operator {type(node.op).__name__} is not known: use + - * / @")
        a, b = self.expression(node.left), self.expression(node.right)
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return self._fold(op, a, b)
        return make(op, a, b)

    def _fold(self, op: str, a: float, b: float) -> float:
        return _number(fold(op, a, b), "the result")

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

    def assign(self, name: str, node: ast.expr) -> None:
        """Bind `name`; one bound again is noted under a new number, and a leaf keeps its own name."""
        self.check_name(name, node)
        value = self.expression(node)
        if isinstance(value, Free):
            value = self.vector(node)
        self.bound[name] = value
        if isinstance(value, Expr) and value.op not in LEAVES:
            if len(self.names) >= MAX_NODES:
                raise self.fail(node, f"over {MAX_NODES} lines when all loops are unrolled")
            self.names.append(Named(fresh_name(name, self.taken), value, getattr(node, "lineno", 0)))

    def check_name(self, name: str, node: ast.AST) -> None:
        if name in FUNCTIONS or name in ("State", "range") or name.startswith("__"):
            raise self.fail(node, f"{name!r} cannot be assigned; choose another name")


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
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, Any],
) -> Graph:
    tree = _ast(source)
    lines = dict(enumerate(source.split("\n"), 1))
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise EquationError("a cell's text is one function and nothing else: def Name(x: input, h: hidden): ...")
    function = tree.body[0]
    reader = _Reader(function.name, constants, lines)
    sizes = _header(reader, function)
    result = function.body[-1]
    if not isinstance(result, ast.Return):
        raise reader.fail(result, "the last line must be return State(...)")
    call, out = _returned(reader, result)
    returned = [str(k.arg) for k in call.keywords]
    for s in [*returned, *states]:
        if s not in sizes or s not in returned:
            what = f"which is no argument of {function.name}" if s not in sizes else "which State(...) does not return"
            raise reader.fail(result, f"the state {s!r} is named, {what}")
    found = {s: states.get(s, sizes[s] or "hidden") for s in returned}
    inputs = {i: sizes[i] or "input" for i in sizes if i not in found}
    reader.bound.update({i: intern("input", (), i) for i in inputs})
    reader.bound.update({s: intern("state", (), s) for s in found})
    reader.taken.update(inputs)
    said, body = _docstring(function.body[:-1])
    _statements(reader, body)
    updates = {str(k.arg): reader.vector(k.value) for k in call.keywords}
    output = reader.vector(out) if out is not None else next(iter(updates.values()))
    title = name or function.name
    more = {"doc": doc or said, "end": result.lineno, **more}
    return solve(title, inputs, found, tuple(reader.names), updates, output, shapes, lines, **more)


def _header(reader: _Reader, function: ast.FunctionDef) -> dict[str, str]:
    """The arguments and the names of their sizes ("" where none is given)."""
    a = function.args
    odd = a.vararg or a.kwarg or a.kwonlyargs or a.defaults or a.posonlyargs
    if odd or function.decorator_list or function.returns or getattr(function, "type_params", None):
        raise reader.fail(function, "the header is def Name(x: input, h: hidden): plain arguments only")
    sizes: dict[str, str] = {}
    for arg in a.args:
        reader.check_name(arg.arg, function)
        if arg.arg in sizes or arg.arg in reader.constants:
            raise reader.fail(function, f"the argument {arg.arg!r} stands twice, or is a constant too; use two names")
        if arg.annotation is not None and not isinstance(arg.annotation, ast.Name):
            raise reader.fail(function, f"the size of {arg.arg} must be a plain name, as in h: hidden")
        sizes[arg.arg] = arg.annotation.id if isinstance(arg.annotation, ast.Name) else ""
    return sizes


def _docstring(body: list[ast.stmt]) -> tuple[str, list[ast.stmt]]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value.value, body[1:]
    return "", body


def _returned(reader: _Reader, result: ast.Return) -> tuple[ast.Call, ast.AST | None]:
    value, out = result.value, None
    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
        value, out = value.elts
    good = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "State"
    names = [k.arg for k in value.keywords] if good else []  # type: ignore[union-attr]
    if not names or None in names or len(set(names)) < len(names) or value.args:  # type: ignore[union-attr]
        raise reader.fail(result, "the last line must be return State(h=...) or return State(h=...), output")
    return value, out  # type: ignore[return-value]


def _statements(reader: _Reader, body: list[ast.stmt]) -> None:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            reader.assign(node.targets[0].id, node.value)
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
    reader.check_name(node.target.id, node)
    steps = range(*(int(b) for b in bounds))
    if steps[MAX_LOOP:]:  # len() fails on huge ranges
        raise reader.fail(node, f"a loop of over {MAX_LOOP} rounds")
    for k in steps:
        reader.bound[node.target.id] = k
        _statements(reader, node.body)


# --- the lecture's lines -------------------------------------------------------------------------

PREVIOUS = "__prev"  # ends the name of a value at <t-1>
_TIME = [
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*-\s*1\s*>(?:\s*\})?"), PREVIOUS),
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*>(?:\s*\})?"), ""),
    (re.compile(r"_\{\s*t\s*-\s*1\s*\}"), PREVIOUS),
    (re.compile(r"_\{\s*t\s*\}|(?<=[^\W_])_t\b"), ""),
]
_PRODUCT = re.compile(r"(?<=[\w\]])[ \t]+(?=[^\W\d])")


Line = tuple[str, ast.expr, int]  # name, equation, number of the line


def _parse_lines(
    source: str,
    cell: str,
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, Any],
) -> Graph:
    lines = dict(enumerate(source.split("\n"), 1))
    reader = _Reader(cell, constants, lines)
    statements, heads = _split_heads(_read_lines(reader))
    first, carried = _carried(cell, statements)
    for s in states:
        if s not in carried:
            raise EquationError(f"{cell}: the state {s!r} is never used; remove it or use {s}<t-1>")
    if states and set(carried) - set(states):
        left_out = ", ".join(s for s in carried if s not in states)
        raise EquationError(f"{cell}: states leaves out {left_out}, which is read at <t-1>")
    found = dict(states) or dict.fromkeys(carried, "hidden")
    reader.bound["x"] = intern("input", (), "x")
    reader.bound.update({s + PREVIOUS: intern("state", (), s) for s in found})
    for name, value, _ in _in_order(statements):
        reader.assign(name, value)
    updates = {s: as_expr(reader.bound[s]) for s in found}
    output = as_expr(reader.bound[first])
    for value in heads:
        reader.vector(value)
    return solve(cell, {"x": "input"}, found, tuple(reader.names), updates, output, shapes, lines, doc=doc, **more)


def _read_lines(reader: _Reader) -> list[Line]:
    """Every equation `name = expression`, as a name and a syntax tree; several may share a line."""
    statements: list[Line] = []
    for number, line in reader.lines.items():
        place = ast.Pass(lineno=number)  # a node that only says where
        plain = line.split("#")[0]
        for pattern, word in _TIME:
            plain = pattern.sub(word, plain)
        for equation in filter(None, (e.strip(" \t\f.") for e in _parted(plain))):
            name, sign, right = (part.strip() for part in equation.partition("="))
            if not sign or not name.isidentifier() or not right or right.startswith("="):
                raise reader.fail(place, "a line must be name = equation, one for each name")
            if name == "x" or name.endswith(PREVIOUS) or name in (s[0] for s in statements):
                given = name.removesuffix(PREVIOUS)
                raise reader.fail(place, f"{given!r} is given already; a line computes a new name")
            statements.append((name, _equation(reader, place, right), number))
    if not statements:
        raise EquationError("no equations found: write one a line, name = equation")
    return statements


def _parted(line: str) -> list[str]:
    """The line cut at commas and semicolons that stand outside brackets."""
    parts, depth = [""], 0
    for ch in line:
        depth += (ch in "([{") - (ch in ")]}")
        if ch in ",;" and depth == 0:
            parts.append("")
        else:
            parts[-1] += ch
    return parts


def _equation(reader: _Reader, place: ast.stmt, right: str) -> ast.expr:
    tree = reader.placed(place, lambda: _ast(_PRODUCT.sub(" @ ", right)))
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise reader.fail(place, "a line must be name = equation")
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = place.lineno
    return tree.body[0].value


def _names_in(value: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}


def _split_heads(statements: list[Line]) -> tuple[list[Line], list[ast.expr]]:
    """The lines of the cell, and what the lines of the prediction ŷ make a distribution of."""
    read = set().union(*(_names_in(value) for _, value, _ in statements))
    cell, heads = [], []
    for name, value, number in statements:
        call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in HEADS
        if name == "y_hat" and not read & {name, name + PREVIOUS} and call and len(value.args) == 1:  # type: ignore[attr-defined]
            heads.append(value.args[0])  # type: ignore[attr-defined]
        else:
            cell.append((name, value, number))
    return cell, heads


def _carried(cell: str, statements: list[Line]) -> tuple[str, list[str]]:
    """The name that is the output, and the names read at <t-1>: the output first, then as they are computed."""
    defined = [name for name, _, _ in statements]
    used = set().union(*(_names_in(value) for _, value, _ in statements))
    carried = [n.removesuffix(PREVIOUS) for n in sorted(used) if n.endswith(PREVIOUS)]
    for s in carried:
        if s not in defined:
            raise EquationError(f"{cell}: {s}<t-1> is read but {s}<t> is never computed; add a line {s}<t> = ...")
    if not carried:
        raise EquationError(f"{cell}: nothing is carried in time: no equation reads a name at <t-1>")
    first = next(n for n in ("a", "h", "y", *defined) if n in ("a", "h", "y", *carried) and n in defined)
    return first, sorted(carried, key=lambda s: (s != first, defined.index(s)))


def _in_order(statements: list[Line]) -> list[Line]:
    """The lines sorted so that each name is computed before it is read, otherwise as they stand."""
    defined = {name for name, _, _ in statements}
    needs = {name: _names_in(value) & defined for name, value, _ in statements}
    done: set[str] = set()
    order: list[Line] = []
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
