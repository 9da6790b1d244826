"""Expression nodes: the immutable graph that one traced `step` becomes.

A node is an operator with arguments. Equal nodes are the same object (hash-consing), so common
subexpressions are shared by construction and a graph can be compared with `is`.
"""

from __future__ import annotations

import contextvars
import math
import threading
import weakref
from collections.abc import Callable, Collection, Container, Iterable, Iterator

# Operators and their number of arguments. Everything else in the project is a table keyed by these names.
LEAVES = {"const", "input", "mask", "state", "vector", "adjoint"}
UNARY = {"neg", "sigmoid", "tanh", "relu", "exp", "log", "softplus", "sqrt", "abs"}
BINARY = {"add", "sub", "mul", "div", "minimum", "maximum"}
COMPARE = {"lt", "le"}
TRAINING = {"clip_gradient"}  # (v, limit) is v; only the gradient differs. Written by rewrites, never by equations
POINTWISE = UNARY | BINARY | COMPARE | TRAINING | {"where"}
ROWWISE = {"norm", "rstd", "mean"}  # read a whole vector: norm gives a vector, rstd and mean a number per row
PRODUCTS = {"matmul", "matmul_t"}  # attr = Block; `matmul_t` is the transposed product of the adjoint
NORM_EPS = 1e-5
MAX_NODES = 1000
MAX_DEPTH = 100


class EquationError(ValueError):
    """A fault in a cell's equations; the message names the line and says what to do."""

    placed = False  # whether the message already names its line


tracing = contextvars.ContextVar("tracing", default=False)  # True while a step runs on symbols


class Symbolic:
    """The operators of the equation language; every other use of a symbol is an error that says what to write."""

    __slots__ = ()

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

    def __abs__(self) -> Expr:
        return make("abs", self)

    def __lt__(self, other: Operand) -> Expr:
        return make("lt", self, other)

    def __le__(self, other: Operand) -> Expr:
        return make("le", self, other)

    def __gt__(self, other: Operand) -> Expr:
        return make("lt", other, self)

    def __ge__(self, other: Operand) -> Expr:
        return make("le", other, self)

    def __matmul__(self, other: object) -> Expr:
        raise EquationError("the left side of @ must be a parameter: write W @ v, with the matrix W a free name")

    def __bool__(self) -> bool:
        raise EquationError(
            "the equations are traced on symbols, so Python's if, while, and, or cannot look at a value: "
            "use where(a < b, x, y)"
        )

    def __iter__(self) -> Iterator[Expr]:
        raise EquationError("a vector cannot be unpacked or looped over: equations speak of whole vectors")

    def __getitem__(self, key: object) -> Symbolic:
        raise EquationError("a vector cannot be indexed: equations speak of whole vectors")

    def __float__(self) -> float:
        raise EquationError("a symbol has no value while it is traced: use the functions of rondo.cell, not of math")

    def __index__(self) -> int:
        raise EquationError("a symbol is no whole number: write a number or a constant such as `depth: int = 3`")

    def __call__(self, *args: object) -> Expr:
        raise EquationError("only the functions of rondo.cell and methods of the cell can be called")

    def __pow__(self, other: object) -> Expr:
        raise EquationError("there is no power operator: write v * v, or exp(p * log(v))")

    __rpow__ = __pow__

    def __eq__(self, other: object) -> bool:
        """Identity, as equal nodes are one object; inside a step `==` would decide silently, so it is an error."""
        if tracing.get():
            self.__bool__()
        return self is other

    __hash__ = object.__hash__


class Expr(Symbolic):
    """One node: `op`, `args`, and `attr` (a constant's value, a leaf's name, a product's matrix block)."""

    __slots__ = ("__weakref__", "args", "attr", "depth", "op")

    op: str
    args: tuple[Expr, ...]
    attr: object
    depth: int

    def __repr__(self) -> str:
        own = [repr(self.attr)] * (self.attr is not None)
        inner = own + [repr(a) for a in self.args] if self.depth < 12 else ["..."]
        return f"{self.op}({', '.join(inner)})"

    def __reduce__(self) -> tuple[object, ...]:
        return intern, (self.op, self.args, self.attr)  # a copy or an unpickled node is the node itself

    def __deepcopy__(self, memo: object) -> Expr:
        return self


Operand = Symbolic | float | int


