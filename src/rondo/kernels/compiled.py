"""A scan as one operator for torch.compile and torch.export: no unrolling over time, compile time independent of T.

The operator takes plain data only: tensors in a fixed order, and the graph by its number. Its backward is a second
operator, which runs the scan again and differentiates it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rondo.expr.graph import Graph, graph_of


def scan(
    graph: Graph,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    initial: dict[str, Tensor] | None,
    masks: dict[str, Tensor] | None,
    reverse: bool,
    backend: str,
) -> tuple[Tensor, dict[str, Tensor]]:
    """`dispatch.scan` through the operator."""
    tensors = [params[n] for n in graph.params] + [x[i] for i in graph.inputs] + [state[s] for s in graph.states]
    if initial:
        tensors += [initial[s] for s in graph.states]
    drawn = [masks[m] for m in graph.masks] if masks else []
    out = torch.ops.rondo.scan(tensors, drawn, lengths, resets, graph.number, reverse, backend)
    return out[0], dict(zip(graph.states, out[1:], strict=True))


def _named(graph: Graph, tensors: Sequence[Tensor], masks: Sequence[Tensor]) -> dict[str, dict[str, Tensor] | None]:
    """The arguments of `dispatch.scan` again, by name."""
    names = {
        "params": list(graph.params),
        "x": list(graph.inputs),
        "state": list(graph.states),
        "initial": list(graph.states),
    }
    found: dict[str, dict[str, Tensor] | None] = {}
    rest = list(tensors)
    for argument, keys in names.items():
        found[argument] = dict(zip(keys, rest, strict=False)) or None
        rest = rest[len(keys) :]
    return found | {"masks": dict(zip(graph.masks, masks, strict=True)) or None}


ARGUMENTS = "Tensor[] tensors, Tensor[] masks, Tensor? lengths, Tensor? resets, int number, bool reverse, str backend"


def _run(
    tensors: list[Tensor],
    masks: list[Tensor],
    lengths: Tensor | None,
    resets: Tensor | None,
    number: int,
    reverse: bool,
    backend: str,
) -> list[Tensor]:
    """Output and final states by `dispatch.scan`."""
    from rondo.kernels import dispatch  # which imports this module

    graph = graph_of(number)
    more: dict[str, Any] = _named(graph, tensors, masks)
    y, final = dispatch.scan(graph, lengths=lengths, resets=resets, reverse=reverse, backend=backend, **more)
    return [y, *final.values()]


def _contiguous(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies that share no memory, as an operator's results must."""
    return [t.clone(memory_format=torch.contiguous_format) for t in tensors]


@torch.library.custom_op("rondo::scan", mutates_args=(), schema=f"({ARGUMENTS}) -> Tensor[]")
def _scan(*arguments: Any) -> list[Tensor]:
    with torch.no_grad():
        return _contiguous(_run(*arguments))


@_scan.register_fake
def _(tensors: list[Tensor], masks: list[Tensor], lengths: Any, resets: Any, number: int, *_: Any) -> list[Tensor]:
    graph = graph_of(number)
    named = _named(graph, tensors, masks)
    first = next(iter((named["x"] or {}).values()))
    y = first.new_empty(first.shape[0], first.shape[1], _output_width(graph, named))
    return [y, *(v.new_empty(v.shape) for v in (named["state"] or {}).values())]


def _output_width(graph: Graph, named: dict[str, dict[str, Tensor] | None]) -> int:
    """Units of the output, read from whatever has its size."""
    size = graph.output_size
    for argument, sizes in (("state", graph.states), ("x", graph.inputs)):
        for name, z in sizes.items():
            if z == size:
                return (named[argument] or {})[name].shape[-1]
    rows = next(p.name for p in graph.params.values() if p.rows == size)
    return (named["params"] or {})[rows].shape[0]


@torch.library.custom_op("rondo::scan_backward", mutates_args=(), schema=f"({ARGUMENTS}, Tensor[] grads) -> Tensor[]")
def _scan_backward(tensors: list[Tensor], *rest: Any) -> list[Tensor]:
    *plain, grads = rest
    leaves = [t.detach().requires_grad_() for t in tensors]
    with torch.enable_grad():
        pairs = [(o, g) for o, g in zip(_run(leaves, *plain), grads, strict=True) if o.requires_grad]
    outputs, upstream = zip(*pairs, strict=True)
    return _contiguous(torch.autograd.grad(outputs, leaves, upstream, allow_unused=True, materialize_grads=True))


@_scan_backward.register_fake
def _(tensors: list[Tensor], *rest: Any) -> list[Tensor]:
    return [t.new_empty(t.shape) for t in tensors]


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    tensors, masks, lengths, resets, *ctx.plain = inputs
    ctx.counts = (len(tensors), len(masks))
    ctx.save_for_backward(*tensors, *masks, lengths, resets)
    ctx.shapes = [(o.shape, o.dtype, o.device) for o in output]


def _backward(ctx: Any, grads: Any) -> Any:
    n, m = ctx.counts
    *saved, lengths, resets = ctx.saved_tensors
    filled = [
        torch.zeros(shape, dtype=dtype, device=device) if g is None else g
        for g, (shape, dtype, device) in zip(grads, ctx.shapes, strict=True)
    ]
    found = torch.ops.rondo.scan_backward(saved[:n], saved[n : n + m], lengths, resets, *ctx.plain, filled)
    return found, [None] * m, None, None, None, None, None


_scan.register_autograd(_backward, setup_context=_keep)
