"""The stops of the equations: GRU as it is written, what is derived from it, and the derived gradients checked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from rondo import cells
from rondo.kernels import check
from rondo.render.bptt import bptt
from rondo.render.latex import typeset
from rondo.render.layout import MATHML, PLAIN, print_layout
from rondo.tour.stops import CELL

NOTATION = "lecture"
STEPS, ROWS, SIZES = 5, 2, {"input": 4, "hidden": 5}
LIMIT = 1e-7  # rounding of central differences in float64 stays a digit below, a wrong term far above


@dataclass(frozen=True)
class Formula:
    """One line of the derivation: which part it belongs to (forward, backward, gradients), what it gives in plain
    letters (u, dh<t>, dW_u), and both sides as text and as MathML."""

    part: str
    name: str
    left: str
    right: str
    mathml: tuple[str, str]

    @property
    def text(self) -> str:
        return f"{self.left} = {self.right}"


@dataclass(frozen=True)
class Gradient:
    """One derived gradient beside central differences: how it is printed, its shape, the relative error."""

    name: str
    formula: str
    mathml: str
    shape: tuple[int, ...]
    error: float

    @property
    def agrees(self) -> bool:
        return self.error <= LIMIT

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def derivation() -> list[Formula]:
    """The equations of GRU and its derived backpropagation through time."""
    lines = bptt(cells.find(CELL).graph)
    found = []
    for line, (part, *sides) in zip(lines, typeset(lines, NOTATION), strict=True):
        left, right = (print_layout(side, PLAIN) for side in sides)
        written = tuple(print_layout(side, MATHML) for side in sides)
        found.append(Formula(part, line.name, left, right, (written[0], written[1])))
    return found


def parts(formulas: list[Formula]) -> Iterator[tuple[str, list[Formula]]]:
    """(part, its lines) in order."""
    for part, own in groupby(formulas, key=lambda formula: formula.part):
        yield part, list(own)


def gradients() -> list[Gradient]:
    """Every derived gradient of GRU over a short sequence, run as it stands, beside central differences in float64."""
    graph = cells.find(CELL).graph
    case = check.case(graph, STEPS, ROWS, SIZES)
    numeric = check.finite_differences(graph, case)
    derived = check.bptt(graph, case.params, case.x, case.state, case.grad_y, case.grad_state)
    errors = check.errors({name: derived[name] for name in numeric}, numeric)
    printed = _printed(derivation())
    return [Gradient(n, *printed.get(n, (n, n)), tuple(v.shape), errors[n]) for n, v in numeric.items()]


def _printed(formulas: list[Formula]) -> dict[str, tuple[str, str]]:
    """The gradients as text and as MathML by their names in a check: dL/dW_r, dL/dx, and dL/dh<0>, which no line
    gives: it is the state's own symbol at the step before the first."""
    graph = cells.find(CELL).graph
    lines = {f.name: f for f in formulas}
    found = {f"dL/{name}": _both(f) for name, f in lines.items() if f.part == "gradients"}
    found |= {f"dL/d{x}": _both(lines[f"d{x}<t>"]) for x in graph.inputs}
    for s in graph.states:
        text, written = lines[f"{s}<t>"].left, lines[f"{s}<t>"].mathml[0]
        first = written.replace("<mi>t</mi>", "<mn>0</mn>")
        found[f"dL/d{s}<0>"] = (
            "∂L/∂" + text.replace("<t>", "<0>"),
            f"<mfrac>{_row('<mo>∂</mo><mi>L</mi>')}{_row('<mo>∂</mo>' + first)}</mfrac>",
        )
    return found


def _both(f: Formula) -> tuple[str, str]:
    return f.text, _row(f"{f.mathml[0]}<mo>=</mo>{f.mathml[1]}")


def _row(parts: str) -> str:
    return f"<mrow>{parts}</mrow>"
