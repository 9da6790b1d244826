"""Cell: a recurrent cell written once, as its equations.

    class GRU(Cell):
        def step(self, x, s):
            r = sigmoid(self.W_r @ x + self.U_r @ s.h + self.b_r)
            u = sigmoid(self.W_u @ x + self.U_u @ s.h + self.b_u)
            c = tanh(self.W_c @ x + self.U_c @ (r * s.h) + self.b_c)
            return State(h=u * c + (1 - u) * s.h)

`x` is one input vector, `s` the state entering; batch and time are never mentioned. The functions here, and
Python's abs, accept symbols (while tracing) and tensors of columns [n, B] (when a step is run directly). This module
needs no torch.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from rondo.expr.graph import Graph, nearest
from rondo.expr.nodes import NORM_EPS, EquationError, Symbolic, as_expr, fold, intern, make
from rondo.expr.parse import parse_cell
from rondo.expr.trace import Equations, Fields, trace

__all__ = [
    "Cell",
    "EquationError",
    "Graph",
    "State",
    "exp",
    "log",
    "maximum",
    "minimum",
    "norm",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "tanh",
    "where",
]


class State:
    """The named vectors that a step carries to the next: `State(h=..., c=...)`, the first one being the output."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the state has no {name!r}{nearest(name, list(self.__dict__.get('_values', {})))}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def items(self) -> Any:
        return self._values.items()

    def __repr__(self) -> str:
        return f"State({', '.join(self._values)})"


def _unary(v: Any, op: str) -> Any:
    if isinstance(v, (int, float)):
        return fold(op, v)
    return make(op, v) if isinstance(v, Symbolic) else getattr(v, op)()


def sigmoid(v: Any) -> Any:
    """1 / (1 + exp(-v))."""
    return _unary(v, "sigmoid")


def tanh(v: Any) -> Any:
    """Hyperbolic tangent."""
    return _unary(v, "tanh")


def relu(v: Any) -> Any:
    """max(v, 0), with derivative 0 at 0."""
    return _unary(v, "relu")


def exp(v: Any) -> Any:
    """Exponential."""
    return _unary(v, "exp")


def log(v: Any) -> Any:
    """Natural logarithm."""
    return _unary(v, "log")


def sqrt(v: Any) -> Any:
    """Square root."""
    return _unary(v, "sqrt")


def softplus(v: Any) -> Any:
    """log(1 + exp(v)), without overflow."""
    if isinstance(v, (Symbolic, int, float)):
        return _unary(v, "softplus")
    return v.logaddexp(v.new_zeros(v.shape))


