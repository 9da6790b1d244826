"""Initial values of parameters: one table by role, overridden by the cell's `init`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rondo.expr.graph import Graph, Param, nearest
from rondo.expr.nodes import Block
from rondo.expr.rewrite import recurrent_blocks

Shape = tuple[int, ...]


def _between(shape: Shape, low: float, high: float) -> Tensor:
    return torch.empty(shape).uniform_(low, high)


def _uniform(shape: Shape) -> Tensor:
    bound = 1 / math.sqrt(max(shape[-1], 1))
    return _between(shape, -bound, bound)


# name in `init` -> values of a shape; a vector has no use for those below the line
INITIALS: dict[str, Callable[[Shape], Tensor]] = {
    "uniform": _uniform,  # within 1 / sqrt(columns), torch.nn's
    # ------
    "glorot": lambda shape: torch.nn.init.xavier_uniform_(torch.empty(shape)),  # Glorot & Bengio 2010, eq. 16
    "orthogonal": lambda shape: torch.nn.init.orthogonal_(torch.empty(shape)),  # Saxe et al. 2014, arXiv:1312.6120
    "identity": lambda shape: torch.eye(*shape),
}
# first letter of a vector -> its default: bias, gain, peephole, elementwise recurrence
VECTORS: dict[str, object] = {"b": 0.0, "g": 1.0, "p": 0.0, "w": (0.0, 1.0)}


def check_init(graph: Graph) -> None:
    """Raises ValueError where `init` names a parameter that the equations do not have."""
    for name in graph.init:
        if name not in graph.params:
            raise ValueError(f"{graph.name}: init names {name!r}, no parameter{nearest(name, list(graph.params))}")


@torch.no_grad()
def fill(tensor: Tensor, graph: Graph, param: Param, sizes: dict[str, int]) -> None:
    """Draw the initial values of one parameter, in float32 on the CPU, so that a seed means the same everywhere.

    Column blocks of a stacked matrix are drawn one by one: orthogonal where a block is square and multiplies
    something carried, else Glorot. Raises ValueError for an `init` that cannot be read.
    """
    given = graph.init.get(param.name)
    if not param.is_matrix:
        default = VECTORS[param.name[0]]
        tensor.copy_(_values(param, tuple(tensor.shape), default if given is None else given))
        return
    carried = recurrent_blocks(graph)
    start = 0
    for index, column in enumerate(param.cols):
        shape = (sizes[param.rows], sizes[column])
        square = shape[0] == shape[1] and Block(param.name, index, len(param.cols)) in carried
        default = "orthogonal" if square else "glorot"
        tensor[:, start : start + shape[1]] = _values(param, shape, default if given is None else given)
        start += shape[1]


def _values(param: Param, shape: Shape, spec: object) -> Tensor:
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return torch.full(shape, float(spec))
    if isinstance(spec, (list, tuple)) and len(spec) == 2 and all(isinstance(v, (int, float)) for v in spec):
        return _between(shape, *spec)
    known = list(INITIALS) if param.is_matrix else ["uniform"]
    if isinstance(spec, str) and spec in known:
        return INITIALS[spec](shape)
    hint = nearest(spec, known) if isinstance(spec, str) else ""
    raise ValueError(f"init of {param.name}: {spec!r} is no number, no pair (low, high) and none of {known}{hint}")
