"""Derivatives that a person wrote, as text: each line claims what a quantity of the derivation is.

    dz_u = du * u * (1 - u)              dW_u = sum(dz_u @ (h<t-1>, x<t>).T)
    dh<t-1> = W_u.T @ dz_u + ...         dW_u = Σ_t Σ_b dz_u x<t>ᵀ

Lines are read by `ast` as equations are, and never executed. The names are those of `rondo.render.bptt` in any of the
notations: u, du, z_u, dΓ_u; h<t-1> (or h) the state entering and h<t> the new one; dh<t> (or dh) the gradient at h<t>,
dh<t-1> what the step hands to the one before, dh_next what it gets from t+1, dh_loss the part of its own loss; W.T the
transposed matrix, d @ v.T the outer product, sum(...) or Σ_t Σ_b the sum over time and batch. A printed line of the
derivation can be pasted. Other names on the left are helpers of the lines below.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from rondo.expr.graph import Graph, nearest
from rondo.expr.nodes import Block, EquationError, Expr, as_expr, const, intern, make, topological
from rondo.expr.reader import COMMENT, FUNCTIONS, Reader, checked_text, plain_letters, syntax_tree
from rondo.render.bptt import bptt
from rondo.render.layout import PLAIN, print_layout
from rondo.render.lines import CANDIDATE, GATE, Line, Symbol, leaf_symbol
from rondo.render.notation import NOTATIONS, Typesetter

MOST_LINES = 60
TIMES = {"t-1": "__prev", "t": "__now", "t→t-1": "__back", "t+1→t": "__next", "t+1": "__next"}
_FRACTION = re.compile(r"∂\s*L\s*(<\s*t\s*>|_t\b)?\s*/\s*∂\s*(?=[^\W\d])")
_BRACES = re.compile(r"_\{([^{}]*)\}")
_TIME = re.compile(r"\^?\s*<\s*(t\s*(?:[-−+]\s*1)?(?:\s*→\s*t(?:\s*[-−]\s*1)?)?)\s*>")
_INDEX = re.compile(r"(?<=[^\W_])_t\b")
_SUM = re.compile(r"Σ_k(?=[\s(])|(?:Σ_t\s*Σ_b|Σ_b\s*Σ_t|Σ_t|Σ)(?=[\s(])")
_SQUARED_CALL = re.compile(r"([a-zσ]+)²(\((?:[^()]|\([^()]*\))*\))")  # tanh²(c)
_UNIT = re.compile(r"(?<!sum)_k(?!\w)")  # the unit's index inside a sum over units
_WRITTEN = {
    "ᵀ": ".T",
    "^T": ".T",
    "²": "**2",
    "ReLU(": "relu(",
    "√(": "sqrt(",
    "≤": "<=",
    "≥": ">=",
    ".T(": ".T @ (",
    ".T[": ".T @ [",
}
_SPREAD = re.compile(r"\(1 / √\(var\(([^()]*(?:\([^()]*\))?[^()]*)\) \+ ε\)\)")
_PRODUCT = re.compile(r"(?<=[\w\])])[ \t]+(?=[^\W\d]|[([])")
_EQUALS = re.compile(r"(?<![<>=!])=(?!=)")
PREVIOUS_INPUT = "<t-1>"  # ends the leaf of an input one step before


@dataclass(frozen=True)
class Claim:
    """One line: the quantity that it is about (None: a helper), what it says that it is, or why it cannot be read."""

    number: int
    text: str
    name: str
    about: Line | None
    expr: Expr
    summed: bool
    error: EquationError | None = None


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix, or its columns for one stacked vector."""

    block: Block
    turned: bool = False


@dataclass(frozen=True, eq=False)
class Turned:
    """A vector as a row: what stands right of d in an outer product."""

    value: Expr


def claims(graph: Graph, text: str, head: str | None = None) -> tuple[list[Line], list[Claim]]:
    """The derivation, and the person's lines read against it. Raises EquationError for a text that holds no lines; a
    line that cannot be read carries its error."""
    lines = bptt(graph, head)
    reader = ClaimReader(graph, lines)
    found = []
    for number, line in enumerate(checked_text(text).split("\n"), 1):
        if line.partition("#")[0].strip():
            found.append(reader.claim(number, line))
    if not found:
        raise EquationError("no derivative found: write one a line, as in dz_u = du * u * (1 - u)")
    if len(found) > MOST_LINES:
        raise EquationError(f"{len(found)} lines; the limit is {MOST_LINES}")
    return lines, found


