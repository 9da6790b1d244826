"""Reading expressions from text: the letters and functions that are allowed, the limits, and the walk over a syntax
tree that builds nodes. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Callable
from typing import Any

from rondo.expr.graph import Named, nearest
from rondo.expr.nodes import LEAVES, MAX_DEPTH, MAX_NODES, UNARY, EquationError, Expr, as_expr, fold, intern, make
from rondo.expr.trace import Free, fresh_name

MAX_BYTES = 16 * 1024
MAX_NUMBER = 1e30

FUNCTIONS: dict[str, tuple[int, Callable[..., Expr]]] = {
    **{op: (1, lambda v, op=op: make(op, v)) for op in sorted(UNARY - {"neg"})},
    "minimum": (2, lambda a, b: make("minimum", a, b)),
    "maximum": (2, lambda a, b: make("maximum", a, b)),
    "where": (3, lambda c, a, b: make("where", c, a, b)),
    "norm": (1, lambda v: intern("norm", (as_expr(v),))),
    "g1": (1, lambda v: make("tanh", v)),  # the lecture's activation of the hidden state
}
OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}
SIGNS = {"∘": "*", "⊙": "*", "×": "*", "·": "*", "−": "-", "⟨": "<", "⟩": ">"}
ACCENTS = {"\u0303": "_tilde", "\u0302": "_hat", "\u0304": "_bar", "\u0307": "_dot", "′": "_prime"}
GREEK = set("ΓΔΘΛΞΠΣΦΨΩαβγδεζηθικλμξπρσςτφχψω")  # the letters that no Latin letter looks like
ASCII = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ \t\n()[]{}<>=+-*/@.,:^\"'#\\;!?`%&|~$")
# where any letter may stand: comments, and in the function form what Python reads as a string (one that is not ended
# runs to the end of its line, so that each letter is looked at once; Python refuses it)
COMMENT = re.compile(r"(#[^\n]*)")
LITERAL = re.compile(
    r'''("""(?:\\.|[^\\])*?"""|\'{3}(?:\\.|[^\\])*?\'{3}|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|\#[^\n]*)''', re.S
)
COMPARISONS: dict[type, Callable[[Any, Any], Expr]] = {
    ast.Lt: lambda a, b: make("lt", a, b),
    ast.LtE: lambda a, b: make("le", a, b),
    ast.Gt: lambda a, b: make("lt", b, a),
    ast.GtE: lambda a, b: make("le", b, a),
}


def checked_number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EquationError(f"{what} must be a number, found {type(value).__name__}")
    if not abs(value) <= MAX_NUMBER:  # also false for nan
        raise EquationError(f"{what} is too large; the limit is {MAX_NUMBER:g}")
    return value


def checked_text(text: object) -> str:
    """The text, if it is one and not too long, with plain line ends."""
    if not isinstance(text, str):
        raise EquationError(f"equations are text, found {type(text).__name__}")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise EquationError(f"the equations take more than {MAX_BYTES // 1024} KB")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def plain_letters(text: str, literal: re.Pattern[str]) -> str:
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


def syntax_tree(source: str) -> ast.Module:
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


class Reader:
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
        return checked_number(value, "a number")

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
        return checked_number(fold(op, a, b), "the result")

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