def _pair(op: str, a: Any, b: Any) -> Any:
    if isinstance(a, Symbolic) or isinstance(b, Symbolic):
        return make(op, a, b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return fold(op, a, b)
    a, b = (a, b) if hasattr(a, "new_tensor") else (b.new_tensor(a), b)
    return getattr(a, op)(b if hasattr(b, "new_tensor") else a.new_tensor(b))


def minimum(a: Any, b: Any) -> Any:
    """Elementwise minimum; at a tie each side gets half of the gradient."""
    return _pair("minimum", a, b)


def maximum(a: Any, b: Any) -> Any:
    """Elementwise maximum; at a tie each side gets half of the gradient."""
    return _pair("maximum", a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the comparison holds, else `b`: where(u < v, a, b). Comparisons stand only here."""
    if isinstance(condition, (Symbolic, bool)):
        return make("where", condition, a, b)
    like = next((v for v in (a, b) if hasattr(v, "new_tensor")), condition * 1.0)
    a, b = (v if hasattr(v, "new_tensor") else like.new_tensor(v) for v in (a, b))
    return a.where(condition, b)


def norm(v: Any) -> Any:
    """Layer normalisation over the units, without gain: (v - mean(v)) / sqrt(var(v) + 1e-5) (Ba et al. 2016, eq. 4)."""
    if isinstance(v, Symbolic):
        return intern("norm", (as_expr(v),))
    centred = v - v.mean(0, keepdim=True)
    return centred * ((centred * centred).mean(0, keepdim=True) + NORM_EPS).rsqrt()


class _Matrix:
    """A matrix tensor whose @ takes a stack: W @ (a, b)."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __matmul__(self, operand: Any) -> Any:
        parts = operand if isinstance(operand, (tuple, list)) else (operand,)
        start, total = 0, None
        for p in parts:
            block = self.value if len(parts) == 1 else self.value[:, start : start + p.shape[0]]
            start += p.shape[0]
            total = block @ p if total is None else total + block @ p
        return total


class _Family:
    """`self.R` when only R_0, R_1, ... exist: `self.R[k]` is the parameter R_k."""

    def __init__(self, get: Callable[[int], Any]) -> None:
        self.get = get

    def __getitem__(self, k: int) -> Any:
        return self.get(k)


class Cell:
    """A recurrent cell. Subclass it and write `step`; see the module's text for the language.

    Class fields:
      states     sizes by name of state, first one is the output; default {"h": "hidden"}
      inputs     names of the per-step inputs and their sizes; default {"x": "input"}
      shapes     sizes that the equations leave open, e.g. {"V": ("rank", "hidden")}
      init       initial values by parameter: a number, "orthogonal", "glorot", "uniform", "identity", (low, high)
      sizes      default values of sizes that the cell adds, e.g. {"rank": 8} or {"proj": "hidden"}
      citation   the paper as BibTeX, or the key of an entry in a shipped cell, for `rondo cite`
    Annotated numbers (`depth: int = 3`) are constants, set per instance: Highway(depth=5).
    """

    states: ClassVar[dict[str, str]] = {"h": "hidden"}
    inputs: ClassVar[dict[str, str]] = {"x": "input"}
    shapes: ClassVar[dict[str, tuple[str, ...]]] = {}
    init: ClassVar[dict[str, object]] = {}
    sizes: ClassVar[dict[str, int | str]] = {}
    citation: ClassVar[str] = ""

    if TYPE_CHECKING:  # a parameter is any free name

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **constants: float) -> None:
        known = self._fields()
        for name, value in constants.items():
            if name not in known:
                raise EquationError(f"{type(self).__name__} has no constant {name!r}{nearest(name, list(known))}")
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise EquationError(f"the constant {name} must be a finite number, found {value!r}")
            if isinstance(known[name], int) and value != int(value):
                raise EquationError(f"the constant {name} must be a whole number, found {value!r}")
        self.constants = {k: type(v)(constants.get(k, v)) for k, v in known.items()}

    @classmethod
    def _fields(cls) -> dict[str, float]:
        found: dict[str, float] = {}
        for base in reversed(cls.__mro__[:-1]):
            for name in inspect.get_annotations(base):
                value = getattr(cls, name, None)
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    found[name] = value
        return found

    @property
    def name(self) -> str:
        return type(self).__name__

    def step(self, *args: Any) -> Any:
        """The equations: `step(self, x, s)` returns State(...), or (State(...), output)."""
        raise NotImplementedError(f"{type(self).__name__} must define step(self, x, s)")

    @functools.cached_property
    def graph(self) -> Graph:
        """The equations traced on symbols, with all sizes solved."""
        return trace(
            self,
            self.name,
            dict(self.inputs),
            dict(self.states),
            dict(self.shapes),
            self.constants,
            _split_result,
            init=dict(self.init),
            doc=(type(self).__doc__ or "").strip(),
        )

    def run(self, values: dict[str, Any], x: Any, state: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """`step` itself on tensors of columns: x [input, B], states [n, B], matrices [n, m], vectors [n, 1]."""
        params = self.graph.params

        def look(name: str) -> Any:
            if name not in params:
                return _Family(lambda k: look(f"{name}_{k}"))
            return _Matrix(values[name]) if params[name].is_matrix else values[name]

        view = Equations(self, self.constants, look)
        new, output = _split_result(type(self).step(view, x, Fields(state)))  # type: ignore[arg-type]
        return new, next(iter(new.values())) if output is None else output

    @staticmethod
    def parse(text: str, **more: Any) -> TextCell:
        """A cell from the text of its equations; never executes anything. See `rondo.expr.parse`."""
        return TextCell(parse_cell(text, **more))


class TextCell(Cell):
    """A cell that came as text: its graph is parsed, there is no Python step. `sizes` are as on `Cell`."""

    def __init__(self, graph: Graph, sizes: dict[str, int | str] | None = None) -> None:
        self.constants = dict(graph.constants)
        self.__dict__.update(graph=graph, sizes=dict(sizes or {}))

    @property
    def name(self) -> str:
        return self.graph.name


def _split_result(result: Any) -> tuple[dict[str, Any], Any]:
    output = None
    if isinstance(result, tuple) and len(result) == 2:
        result, output = result
    if not isinstance(result, State):
        raise EquationError(f"step must return State(...) or (State(...), output), found {type(result).__name__}")
    return dict(result.items()), output
