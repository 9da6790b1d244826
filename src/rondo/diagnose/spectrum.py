"""Spectrum: eigenvalues and singular values of every matrix that multiplies something carried.

The lecture's rule, "largest singular value > 1 explodes, < 1 vanishes", is the bound of a linear recurrence: a tanh
multiplies it by its slope, at most 1, at every step, and gates by their own. So it is shown beside the product of the
Jacobians (`rondo.diagnose.jacobian`), which is what a gradient really meets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rondo.diagnose.inside import Array, array
from rondo.expr.graph import Graph
from rondo.expr.nodes import topological
from rondo.expr.rewrite import recurrent_blocks
from rondo.kernels import reference
from rondo.layer import Layer
from rondo.rnn import RNN


@dataclass(frozen=True)
class Spectrum:
    """One matrix. `eigenvalues` (complex, by falling modulus) is None where it is not square."""

    eigenvalues: NDArray[np.complex128] | None
    singular: Array  # descending

    @property
    def radius(self) -> float | None:
        """The largest modulus of an eigenvalue."""
        return None if self.eigenvalues is None else float(np.abs(self.eigenvalues[0]))

    @property
    def norm(self) -> float:
        """The largest singular value."""
        return float(self.singular[0])


def spectra(rnn: RNN) -> dict[str, Spectrum]:
    """The spectrum of each recurrent matrix, {"l0.U_r": ...}; of a stack W @ (h, x) the block on what is carried,
    "l0.W[0]"; a vector that multiplies a state unit by unit counts as a diagonal matrix."""
    return {
        f"{unit}.{name}": spectrum(matrix)
        for unit, part in rnn.parts.items()
        for name, matrix in _matrices(part).items()
    }


def spectrum(matrix: Array) -> Spectrum:
    """Eigenvalues and singular values of a matrix [m, n]."""
    singular = np.linalg.svd(matrix, compute_uv=False).astype(np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        return Spectrum(None, singular)
    values = np.linalg.eigvals(matrix).astype(np.complex128)
    return Spectrum(values[np.argsort(-np.abs(values), kind="stable")], singular)


def _matrices(part: Layer) -> dict[str, Array]:
    params = {name: getattr(part, name).detach() for name in part.graph.params}
    read = reference.block_reader(part.graph, params, part.sizes)
    blocks = sorted(recurrent_blocks(part.graph), key=lambda b: (list(params).index(b.name), b.index))
    found = {repr(block): array(read(block)) for block in blocks}
    return found | {name: np.diag(array(params[name])) for name in _diagonals(part.graph)}


def _diagonals(graph: Graph) -> list[str]:
    """The vectors that multiply a state directly, as in w * h<t-1>."""
    products = [n for n in topological(graph.roots) if n.op == "mul" and {a.op for a in n.args} == {"vector", "state"}]
    return list(dict.fromkeys(str(a.attr) for n in products for a in n.args if a.op == "vector"))
