"""The fused CPU kernel as a differentiable function of tensors.

Rows of unequal length are sorted (and dealt to threads) before the kernel and put back after it, with torch operators.
When a gradient of a gradient is asked for, backward replays the reference loop from the saved inputs and
differentiates that.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rondo.expr.graph import Graph
from rondo.kernels import build, cpu, reference
from rondo.kernels.cpu import Call

_forked = False
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
    batch, steps = first.shape[:2]
    sizes = reference.sizes_of(graph, params, x, state)
    call = Call(cpu.kernel(graph, first.dtype), sizes, batch, steps, threads(), reverse=reverse)
    order = None
    if lengths is not None:
        order = _order(call, lengths)
        x = {k: v.index_select(0, order) for k, v in x.items()}
        state = {k: v.index_select(0, order) for k, v in state.items()}
        initial = {k: v if v.dim() == 1 else v.index_select(0, order) for k, v in (initial or {}).items()}
        masks = {k: v.index_select(0, order) for k, v in (masks or {}).items()}
        resets = resets.index_select(0, order) if resets is not None else None
    if resets is not None:
        call.resets = _in_order(resets, reverse)
        if not initial:
            initial = {k: torch.zeros_like(v) for k, v in state.items()}
    else:
        initial = {}
    call.masks = {k: _bytes(v) for k, v in (masks or {}).items()}
    original = (lengths.index_select(0, order) if order is not None else None, resets, masks)  # type: ignore[union-attr]
    names = (tuple(params), tuple(x), tuple(state), tuple(initial or ()))
    tensors = (*params.values(), *x.values(), *state.values(), *(initial or {}).values())
    y, *final = _Fused.apply(call, graph, names, original, *tensors)
    if order is not None:
        back = torch.empty_like(order)
        back[order] = torch.arange(batch)
        y, final = y.index_select(0, back), [f.index_select(0, back) for f in final]
    return y, dict(zip(state, final, strict=True))


def _order(call: Call, lengths: Tensor) -> Tensor:
    """Rows by falling length; where threads share rows, dealt so that each thread gets long and short ones."""
    n, units = call.split()
    order = torch.argsort(lengths, descending=True, stable=True)
    parts = [order] if units else [order[i::n] for i in range(n)]
    ends = [0]
    for p in parts:
        ends.append(ends[-1] + len(p))
    call.row_split = (0, call.batch) if units else tuple(ends)
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


def _dense(t: Tensor) -> Tensor:
    return t if t.stride(-1) == 1 else t.contiguous()


class _Fused(Function):
    """Outputs [B, T, m] and final states from parameters, inputs, states and initial states, in this order."""

    @staticmethod
    def forward(ctx: Any, call: Call, graph: Graph, names: Any, original: Any, *tensors: Tensor) -> Any:
        ctx.call, ctx.graph, ctx.names, ctx.original = call, graph, names, original
        params, x, state, initial = _split(names, tensors)
        saving = any(ctx.needs_input_grad)
        y, final, saved = cpu.run_forward(
            call,
            {k: _dense(v) for k, v in params.items()},
            {k: v.transpose(0, 1) for k, v in x.items()},
            state,
            initial,
            saving,
        )
        if saving:
            ctx.kept = (tuple(saved.seq), tuple(saved.buffers))
            ctx.save_for_backward(*tensors, *saved.seq.values(), *saved.buffers.values())
        ctx.set_materialize_grads(True)
        return (y.transpose(0, 1), *final.values())

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor, *grad_final: Tensor) -> Any:
        count = sum(len(n) for n in ctx.names)
        tensors, kept = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        if torch.is_grad_enabled():
            return (None, None, None, None, *_replay(ctx, tensors, grad_y, grad_final))
        seq_names, buffer_names = ctx.kept
        saved = cpu.Saved(
            dict(zip(seq_names, kept[: len(seq_names)], strict=True)),
            dict(zip(buffer_names, kept[len(seq_names) :], strict=True)),
        )
        params, x, state, initial = _split(ctx.names, tensors)
        wants_x = any(ctx.needs_input_grad[4 + len(params) : 4 + len(params) + len(x)])
        d_x, d_state, d_initial, d_params = cpu.run_backward(
            ctx.call,
            {k: _dense(v) for k, v in params.items()},
            {k: v.transpose(0, 1) for k, v in x.items()},
            state,
            initial,
            saved,
            grad_y.transpose(0, 1),
            dict(zip(ctx.names[2], grad_final, strict=True)),
            wants_x,
        )
        rows = [d_initial[k].sum(0) if v.dim() == 1 else d_initial[k] for k, v in initial.items()]
        inputs = [d_x[k].transpose(0, 1) if k in d_x else None for k in x]
        return (None, None, None, None, *(d_params[k] for k in params), *inputs, *(d_state[k] for k in state), *rows)


def _split(names: Any, tensors: Any) -> list[dict[str, Tensor]]:
    found, i = [], 0
    for group in names:
        found.append(dict(zip(group, tensors[i : i + len(group)], strict=True)))
        i += len(group)
    return found


def _replay(ctx: Any, tensors: Any, grad_y: Tensor, grad_final: Any) -> list[Tensor | None]:
    """The same gradients, by the reference loop and autograd, so that they can be differentiated again."""
    lengths, resets, masks = ctx.original
    with torch.enable_grad():
        params, x, state, initial = _split(ctx.names, tensors)

        def run(x: Any, resets: Any, masks: Any) -> Any:
            return reference.scan(ctx.graph, params, x, state, lengths, resets, initial or None, masks)

        from rondo.kernels.reverse import backwards

        y, final = backwards(run, x, lengths, resets, masks) if ctx.call.reverse else run(x, resets, masks)
        wanted = [t for t, need in zip(tensors, ctx.needs_input_grad[4:], strict=True) if need]
        outputs = [y, *final.values()]
        pairs = [(o, g) for o, g in zip(outputs, (grad_y, *grad_final), strict=True) if o.requires_grad]
        found = iter(
            torch.autograd.grad(
                [o for o, _ in pairs], wanted, [g for _, g in pairs], create_graph=True, allow_unused=True
            )
        )
    return [next(found) if need else None for need in ctx.needs_input_grad[4:]]
