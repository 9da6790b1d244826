"""Equations to be read with their numbers: what a line reads becomes a slot, into which a page writes a column.

    a<t> = tanh(W x<t> + U a<t-1> + b)        [0] = tanh([1] + [2] + [3]),    W x<t>: [4 x 3] [5] = [1]

A slot stands for a leaf, a whole product, or a result that an earlier line has named; its node is what a pass forward
has evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rondo.expr.nodes import Expr
from rondo.render.latex import typeset
from rondo.render.layout import MATHML, Layout, Printer, print_layout
from rondo.render.lines import Line, leaf_symbol
from rondo.render.notation import ATOM, Typesetter, notation_of
from rondo.render.text import stacked

HEAD = '<math xmlns="http://www.w3.org/1998/Math/MathML">'


@dataclass(frozen=True)
class Slot(Layout):
    """A place for a column of numbers."""

    number: int


PRINTER: dict[type, Printer] = {**MATHML, Slot: lambda n, go: f'<mrow class="slot" data-slot="{n.number}"></mrow>'}


@dataclass(frozen=True)
class Product:
    """W x<t>: its typeset form, the matrix (a parameter's name) and the slots of its operands and of the result."""

    text: str
    matrix: str
    operands: tuple[int, ...]
    result: int


@dataclass(frozen=True)
class Spoken:
    """One line: `symbol` and `text` = typeset name and equation, `live` the equation with slots, `slot` its result's
    slot, `reads` those of what it reads, `products` the matrix products in it."""

    name: str
    role: str
    symbol: str
    text: str
    live: str
    slot: int
    reads: tuple[int, ...]
    products: tuple[Product, ...]


class Slots(Typesetter):
    """Lays out a line with a slot for all that it reads; `nodes` are the slots' nodes, the same for all lines."""

    def __init__(self, lines: Sequence[Line], notation: str) -> None:
        super().__init__(lines, notation_of(notation))
        self.nodes: list[Expr] = []
        self.read: list[int] = []

    def slot(self, node: Expr) -> int:
        """The number of a node's slot."""
        if node not in self.nodes:
            self.nodes.append(node)
        return self.nodes.index(node)

    def layout(self, node: Expr, top: bool = False) -> tuple[Layout, int]:
        if not top and (node in self.symbols or leaf_symbol(node) is not None or stacked(node)):
            self.read.append(self.slot(node))
            return Slot(self.read[-1]), ATOM
        return super().layout(node, top)


def spoken(lines: Sequence[Line], notation: str = "lecture") -> tuple[list[Spoken], list[Expr]]:
    """Every line, and the nodes of the slots in their order."""
    slots, plain = Slots(lines, notation), Typesetter(lines, notation_of(notation))
    found = []
    for line, (_, left, right) in zip(lines, typeset(lines, notation), strict=True):
        slots.read = []
        live = slots(line.expr, top=line.expr is line.target)
        reads = tuple(dict.fromkeys(slots.read))
        result = slots.slot(line.of or line.target)
        text = f"{HEAD}{print_layout(left, MATHML)}<mo>=</mo>{print_layout(right, MATHML)}</math>"
        filled = f"{HEAD}{print_layout(left, MATHML)}<mo>=</mo>{print_layout(live, PRINTER)}</math>"
        symbol = f"{HEAD}{print_layout(left, MATHML)}</math>"
        products = tuple(_product(slots, plain, slots.nodes[k]) for k in reads if stacked(slots.nodes[k]))
        found.append(Spoken(line.symbol.name, line.symbol.role, symbol, text, filled, result, reads, products))
    return found, slots.nodes


def _product(slots: Slots, plain: Typesetter, node: Expr) -> Product:
    whole = stacked(node)
    assert whole is not None
    matrix, operands = whole
    text = f"{HEAD}{print_layout(plain.product(node)[0], MATHML)}</math>"
    return Product(text, matrix, tuple(slots.slot(o) for o in operands), slots.slot(node))
