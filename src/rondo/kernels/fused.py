"""The fused CPU kernel as a differentiable function of tensors.

Rows of unequal length are sorted (and dealt to threads) before the kernel and put back after it, with torch operators.
When a gradient of a gradient is asked for, backward replays the reference loop from the saved inputs and
differentiates that.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from rondo.expr.graph import Graph
from rondo.kernels import build, cpu, program, reference
from rondo.kernels.call import Call, Saved, run_backward, run_forward
from rondo.kernels.reverse import backwards

_forked = False
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: globals().__setitem__("_forked", True))


def threads() -> int:
    """Threads that a kernel may use: torch's number; one after a fork, where OpenMP's threads are gone."""
    return torch.get_num_threads() if build.has_threads() and not _forked else 1


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
) -> tuple[Tensor, dict[str, Tensor]]:
    """As `reference.scan`; `reverse` (without lengths) runs from the last step to the first."""
    first = next(iter(x.values()))
    batch, steps = first.shape[0], first.shape[1]
    layout = cpu.kernel(graph, first.dtype).layout(_sizes(graph, params, x, state))
    n, units = program.choose_split(layout.work * batch, layout.plan.levels, batch, threads(), layout.grains)
    call = Call(layout, batch, steps, n, units, reverse)
    order = None
    if lengths is not None:
        order = _order(call, lengths)
        x, state, masks = ({k: v.index_select(0, order) for k, v in d.items()} for d in (x, state, masks or {}))
        initial = {k: v if v.dim() == 1 else v.index_select(0, order) for k, v in (initial or {}).items()}
        resets = resets.index_select(0, order) if resets is not None else None
    if resets is None:
        initial = {}
    else:
        call.resets = _in_order(resets, reverse)
        call.any_reset = call.resets.amax(1)
        initial = initial or {k: torch.zeros_like(v) for k, v in state.items()}
    if masks:
        call.masks = {k: call.padded(_bytes(v), graph.masks[k]) for k, v in masks.items()}
    tensors = (*(params[n] for n in graph.params), *(x[i] for i in graph.inputs), *(state[s] for s in graph.states))
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, *initial.values())):
        original = (call.lengths, resets, masks)
        y, *final = _Fused.apply(call, graph, original, tuple(initial), *tensors, *initial.values())  # type: ignore[no-untyped-call]
    else:
        turned = {k: v.transpose(0, 1) for k, v in x.items()}
        weights = [p.contiguous() for p in tensors[: len(params)]]
        y, final, _ = run_forward(call, weights, turned, state, initial, False)
        y = y.transpose(0, 1)
    if order is not None:
        back = torch.empty_like(order)
        back[order] = torch.arange(batch)
        y, final = y.index_select(0, back), [f.index_select(0, back) for f in final]
    return y, dict(zip(graph.states, final, strict=True))


def _sizes(graph: Graph, params: dict[str, Tensor], x: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, int]:
    """The value of every named size; parameters are asked only where inputs and states do not tell."""
    sizes = {z: x[i].shape[-1] for i, z in graph.inputs.items()}
    sizes |= {z: state[s].shape[-1] for s, z in graph.states.items()}
    return sizes if len(sizes) == len(graph.size_names) else reference.sizes_of(graph, params, x, state)


def _order(call: Call, lengths: Tensor) -> Tensor:
    """Rows by falling length; where threads share rows, dealt so that each thread gets long and short ones."""
    order = torch.argsort(lengths, descending=True, stable=True)
    parts = [order] if call.units else [order[i :: call.threads] for i in range(call.threads)]
    if not call.units:
        call.row_split = np.cumsum([0, *(len(p) for p in parts)], dtype=np.int64)
    steps = torch.arange(call.steps)
    call.active = torch.stack([(lengths[p].unsqueeze(0) > steps.unsqueeze(1)).sum(1) for p in parts]).to(torch.int32)
    order = torch.cat(parts)
    call.lengths = lengths[order]
    return order


def _in_order(resets: Tensor, reverse: bool) -> Tensor:
    """Resets [B, T] as bytes [T, B] in order of processing: backwards, a segment ends where it began."""
    if reverse:
        resets = torch.cat([torch.zeros_like(resets[:, :1]), resets.flip(1)[:, :-1]], 1)
    return resets.T.contiguous().to(torch.uint8)


def _bytes(mask: Tensor) -> Tensor:
    m = mask.transpose(0, 1) if mask.dim() == 3 else mask
    return m.to(torch.uint8)


class _Fused(Function):
    """Outputs [B, T, m] and final states, from parameters, inputs, states (in the graph's order) and initial states."""

    @staticmethod
    def forward(ctx: Any, call: Call, graph: Graph, original: Any, initial: tuple[str, ...], *tensors: Tensor) -> Any:
        ctx.call, ctx.graph, ctx.original, ctx.initial = call, graph, original, initial
        params, x, state, start = _split(ctx, tensors)
        y, final, saved = run_forward(
            call, [p.contiguous() for p in params], {k: v.transpose(0, 1) for k, v in x.items()}, state, start, True
        )
        ctx.save_for_backward(*tensors, saved.out, saved.space)
        return (y.transpose(0, 1), *final)

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor, *grad_final: Tensor) -> Any:
        *tensors, out, space = ctx.saved_tensors
        needs = ctx.needs_input_grad[4:]
        if torch.is_grad_enabled():
            return (None, None, None, None, *_replay(ctx, tensors, needs, grad_y, grad_final))
        params, x, state, start = _split(ctx, tensors)
        d_x, d_state, d_start, d_params = run_backward(
            ctx.call,
            [p.contiguous() for p in params],
            {k: v.transpose(0, 1) for k, v in x.items()},
            state,
            start,
            Saved(out, space),
            grad_y.transpose(0, 1),
            dict(zip(ctx.graph.states, grad_final, strict=True)),
            any(needs[len(params) : len(params) + len(x)]),
            any(needs[len(params) + len(x) : len(params) + len(x) + len(state)]),
        )
        d_inputs = [d_x[k].transpose(0, 1) if k in d_x else None for k in x]
        d_starts = [d_start[k].sum(0) if v.dim() == 1 else d_start[k] for k, v in start.items()]
        return (None, None, None, None, *d_params, *d_inputs, *(d_state.get(k) for k in state), *d_starts)


