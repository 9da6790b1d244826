"""Tracing: run a cell's `step` once on symbols and keep what it computed, with names and lines."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from rondo.expr.graph import Graph, Named, nearest, solve
from rondo.expr.nodes import LEAVES, Block, EquationError, Expr, Symbolic, as_expr, intern, matmul, tracing

VECTOR_INITIALS = "bpgw"


class Free(Symbolic):
    """A name of the equations that is not bound: a matrix when it stands left of @, else a vector."""

    __slots__ = ("known", "name")

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.known = name, known

    def as_vector(self) -> Expr:
        if self.name[0] not in VECTOR_INITIALS:
            raise EquationError(
                f"unknown name {self.name!r}: a free name is a matrix left of @, or a vector whose name begins "
                f"with b, p, g or w{nearest(self.name, self.known)}"
            )
        return intern("vector", (), self.name)

    def __call__(self, *args: object) -> Expr:
        raise EquationError(f"{self.name} is no function or method that this cell has")

    def __index__(self) -> int:
        raise EquationError(f"{self.name!r} is no constant: declare it in the class, as {self.name}: int = 3")

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
    """Follows one call of `step`, line by line, and notes each local name when it is bound to a node.

    A name for a leaf (`h = s.h`) is not noted: the leaf has its own.
    """

    def __init__(self, code: object, taken: Iterable[str]) -> None:
        self.code, self.taken = code, set(taken)
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
            if isinstance(value, Expr) and self.bound.get(name) is not value:
                self.bound[name] = value
                if value.op not in LEAVES:
                    self.names.append(Named(fresh_name(name, self.taken), value, self.line))


def fresh_name(name: str, taken: set[str]) -> str:
    """`name`, or name_2, name_3 ... when it is bound again; it joins `taken`."""
    k, candidate = 2, name
    while candidate in taken:
        candidate, k = f"{name}_{k}", k + 1
    taken.add(candidate)
    return candidate


def trace(
    cell: Any,
    name: str,
    inputs: dict[str, str],
    states: dict[str, str],
    shapes: dict[str, tuple[str, ...]],
    constants: dict[str, float],
    make_result: Callable[[object], tuple[dict[str, object], object | None]],
    **more: Any,
) -> Graph:
    """The graph of `cell.step`, run once on symbols. Errors name the line of the step."""
    step = type(cell).step
    known = [*constants, *states]
    view = Equations(cell, constants, lambda n: Free(n, known))
    x = [intern("input", (), i) for i in inputs]
    s = Fields({n: intern("state", (), n) for n in states})
    recorder = _Recorder(step.__code__, inputs)
    old, token = sys.gettrace(), tracing.set(True)
    sys.settrace(recorder)
    try:
        result = step(view, *x, s)
        sys.settrace(old)
        updates, out = _updates(name, states, *make_result(result))
    except EquationError as error:
        sys.settrace(old)
        raise EquationError(f"{name}.step, line {recorder.line}: {_text(step, recorder.line)}\n  {error}") from None
    finally:
        sys.settrace(old)
        tracing.reset(token)
    end = recorder.line
    lines = {line: _text(step, line) for line in (*(n.line for n in recorder.names), end)}
    more = {"constants": constants, **more}
    return solve(name, inputs, states, tuple(recorder.names), updates, out, shapes, lines, end=end, **more)


def _updates(
    name: str, states: dict[str, str], new: dict[str, object], output: object | None
) -> tuple[dict[str, Expr], Expr]:
    """The new states in the cell's order, and the output (by default the first of them), as nodes."""
    missing = [n for n in states if n not in new]
    extra = [n for n in new if n not in states]
    if missing or extra:
        what = f"does not return {missing[0]!r}" if missing else f"returns an unknown state {extra[0]!r}"
        raise EquationError(f"{name}.step {what}; its states are {', '.join(states)}")
    updates = {n: as_expr(new[n]) for n in states}
    return updates, as_expr(output) if output is not None else next(iter(updates.values()))


def _text(function: Any, line: int) -> str:
    """The source of a line of the step, counted from its `def`; empty where there is no source."""
    try:
        return inspect.getsource(function).splitlines()[line].strip()
    except (OSError, IndexError, TypeError):
        return ""
