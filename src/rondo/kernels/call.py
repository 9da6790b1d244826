"""One run of a kernel on tensors: templates found by shape, memory taken, addresses filled, results cut out.

All tensors here are time first, [T, B, n], in order of processing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rondo.kernels.layout import Layout
from rondo.kernels.program import Shape, Template

MAX_TEMPLATES = 256


@dataclass(eq=False)
class Call:
    """One run of a layer apart from the tensors that are differentiated; time first, in order of processing."""

    layout: Layout
    batch: int
    steps: int
    threads: int
    units: bool
    reverse: bool = False
    resets: Tensor | None = None  # [T, B] uint8
    any_reset: Tensor | None = None  # [T] uint8
    lengths: Tensor | None = None  # [B]
    active: Tensor | None = None  # [blocks of rows, T] int32: rows alive
    row_split: Any = None  # numpy int64, ends of the blocks
    masks: dict[str, Tensor] = field(default_factory=dict)  # uint8, [T, B, n] or [B, n], readable in whole vectors

    def template(
        self, backward: bool, saving: bool, wants_x: bool, strides: Any, initial: dict[str, Tensor]
    ) -> Template:
        shape = Shape(
            self.batch,
            self.steps,
            self.threads,
            self.units,
            backward,
            saving,
            self.reverse,
            self.resets is not None,
            self.lengths is not None,
            wants_x,
            strides,
            tuple((k, v.stride(0) if v.dim() == 2 else 0) for k, v in initial.items()),
        )
        found = self.layout.templates.get(shape)
        if found is None:
            if len(self.layout.templates) >= MAX_TEMPLATES:
                self.layout.templates.clear()
            found = self.layout.templates[shape] = Template(self.layout, shape)
        return found

    def extra(self) -> tuple[int, int, int, int]:
        return (
            self.active.data_ptr() if self.active is not None else 0,
            self.resets.data_ptr() if self.resets is not None else 0,
            self.any_reset.data_ptr() if self.any_reset is not None else 0,
            self.row_split.ctypes.data if self.row_split is not None else 0,
        )

    def padded(self, t: Tensor, size: str) -> Tensor:
        """`t` with its last dimension dense and readable in whole vectors."""
        width = self.layout.padded[size]
        if t.shape[-1] == width:
            return t if t.stride(-1) == 1 else t.contiguous()
        out = t.new_zeros(*t.shape[:-1], width)
        out[..., : t.shape[-1]] = t
        return out

    def rows(self, t: Tensor, size: str) -> Tensor:
        """[B, n] with padded, dense rows."""
        return self.padded(t, size).contiguous()


def _strides(t: Tensor) -> tuple[int, int]:
    return (t.stride(0), t.stride(1)) if t.dim() == 3 else (0, t.stride(0))


def _prepare(
    call: Call, x: dict[str, Tensor], state: dict[str, Tensor], initial: dict[str, Tensor]
) -> tuple[dict[Any, Tensor], list[tuple[str, tuple[int, int]]], dict[str, Tensor]]:
    """Inputs, states and masks as the kernel reads them, by slot, with the strides of those over time."""
    g = call.layout.plan.graph
    given: dict[Any, Tensor] = {}
    strides = []
    for i, z in g.inputs.items():
        t = x[i]
        t = call.padded(t, z) if call.layout.pads_inputs else t if t.stride(-1) == 1 else t.contiguous()
        given["input", i] = t
        strides.append((i, _strides(t)))
    for m in g.masks:
        given["mask", m] = call.masks[m]
        strides.append((m, _strides(call.masks[m])))
    for s, z in g.states.items():
        given["first", s] = call.rows(state[s], z)
    initial = {s: call.padded(v, g.states[s]) for s, v in initial.items()}
    given |= {("initial", s): v for s, v in initial.items()}
    return given, strides, initial


@dataclass(eq=False)
class Saved:
    """What forward keeps for backward: outputs (if they are a state) and a workspace."""

    out: Tensor
    space: Tensor


def run_forward(
    call: Call,
    params: list[Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    initial: dict[str, Tensor],
    saving: bool,
) -> tuple[Tensor, list[Tensor], Saved]:
    """x: [T, B, n]; state, initial: [B, n]. Returns outputs [T, B, m], the final states, and what backward needs."""
    layout, g = call.layout, call.layout.plan.graph
    given, strides, initial = _prepare(call, x, state, initial)
    t = call.template(False, saving, True, tuple(strides), initial)
    given["packed"] = layout.pack(False, params, call.threads)
    out = t.fresh(call.steps, call.batch, layout.padded[g.output_size])
    spaces = {name: t.space(name) for name in ("saved", "work") if name in t.slots}
    given |= {"out": out, **spaces}
    t.run({name: given[name].data_ptr() for name in t.slots}, call.extra())
    final = _final(call, t, out, spaces, state)
    if call.lengths is not None:
        past = torch.arange(call.steps).unsqueeze(1) >= call.lengths.unsqueeze(0)
        out.masked_fill_(past.unsqueeze(2), 0.0)
    width = layout.sizes[g.output_size]
    y = out if width == out.shape[2] else out[..., :width]
    return y, final, Saved(out, spaces.get("saved", out))


def _final(call: Call, t: Template, out: Tensor, spaces: dict[str, Tensor], state: dict[str, Tensor]) -> list[Tensor]:
    """The states after each row's last step."""
    found = []
    for s, z in call.layout.plan.graph.states.items():
        n, width = call.layout.sizes[z], call.layout.padded[z]
        if s == t.output_state:
            seq, last = out, 0 if call.reverse else call.steps - 1
        else:
            space, offset = t.where["seq", s]
            d = t.desc[t.index["prev", s]]
            steps = d.period or call.steps
            seq = spaces[space].as_strided((steps, call.batch, width), (call.batch * width, width, 1), offset)
            last = (call.steps - 1) % steps
        if call.lengths is None:
            found.append((seq[last] if n == width else seq[last, :, :n]).clone())
        else:
            at = (call.lengths - 1).clamp(min=0)
            rows = seq[at, torch.arange(call.batch), :n]
            found.append(torch.where((call.lengths > 0).unsqueeze(1), rows, state[s]))
    return found