def spelled_plainly(text: str) -> str:
    """A line in letters that Python's grammar takes: times become endings, ᵀ becomes .T, Σ a function."""
    text = _FRACTION.sub(lambda m: "dL_d" if m[1] else "d", text.partition("#")[0])
    text = _SPREAD.sub(r"rstd(\1)", text)
    while match := _SUM.search(text):
        end = _term(text, match.end())
        name = "sum_k" if match[0] == "Σ_k" else "total"
        text = f"{text[: match.start()]}{name}({text[match.end() : end]}){text[end:]}"
    text = _SQUARED_CALL.sub(r"\1\2**2", text)
    for printed, written in _WRITTEN.items():
        text = text.replace(printed, written)
    text = re.sub(r"(?<!\w)(min|max)\(", r"\1imum(", text)
    text = re.sub(r"(?<!\w)1\[([^\]]*)\]", r"where(\1, 1, 0)", text)
    text = _BRACES.sub(_braces, text)
    if "sum_k" in text:
        text = _UNIT.sub("", text)
    text = _TIME.sub(lambda m: TIMES.get(re.sub(r"\s", "", m[1]).replace("−", "-"), "__now"), text)
    text = _INDEX.sub("__now", text)
    return plain_letters(re.sub(r"[ \t]+", " ", text).strip(), COMMENT)


def _term(text: str, start: int) -> int:
    """Where the term that begins here ends: at a plus or minus outside of brackets, or at a closing bracket."""
    depth, begun = 0, False
    for k in range(start, len(text)):
        depth += (text[k] in "([{") - (text[k] in ")]}")
        inside_time = text[k - 2 : k] == "<t"
        if depth < 0 or (depth == 0 and begun and text[k] in "+-−" and not inside_time):
            return k
        begun = begun or text[k] not in " \t+-−"
    return len(text)


def _braces(match: re.Match[str]) -> str:
    """_{u,1} is _u_1, and _{u,t-1} is _u<t-1>."""
    parts = [p.strip().replace("−", "-") for p in match[1].split(",")]
    unit = parts[1:] and parts[-1] == "k"  # the time stands last, or before the unit's index
    at = len(parts) - (2 if unit else 1)
    time = f"<{parts.pop(at)}>" if parts[at] in TIMES else ""
    return "".join(f"_{p}" for p in parts) + time


# --- names -----------------------------------------------------------------------------------------


def known_names(graph: Graph, lines: Sequence[Line]) -> tuple[dict[str, Any], dict[str, Line]]:
    """What a name means on the right side (a node or a Matrix), and which line a name on the left is about."""
    values: dict[str, Any] = {}
    about: dict[str, Line] = {}
    settings = [Typesetter(lines, NOTATIONS[n]) for n in ("names", "lecture", "paper")]

    def add(symbol: Symbol, meaning: Any, line: Line | None = None) -> None:
        for name in _spellings(symbol, settings):
            values.setdefault(name, meaning)
            if line is not None:
                about.setdefault(name, line)

    for line in lines:
        if line.expr.op != "columns" or line.part != "forward":
            add(line.symbol, line.target, line)
    leaves = {n: None for line in lines for n in topological([line.expr]) if not n.args}
    for node in leaves:
        symbol = leaf_symbol(node)
        if symbol is not None and not str(node.attr).startswith("∂"):
            add(symbol, node)
    for i in graph.inputs:
        values.setdefault(f"{i}__prev", intern("input", (), i + PREVIOUS_INPUT))
    for s in graph.states:
        for ending, mark in (("__now", "__now"), ("__back", "__prev")):
            if f"d{s}{ending}" in about:
                about.setdefault(f"d{s}{mark}", about[f"d{s}{ending}"])
                values.setdefault(f"d{s}{mark}", values[f"d{s}{ending}"])
    for name, meaning in _matrices(lines, settings).items():
        values.setdefault(name, meaning)
    return _shorter(graph, values), _shorter(graph, about)


def _spellings(symbol: Symbol, settings: Sequence[Typesetter]) -> list[str]:
    """The symbol as each notation prints it, spelled as a claim is."""
    forms = [symbol.as_form("d"), symbol.as_form("partial")] if symbol.form in ("d", "partial") else [symbol]
    found = [spelled_plainly(print_layout(go.symbol(s), PLAIN)) for go in settings for s in forms]
    if symbol.role in (GATE, CANDIDATE):
        found.append(("d" if symbol.form else "") + symbol.name)
    return [name for name in dict.fromkeys(found) if name.isidentifier()]