class Block:
    """Columns `index` of the matrix `name`: `W @ (a, b)` reads block 0 on a and block 1 on b (of `count`)."""

    __slots__ = ("count", "index", "name")

    def __init__(self, name: str, index: int, count: int) -> None:
        self.name, self.index, self.count = name, index, count

    def _key(self) -> tuple[str, int, int]:
        return (self.name, self.index, self.count)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return self.name if self.count == 1 else f"{self.name}[{self.index}]"


_table: weakref.WeakValueDictionary[object, Expr] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def intern(op: str, args: tuple[Expr, ...] = (), attr: object = None) -> Expr:
    """The one node with this operator, arguments and attribute."""
    key = (op, tuple(id(a) for a in args), type(attr), repr(attr) if isinstance(attr, float) else attr)
    with _lock:
        node = _table.get(key)
        if node is None:
            node = Expr.__new__(Expr)
            node.op, node.args, node.attr = op, args, attr
            node.depth = 1 + max((a.depth for a in args), default=0)
            _table[key] = node
    return node


def const(value: float | int) -> Expr:
    return intern("const", (), float(value))


def as_expr(value: object) -> Expr:
    """A number or an expression as a node; anything else is an error that says so."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        if hasattr(value, "as_vector"):
            return value.as_vector()  # type: ignore[no-any-return]
        raise EquationError(f"expected an expression or a number, found {type(value).__name__}")
    return const(value)


# Operators on plain numbers, for parts of an equation that hold no symbol.
NUMBERS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "sigmoid": lambda a: 0.5 * (1 + math.tanh(0.5 * a)),
    "tanh": math.tanh,
    "relu": lambda a: max(a, 0.0),
    "exp": math.exp,
    "log": math.log,
    "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
    "sqrt": math.sqrt,
    "abs": abs,
    "minimum": min,
    "maximum": max,
}


def fold(op: str, *numbers: float) -> float:
    """The operator on plain numbers; an error where there is no finite result, or where it is a comparison."""
    if op not in NUMBERS:
        raise EquationError(f"{op} of plain numbers is known beforehand: write the result")
    try:
        value = NUMBERS[op](*numbers)
    except (ValueError, ZeroDivisionError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise EquationError(f"{op}({', '.join(f'{n:g}' for n in numbers)}) has no finite value")
    return value


def make(op: str, *operands: object) -> Expr:
    """A pointwise node, checked: comparisons stand only as the first argument of `where`."""
    args = tuple(as_expr(o) for o in operands)
    if op != "where" and all(a.op == "const" for a in args):
        return const(fold(op, *(a.attr for a in args)))  # type: ignore[arg-type]
    if op == "div" and args[1].op == "const" and args[1].attr == 0:
        raise EquationError("division by the number 0")
    start = 1 if op == "where" else 0
    if op == "where" and args[0].op not in COMPARE and args[0].op != "mask":
        raise EquationError("the first argument of where must be a comparison: where(a < b, x, y)")
    for a in args[start:]:
        if a.op in COMPARE or a.op == "mask":
            raise EquationError("a comparison can only stand as the first argument of where(a < b, x, y)")
    return intern(op, args)


def matmul(block: Block, operand: Expr, transposed: bool = False) -> Expr:
    return intern("matmul_t" if transposed else "matmul", (operand,), block)


def topological(roots: Iterable[Expr], leaves: Container[Expr] = ()) -> list[Expr]:
    """Every node reachable from `roots` without looking below `leaves`, arguments before users, in a stable order."""
    seen: set[Expr] = set()
    order: list[Expr] = []
    for root in roots:
        stack = [root]
        while stack:
            node = stack[-1]
            if node not in seen and node not in leaves:
                below = next((a for a in node.args if a not in seen), None)
                if below is not None:
                    stack.append(below)
                    continue
            stack.pop()
            if node not in seen:
                seen.add(node)
                order.append(node)
    return order


def substitute(roots: Iterable[Expr], table: dict[Expr, Expr], fixed: Collection[Expr] = ()) -> list[Expr]:
    """The roots with every node that stands in `table` replaced (shared nodes stay shared). `fixed` nodes are known to
    hold nothing of the table and are not looked into."""
    roots = list(roots)
    new: dict[Expr, Expr] = {}
    for node in topological(roots, {*table, *fixed} if fixed else table):
        if node in table:
            new[node] = table[node]
        elif node in fixed or all(new[a] is a for a in node.args):
            new[node] = node
        else:
            new[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr)
    return [new[r] for r in roots]
