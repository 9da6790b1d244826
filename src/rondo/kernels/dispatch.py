"""Which backend runs a graph: the fused CPU kernel where it is correct for this graph, dtype and device, else the loop."""

from __future__ import annotations

from torch import Tensor

from rondo.expr.graph import Graph
from rondo.kernels import reference


def scan(
    graph: Graph,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    initial: dict[str, Tensor] | None = None,
    masks: dict[str, Tensor] | None = None,
    reverse: bool = False,
    backend: str = "auto",
) -> tuple[Tensor, dict[str, Tensor]]:
    """A cell over time, differentiable in everything: see `reference.scan` for arguments and shapes.

    `reverse` runs from the last step (of each row's length) to the first.
    """
    assert not reverse, "to come"
    return reference.scan(graph, params, x, state, lengths, resets, initial, masks)
