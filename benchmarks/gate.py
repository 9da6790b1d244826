"""The gate before every timing: results and gradients beside the truth in float64. On a red gate no speed is told.

The error of a case is that of `rondo.kernels.check.errors`. Cells with kinks (relu, maximum) are compared over fewer
steps, drawn off their kinks: where an operand lies within rounding of one, the gradient's two sides are both right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rondo.expr.graph import Graph
from rondo.expr.nodes import topological
from rondo.kernels import check, dispatch, reference

from benchmarks.options import Shape

LIMIT = 2e-5  # the project's bound for float32
VALUES_OFF_KINKS = 200_000  # more values than this in one case cannot all be drawn off a kink


@dataclass(frozen=True)
class Checked:
    """One comparison: what, where it was worst, how much is allowed."""

    label: str
    quantity: str
    error: float
    limit: float = LIMIT

    @property
    def green(self) -> bool:
        return self.error <= self.limit

    def text(self) -> str:
        return f"{self.label}: {self.quantity} differs by {self.error:.1e}, allowed {self.limit:.0e}"


def compared(label: str, got: check.Tensors, want: check.Tensors) -> Checked:
    """The worst quantity of a case."""
    errors = check.errors(got, want)
    worst = max(errors, key=lambda k: errors[k])
    return Checked(label, worst, errors[worst])


def by_reference(label: str, graph: Graph, shape: Shape, sizes: dict[str, int]) -> Checked:
    """The dispatched scan in float32, with and without gradients, beside the reference loop in float64."""
    case = check.case(graph, steps_off_kinks(graph, shape), shape.B, sizes, dtype=torch.float32)
    want = check.gradients_by_autograd(graph, case.to(torch.float64), reference.scan)
    got = check.gradients_by_autograd(graph, case, dispatch.scan)
    with torch.no_grad():
        y, final = check.run(graph, case, dispatch.scan)
    got |= {"inference": y, **{f"inference, state {s}": v for s, v in final.items()}}
    want |= {"inference": want["output"], **{f"inference, state {s}": want[f"state {s}"] for s in final}}
    return compared(label, got, want)


def steps_off_kinks(graph: Graph, shape: Shape) -> int:
    """All steps, or for a cell with kinks so many that a draw off them is likely."""
    kinked = any(n.op in check.KINKED for n in topological(graph.roots))
    return min(shape.T, max(1, VALUES_OFF_KINKS // (shape.B * shape.H))) if kinked else shape.T
