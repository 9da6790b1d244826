"""What happens inside a scan: the named intermediates of every step, from the reference loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rondo.expr.graph import SCALAR, Graph
from rondo.expr.nodes import Expr
from rondo.kernels import reference
from rondo.kernels.reverse import backwards, flipper

Named = dict[str, Tensor]


def noting(seen: Named) -> Callable[..., tuple[Tensor, Named]]:
    """A scan that also writes {"unit.name": [B, T, n]} into `seen`."""

    def run(unit: str, **arguments: Any) -> tuple[Tensor, Named]:
        y, state, notes = _watched(**arguments)
        seen.update((f"{unit}.{name}", v) for name, v in notes.items())
        return y, state

    return run


def _watched(
    graph: Graph,
    params: Named,
    x: Named,
    state: Named,
    lengths: Tensor | None,
    resets: Tensor | None,
    initial: Named | None,
    masks: Named | None,
    reverse: bool,
) -> tuple[Tensor, Named, Named]:
    """Output, final state, and the intermediates of one scan."""
    first = next(iter(x.values()))
    batch, steps = first.shape[:2]
    wanted = {**{n.name: n.expr for n in graph.names}, **graph.updates}
    columns: dict[str, list[Tensor]] = {name: [] for name in wanted}

    def watch(t: int, values: dict[Expr, reference.Value]) -> None:
        for name, node in wanted.items():
            columns[name].append(torch.as_tensor(values[node]).to(first).expand(-1, batch).T)

    def run(x: Named, resets: Tensor | None, masks: Named | None) -> tuple[Tensor, Named]:
        return reference.scan(graph, params, x, state, lengths, resets, initial, masks, watch)

    y, new = backwards(run, x, lengths, resets, masks) if reverse else run(x, resets, masks)
    if not steps:
        widths = {"": 1, SCALAR: 1, **reference.sizes_of(graph, params, x, state)}
        return y, new, {name: first.new_zeros(batch, 0, widths[graph.sizes[n]]) for name, n in wanted.items()}
    notes = {name: torch.stack(c, 1) for name, c in columns.items()}
    if reverse:
        flip = flipper(lengths, steps)
        notes = {name: flip(v) for name, v in notes.items()}
    if lengths is not None:
        alive = torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)
        notes = {name: torch.where(alive.unsqueeze(2), v, 0.0) for name, v in notes.items()}
    return y, new, notes