def _split(ctx: Any, tensors: Any) -> tuple[list[Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Parameters in order; inputs, states and initial states by name."""
    g = ctx.graph
    a, b = len(g.params), len(g.params) + len(g.inputs)
    c = b + len(g.states)
    named = [dict(zip(n, t, strict=True)) for n, t in ((g.inputs, tensors[a:b]), (g.states, tensors[b:c]))]
    return list(tensors[:a]), named[0], named[1], dict(zip(ctx.initial, tensors[c:], strict=True))


def _replay(ctx: Any, tensors: Any, needs: Any, grad_y: Tensor, grad_final: Any) -> list[Tensor | None]:
    """The same gradients, by the reference loop and autograd, so that they can be differentiated again."""
    lengths, resets, masks = ctx.original
    params, x, state, start = _split(ctx, tensors)
    named = dict(zip(ctx.graph.params, params, strict=True))

    def run(x: Any, resets: Any, masks: Any) -> Any:
        return reference.scan(ctx.graph, named, x, state, lengths, resets, start or None, masks)

    with torch.enable_grad():
        y, final = backwards(run, x, lengths, resets, masks) if ctx.call.reverse else run(x, resets, masks)
        pairs = [(o, g) for o, g in zip((y, *final.values()), (grad_y, *grad_final), strict=True) if o.requires_grad]
        outputs, upstream = zip(*pairs, strict=True)
        wanted = [t for t, need in zip(tensors, needs, strict=True) if need]
        found = iter(torch.autograd.grad(outputs, wanted, upstream, create_graph=True, allow_unused=True))
    return [next(found) if need else None for need in needs]
