"""One layer, one step at a time: a template of length one with its memory bound once.

Two address tables take turns: what one writes, the other reads as the state entering. A step is one call with one
address changed.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from rondo.expr.graph import Graph
from rondo.kernels import cpu
from rondo.kernels.program import CProgram, Shape, Template

SPLIT_WORK = 600_000  # operations of a step that are worth waking a second thread


class Streaming:
    """A fused layer that carries its state from call to call.

    step = Streaming(graph, params, state, sizes, threads);  y = step(x)      # x [B, n] -> y [B, m]

    Parameters are packed once and again when torch has counted a change to one of them (every change but those made
    through `.data`). `state` may be read and replaced between steps.
    """

    def __init__(
        self, graph: Graph, params: dict[str, Tensor], state: dict[str, Tensor], sizes: dict[str, int], threads: int
    ) -> None:
        first = next(iter(state.values()))
        self.graph, self.params = graph, [params[n] for n in graph.params]
        self.layout = cpu.kernel(graph, first.dtype).layout(sizes)
        self.threads = threads if self._work() * len(first) >= SPLIT_WORK and self.layout.grains >= threads else 1
        (self._input,) = graph.inputs
        self._size = sizes[graph.inputs[self._input]]
        self._pads = self.layout.pads_inputs and self._size != self.layout.padded[graph.inputs[self._input]]
        width = self.layout.padded[graph.inputs[self._input]] if self._pads else self._size
        self._x = torch.zeros(len(first), width, dtype=first.dtype)
        rows = len(first)
        shape = Shape(
            rows, 1, self.threads, self.threads > 1, False, False, strides=((self._input, (rows * width, width)),)
        )
        self.template = Template(self.layout, shape)
        self._bind(rows)
        self.state = state

    def _work(self) -> int:
        matrices = (p.shape(self.layout.sizes) for p in self.graph.params.values() if p.is_matrix)
        return sum(2 * rows * cols for rows, cols in matrices)

    def _bind(self, rows: int) -> None:
        """The two sides: outputs, workspaces, address tables and programs."""
        t, g = self.template, self.graph
        make = torch.zeros  # padding must not hold NaN from old memory
        width, dtype = self.layout.padded[g.output_size], self.layout.kernel.dtype
        self._outs = [make(rows, width, dtype=dtype) for _ in range(2)]
        self._spaces = [make(max(t.length["work"], 1), dtype=dtype) for _ in range(2)]
        n = self.layout.sizes[g.output_size]
        self._views = [out if n == width else out[:, :n] for out in self._outs]
        self._entering = [{s: self._place(s, k, rows) for s in g.states} for k in range(2)]
        self._scratch = torch.empty(self.threads * t.program.scratch_size, dtype=torch.uint8)
        self._tables = [(ctypes.c_int64 * len(t.slots))() for _ in range(2)]
        self._programs: list[Any] = []
        for k, table in enumerate(self._tables):
            for name, at in t.slots.items():
                table[at] = self._address(name, k)
            p = CProgram.from_buffer_copy(t.program)
            p.scratch, p.pointers = self._scratch.data_ptr(), ctypes.addressof(table)
            self._programs.append(p)
        self._calls = [ctypes.addressof(p) for p in self._programs]
        self._run = self.layout.kernel.runtime.rondo_run
        self._slot = t.slots.get(("input", self._input), -1)
        self._side, self._versions = 0, [-1] * len(self.params)

    def _place(self, state: str, k: int, rows: int) -> Tensor:
        """Where side k leaves a state: [B, padded]."""
        width = self.layout.padded[self.graph.states[state]]
        if state == self.template.output_state:
            return self._outs[k]
        _, offset = self.template.where["seq", state]
        return self._spaces[k][offset : offset + rows * width].view(rows, width)

    def _address(self, name: Any, k: int) -> int:
        if name == "out":
            return self._outs[k].data_ptr()
        if name == "work":
            return self._spaces[k].data_ptr()
        if name == "packed":
            return 0  # filled by _pack
        kind, which = name
        return self._entering[1 - k][which].data_ptr() if kind == "first" else self._x.data_ptr()

    def _pack(self, versions: list[int]) -> None:
        self._versions = versions
        self._packed = self.layout.pack(False, [p.detach().contiguous() for p in self.params], self.threads)
        for table in self._tables:
            table[self.template.slots["packed"]] = self._packed.data_ptr()

    def __call__(self, x: Tensor) -> Tensor:
        """x [B, n] of the layer's dtype -> y [B, m]."""
        versions = [p._version for p in self.params]
        if versions != self._versions:
            self._pack(versions)
        if self._pads:
            self._x[:, : self._size] = x.detach()
            x = self._x
        elif not x.is_contiguous():
            x = x.contiguous()
        k = self._side
        if self._slot >= 0:
            self._tables[k][self._slot] = x.data_ptr()
        self._run(self._calls[k])
        self._side = 1 - k
        return self._views[k].clone()

    @property
    def state(self) -> dict[str, Tensor]:
        """What is carried now, each [B, n]: copies."""
        left = self._entering[1 - self._side]
        return {s: left[s][:, : self.layout.sizes[z]].clone() for s, z in self.graph.states.items()}

    @state.setter
    def state(self, state: dict[str, Tensor]) -> None:
        left = self._entering[1 - self._side]
        for s, v in state.items():
            left[s].zero_()
            left[s][:, : v.shape[1]] = v.detach()
