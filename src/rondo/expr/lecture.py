"""Equation lines in the lecture's notation; see `rondo.expr.parse` for what they look like."""

from __future__ import annotations

import ast
import re
from typing import Any

from rondo.expr.graph import Graph, solve
from rondo.expr.nodes import EquationError, as_expr, intern
from rondo.expr.reader import Reader, syntax_tree

HEADS = {"g2", "softmax", "sigmoid"}  # what makes the lecture's prediction of a linear map
PREVIOUS = "__prev"  # ends the name of a value at <t-1>
_TIME = [
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*-\s*1\s*>(?:\s*\})?"), PREVIOUS),
    (re.compile(r"\^?\s*(?:\{\s*)?<\s*t\s*>(?:\s*\})?"), ""),
    (re.compile(r"_\{\s*t\s*-\s*1\s*\}"), PREVIOUS),
    (re.compile(r"_\{\s*t\s*\}|(?<=[^\W_])_t\b"), ""),
]
_PRODUCT = re.compile(r"(?<=[\w\]])[ \t]+(?=[^\W\d])")


Line = tuple[str, ast.expr, int]  # name, equation, number of the line


def parse_lines(
    source: str,
    cell: str,
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    doc: str,
    more: dict[str, Any],
) -> Graph:
    lines = dict(enumerate(source.split("\n"), 1))
    reader = Reader(cell, constants, lines)
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


def _read_lines(reader: Reader) -> list[Line]:
    """Every equation `name = expression`, as a name and a syntax tree; several may share a line."""
    statements: list[Line] = []
    for number, line in reader.lines.items():
        place = ast.Pass(lineno=number)  # a node that only says where
        plain = re.sub(r"[ \t]+", " ", line.split("#")[0])  # the patterns are quadratic in a run of blanks
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


def _equation(reader: Reader, place: ast.stmt, right: str) -> ast.expr:
    tree = reader.placed(place, lambda: syntax_tree(_PRODUCT.sub(" @ ", right)))
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