def _shorter(graph: Graph, table: Mapping[str, Any]) -> dict[str, Any]:
    """With short names: u for u__now; of a state h is the one entering, dh the gradient at the new one."""
    found = dict(table)
    for name, meaning in table.items():
        base, _, ending = name.rpartition("__")
        if ending == "prev" and isinstance(meaning, Expr) and meaning.op == "state":
            found.setdefault(base, meaning)
    for name, meaning in table.items():
        base, _, ending = name.rpartition("__")
        if base and ending == "now":
            found.setdefault(base.replace("dL_d", "d") + "_loss" if base.startswith("dL_d") else base, meaning)
        elif base and ending in ("prev", "next", "back"):
            found.setdefault(f"{base}_{'prev' if ending == 'back' else ending}", meaning)
        elif not base:
            found.setdefault(f"{name}__now", meaning)
    return found


def _matrices(lines: Sequence[Line], settings: Sequence[Typesetter]) -> dict[str, Matrix]:
    """Every matrix, and the column blocks of those on stacked vectors: W_u, W_u_1, W_u_2."""
    blocks = {n.attr for line in lines for n in topological([line.expr]) if isinstance(n.attr, Block)}
    blocks |= {Block(b.name, 0, 1) for b in blocks}
    ordered = sorted(blocks, key=lambda b: (b.name, b.count, b.index))
    return {spelled_plainly(print_layout(go.block(b), PLAIN)): Matrix(b) for go in reversed(settings) for b in ordered}


# --- reading ---------------------------------------------------------------------------------------