def run_backward(
    call: Call,
    params: list[Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    initial: dict[str, Tensor],
    saved: Saved,
    grad_y: Tensor,
    grad_final: dict[str, Tensor],
    wants_x: bool = True,
    wants_state: bool = True,
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], list[Tensor]]:
    """Gradients of inputs [T, B, n], states [B, n], initial states [B, n] and parameters (in the graph's order).

    Without `wants_x`, whole-sequence products that only serve the inputs' gradients are left out.
    """
    layout, g = call.layout, call.layout.plan.graph
    wants_x = wants_x or not layout.kernel.inputs_apart
    given, strides, initial = _prepare(call, x, state, initial)
    given["dy"] = dy = call.padded(grad_y, g.output_size)
    t = call.template(True, True, wants_x, (*strides, ("<dy>", _strides(dy))), initial)
    given["packed"] = layout.pack(True, params, call.threads)
    given |= {("final", s): call.rows(grad_final[s], z) for s, z in g.states.items()}
    d_x = {}
    if wants_x:
        for i, z in g.inputs.items():
            if ("dx", i) in t.slots:
                d_x[i] = t.fresh(call.steps, call.batch, layout.padded[z])
                if call.lengths is not None:
                    d_x[i].zero_()
                given["dx", i] = d_x[i]
    cut = {}
    if call.resets is not None:
        cut = {s: torch.zeros(call.batch, layout.padded[z], dtype=dy.dtype) for s, z in g.states.items()}
        given |= {("cut", s): v for s, v in cut.items()}
    back = t.space("back")
    grads = t.space("grads") if t.all_filled else t.space("grads").zero_()
    given |= {"out": saved.out, "saved": saved.space, "back": back, "grads": grads}
    t.run({name: given[name].data_ptr() for name in t.slots}, call.extra())
    d_state = {}
    for s, z in g.states.items() if wants_state else ():
        _, offset = t.where["carry", s]
        n, width = layout.sizes[z], layout.padded[z]
        d = back.as_strided((call.batch, n), (width, 1), offset).clone()
        if call.lengths is not None:  # rows of length zero hand the gradient of their final state through
            d = torch.where((call.lengths > 0).unsqueeze(1), d, grad_final[s])
        d_state[s] = d
    if wants_x:
        d_x = {i: d_x[i][..., : layout.sizes[z]] if i in d_x else torch.zeros_like(x[i]) for i, z in g.inputs.items()}
    parts = [grads.as_strided(*place) for place in t.grad_places]
    return d_x, d_state, {s: v[:, : layout.sizes[g.states[s]]] for s, v in cut.items()}, parts
