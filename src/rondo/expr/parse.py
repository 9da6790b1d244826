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
from typing import Any

from rondo.expr.graph import Graph, solve
from rondo.expr.lecture import parse_lines
from rondo.expr.nodes import EquationError, intern
from rondo.expr.reader import COMMENT, LITERAL, Reader, checked_number, checked_text, plain_letters, syntax_tree

MAX_LOOP = 100


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
    text = checked_text(text)
    function = re.search(r"^[ \t]*def\b", text, re.M)
    source = plain_letters(text, LITERAL if function else COMMENT)
    constants = {k: checked_number(v, f"the constant {k}") for k, v in (constants or {}).items()}
    more: dict[str, Any] = {"constants": constants, "init": dict(init or {})}
    if function:
        return _parse_function(source, name, states or {}, shapes or {}, constants, doc, more)
    return parse_lines(source, name or "Cell", states or {}, shapes or {}, constants, doc, more)


def _parse_function(
    source: str,
    name: str | None,
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, Any],
) -> Graph:
    tree = syntax_tree(source)
    lines = dict(enumerate(source.split("\n"), 1))
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        raise EquationError("a cell's text is one function and nothing else: def Name(x: input, h: hidden): ...")
    function = tree.body[0]
    reader = Reader(function.name, constants, lines)
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


def _header(reader: Reader, function: ast.FunctionDef) -> dict[str, str]:
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


def _returned(reader: Reader, result: ast.Return) -> tuple[ast.Call, ast.AST | None]:
    value, out = result.value, None
    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
        value, out = value.elts
    good = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "State"
    names = [k.arg for k in value.keywords] if good else []  # type: ignore[union-attr]
    if not names or None in names or len(set(names)) < len(names) or value.args:  # type: ignore[union-attr]
        raise reader.fail(result, "the last line must be return State(h=...) or return State(h=...), output")
    return value, out  # type: ignore[return-value]


def _statements(reader: Reader, body: list[ast.stmt]) -> None:
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            reader.assign(node.targets[0].id, node.value)
        elif isinstance(node, ast.For):
            _loop(reader, node)
        else:
            raise reader.fail(node, "a line must be name = equation, or for k in range(n):")


def _loop(reader: Reader, node: ast.For) -> None:
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