class ClaimReader(Reader):
    """Walks a line's syntax tree and builds nodes, with the forms that derivatives need beside those of equations."""

    def __init__(self, graph: Graph, lines: Sequence[Line]) -> None:
        super().__init__("claim", dict(graph.constants), {})
        self.values, self.about = known_names(graph, lines)
        self.helpers: dict[str, Expr] = {}
        self.units = False  # inside a sum over units numbers stand side by side

    def claim(self, number: int, text: str) -> Claim:
        place = ast.Pass(lineno=number)
        self.lines[number] = text
        try:
            return self.placed(place, lambda: self._claim(number, text))  # type: ignore[no-any-return]
        except EquationError as error:
            return Claim(number, text.strip(), "", None, const(0), False, error)

    def _claim(self, number: int, text: str) -> Claim:
        *names, right = _EQUALS.split(spelled_plainly(text))
        name = names[0].strip() if names else ""
        if not name.isidentifier() or not right.strip():
            raise EquationError("a line must be name = derivative, as in dz_u = du * u * (1 - u)")
        self.units = "sum_k" in right
        value = self.vector(self._tree(number, right))
        summed = any(n.op == "total" for n in topological([value]))
        about = self.about.get(name)
        if summed:
            _check_sum(value)
        if about is not None and summed and not is_total(about):
            raise EquationError(f"{name} is a quantity of one step: no sum over time stands in it")
        if about is None:
            self.helpers[name] = intern("helper", (), f"{number}")
        return Claim(number, text.strip(), name, about, value, summed)

    def _tree(self, number: int, right: str) -> ast.expr:
        tree = syntax_tree(_PRODUCT.sub(" @ ", right.strip()))
        if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
            raise EquationError("a line must be name = derivative")
        for node in ast.walk(tree):
            if hasattr(node, "lineno"):
                node.lineno = number
        return tree.body[0].value

    def vector(self, node: ast.AST) -> Expr:
        found = self.expression(node)
        if isinstance(found, (Matrix, Turned)):
            raise self.fail(node, "a matrix or a transposed vector stands alone: write W.T @ d, or d @ v.T")
        return as_expr(found)

    def _Name(self, node: ast.Name) -> Any:
        for table in (self.helpers, self.values, self.constants):
            if node.id in table:
                return table[node.id]
        if node.id in FUNCTIONS:
            raise self.fail(node, f"{node.id} is a function: write {node.id}(...)")
        known = [n for n in (*self.helpers, *self.values) if "__" not in n]
        hint = nearest(node.id, known) if get_close_matches(node.id, known, 1, 0.5) else nearest(node.id, known[:12])
        raise self.fail(node, f"unknown name {_shown(node.id)!r}{hint}")

    def _Attribute(self, node: ast.Attribute) -> Any:
        if node.attr != "T":
            raise self.fail(node, "only .T can stand after a name: W.T, x.T")
        value = self._operand(node.value)
        if isinstance(value, Turned):
            return value.value
        return replace(value, turned=not value.turned) if isinstance(value, Matrix) else Turned(value)

    def _operand(self, node: ast.AST) -> Any:
        """A matrix, a row, or a vector; (a, b) and [a, b] are stacked."""
        if isinstance(node, (ast.Tuple, ast.List)):
            return intern("stack", tuple(self.vector(e) for e in node.elts))
        found = self.expression(node)
        return found if isinstance(found, (Matrix, Turned)) else as_expr(found)

    def _BinOp(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, ast.MatMult):
            return self._product(_factors(node))
        if isinstance(node.op, ast.Pow):
            if not isinstance(node.right, ast.Constant) or node.right.value != 2:
                raise self.fail(node, "the only power is a square: v ** 2")
            base = self.vector(node.left)
            return make("mul", base, base)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            op = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div"}[type(node.op)]
            return make(op, self.vector(node.left), self.vector(node.right))
        return super()._BinOp(node)

    def _product(self, factors: list[ast.expr]) -> Any:
        """W v, Wᵀ d, d vᵀ, from the right; a sum or a function before it applies to the whole."""
        first = factors[0]
        if isinstance(first, ast.UnaryOp) and isinstance(first.op, ast.USub):  # Python reads -W.T @ d as (-W.T) @ d
            return -self._as_vector(first, self._product([first.operand, *factors[1:]]))
        result = self._operand(factors[-1])
        for factor in reversed(factors[:-1]):
            if isinstance(factor, ast.Name) and factor.id in CALLS:
                result = CALLS[factor.id](self._as_vector(factor, result))
                continue
            left = self._operand(factor)
            if isinstance(left, Matrix) and isinstance(result, Expr):
                result = intern("matmul_t" if left.turned else "matmul", (result,), left.block)
            elif isinstance(left, Expr) and isinstance(result, Turned):
                result = intern("outer", (left, result.value))
            elif isinstance(left, Expr) and isinstance(result, Expr) and self.units:
                result = make("mul", left, result)
            else:
                raise self.fail(factor, "a product is W @ v, W.T @ d or d @ v.T; elementwise it is *")
        return result

    def _as_vector(self, node: ast.AST, value: Any) -> Expr:
        if not isinstance(value, Expr):
            raise self.fail(node, "a sum is over vectors or outer products")
        return value

    def _Subscript(self, node: ast.Subscript) -> Any:
        base = self._operand(node.value)
        if not isinstance(base, Matrix):
            raise self.fail(node, "only a matrix can stand before [...]: W[a, b]")
        return intern("matmul_t" if base.turned else "matmul", (self._operand(node.slice),), base.block)

    def _List(self, node: ast.List) -> Any:
        return self._operand(node)

    _Tuple = _List

    def _Call(self, node: ast.Call) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "outer" and len(node.args) == 2 and not node.keywords:
            return intern("outer", (self.vector(node.args[0]), self._as_vector(node, self._operand(node.args[1]))))
        if name in CALLS and len(node.args) == 1 and not node.keywords:
            return CALLS[name](self.vector(node.args[0]))
        if name and name not in FUNCTIONS:
            hint = nearest(name, [*FUNCTIONS, *CALLS, "outer"])
            raise self.fail(node, f"unknown function {name!r}{hint}")
        return super()._Call(node)


CALLS = {
    "sum": lambda v: intern("total", (v,)),
    "total": lambda v: intern("total", (v,)),
    "sum_k": lambda v: intern("sum", (v,)),
    "softmax": lambda v: intern("softmax", (v,)),
    "mean": lambda v: intern("mean", (v,)),
    "rstd": lambda v: intern("rstd", (v,)),
    "log": lambda v: make("log", v),
}


def is_total(line: Line) -> bool:
    """Whether a line's quantity is summed over time and batch."""
    return any(n.op == "total" for n in topological([line.expr])) or (line.part == "gradients")


def _check_sum(root: Expr) -> None:
    """A sum over time is added, subtracted or scaled; nothing else is done with it."""
    holding: set[Expr] = set()
    for node in topological([root]):
        if node.op == "total":
            if node.args[0] in holding:
                raise EquationError("a sum over time stands inside another")
            holding.add(node)
        elif any(a in holding for a in node.args):
            scaled = node.op in ("mul", "div") and sum(a.op == "const" for a in node.args) == 1
            if node.op not in ("add", "sub", "neg", "columns") and not scaled:
                raise EquationError("a sum over time is added or scaled by a number, nothing else")
            holding.add(node)


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _shown(name: str) -> str:
    """The name as a person writes it."""
    for time, ending in TIMES.items():
        name = name.replace(ending, f"<{time}>") if name.endswith(ending) else name
    return name
