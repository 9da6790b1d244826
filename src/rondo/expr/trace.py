"""Tracing: run a cell's `step` once on symbols and keep what it computed, with names and lines."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import Block, EquationError, Expr, Operand, as_expr, intern, make, matmul

VECTOR_INITIALS = "bpgw"


class Free:
    """A name of the equations that is not bound: a matrix when it stands left of @, else a vector."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known

    def as_vector(self) -> Expr:
        if self.name[0] not in VECTOR_INITIALS:
            raise EquationError(
                f"unknown name {self.name!r}: a free name is a matrix left of @, or a vector whose name begins "
                f"with b, p, g or w{nearest(self.name, self.known)}"
            )
        return intern("vector", (), self.name)

    def __matmul__(self, operand: object) -> Expr:
        parts = operand if isinstance(operand, (tuple, list)) else (operand,)
        if not parts:
            raise EquationError(f"{self.name} @ () stacks nothing")
        products = [matmul(Block(self.name, i, len(parts)), as_expr(p)) for i, p in enumerate(parts)]
        total = products[0]
        for p in products[1:]:
            total = total + p
        return total

    def __getitem__(self, index: object) -> Free:
        if isinstance(index, bool) or not isinstance(index, int):
            raise EquationError(f"{self.name}[...] takes a plain number: {self.name}[0] is the parameter {self.name}_0")
        return Free(f"{self.name}_{index}", self.known)

    def __add__(self, other: Operand) -> Expr:
        return make("add", self, other)

    def __radd__(self, other: Operand) -> Expr:
        return make("add", other, self)

    def __sub__(self, other: Operand) -> Expr:
        return make("sub", self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return make("sub", other, self)

    def __mul__(self, other: Operand) -> Expr:
        return make("mul", self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return make("mul", other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return make("div", self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return make("div", other, self)

    def __neg__(self) -> Expr:
        return make("neg", self)

    def __lt__(self, other: Operand) -> Expr:
        return make("lt", self, other)

    def __le__(self, other: Operand) -> Expr:
        return make("le", self, other)

    def __gt__(self, other: Operand) -> Expr:
        return make("lt", other, self)

    def __ge__(self, other: Operand) -> Expr:
        return make("le", other, self)

    def __bool__(self) -> bool:
        return as_expr(self).__bool__()


class Fields:
    """`s` inside a step: the state entering, by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__["_values"] = values

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__["_values"]
        if name in values:
            return values[name]
        raise EquationError(f"the state has no {name!r}{nearest(name, list(values))}")

    def __setattr__(self, name: str, value: object) -> None:
        raise EquationError("the state entering a step cannot be changed: return State(...) with the new values")


class Equations:
    """`self` inside a step: constants and helper methods of the cell; any other name through `lookup`."""

    def __init__(self, cell: object, constants: dict[str, float], lookup: Callable[[str], Any]) -> None:
        self.__dict__.update(_cell=cell, _constants=constants, _lookup=lookup)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if name in own["_constants"]:
            return own["_constants"][name]
        method = getattr(type(own["_cell"]), name, None)
        if inspect.isfunction(method) and not name.startswith("__"):
            return method.__get__(self)
        if name.startswith("__"):
            raise AttributeError(name)
        return own["_lookup"](name)

    def __setattr__(self, name: str, value: object) -> None:
        raise EquationError(f"a step only computes: it cannot set self.{name}; use a local name")


class _Recorder:
    """Follows one call of `step`, line by line, and notes each local name when it is bound to a node."""

    def __init__(self, code: object) -> None:
        self.code = code
        self.bound: dict[str, Expr] = {}
        self.names: list[Named] = []
        self.line = 0
        self.first = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code is not self.code:
            return None
        if event == "call":
            self.first = frame.f_lineno
        else:
            self._look(frame)
            self.line = frame.f_lineno - self.first
        return self

    def _look(self, frame: FrameType) -> None:
        for name, value in frame.f_locals.items():
            if isinstance(value, Expr) and self.bound.get(name) is not value and name not in ("x", "s", "self"):
                self.bound[name] = value
                self.names.append(Named(fresh_name(name, self.names), value, self.line))


def fresh_name(name: str, taken: list[Named]) -> str:
    """`name`, or name_2, name_3 ... when it is bound again."""
    used = {n.name for n in taken}
    k, candidate = 2, name
    while candidate in used:
        candidate, k = f"{name}_{k}", k + 1
    return candidate


def trace(
    cell: Any,
    name: str,
    inputs: dict[str, str],
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    make_result: Callable[[object], tuple[dict[str, object], object | None]],
    **more: object,
) -> Graph:
    """The graph of `cell.step`, run once on symbols. Errors name the line of the step."""
    step = type(cell).step
    known = [*constants, *states]
    view = Equations(cell, constants, lambda n: Free(n, known))
    x = [intern("input", (), i) for i in inputs]
    s = Fields({n: intern("state", (), n) for n in states})
    recorder = _Recorder(step.__code__)
    old = sys.gettrace()
    sys.settrace(recorder)
    try:
        result = step(view, *x, s)
    except EquationError as error:
        sys.settrace(old)
        raise EquationError(f"{name}.step, line {recorder.line}: {_text(step, recorder.line)}\n  {error}") from None
    finally:
        sys.settrace(old)
    new, output = make_result(result)
    missing = [n for n in states if n not in new]
    extra = [n for n in new if n not in states]
    if missing or extra:
        what = f"does not return {missing[0]!r}" if missing else f"returns an unknown state {extra[0]!r}"
        raise EquationError(f"{name}.step {what}; its states are {', '.join(states)}")
    updates = {n: as_expr(new[n]) for n in states}
    out = as_expr(output) if output is not None else next(iter(updates.values()))
    lines = {n.line: _text(step, n.line) for n in recorder.names}
    return solve(name, inputs, states, tuple(recorder.names), updates, out, shapes, lines, constants=constants, **more)


def _text(function: Any, line: int) -> str:
    """The source of a line of the step, counted from its `def`; empty where there is no source."""
    try:
        return inspect.getsource(function).splitlines()[line].strip()
    except (OSError, IndexError, TypeError):
        return ""
