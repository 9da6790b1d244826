"""A Template holds everything of a call but addresses (views, stages, weight gradients as C words) for one shape of
call; running it fills a short table of addresses. Internal rows are padded to whole vectors.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rondo.expr.graph import SCALAR
from rondo.expr.stages import LOOP, POST, PRE, Key
from rondo.kernels.layout import Layout, structure

PLAIN, PREVIOUS, TILE, PER_THREAD = range(4)
UNIT_SPLIT_WORK = 60_000  # operations of one level of one step that are worth a barrier
BATCH_SPLIT_ROWS = 12  # rows a thread needs to keep the registers of a product busy
CHUNK_ROWS = 192  # rows of whole-sequence products done before the loop reads them, so that they stay in cache
ALIGN = 16  # numbers
HUGE = 4 << 20  # bytes from which fresh memory asks for huge pages

CDesc = structure("CDesc", "slot offset ts rs us period toff kind first first_rs initial initial_rs width")
CSegment = structure("CSegment", "view k w")
CGroup = structure("CGroup", "slots nseg seg view")
CStage = structure("CStage", "n blocks tile_blocks ngroup group reduce region barrier")
CCarry = structure("CCarry", "view_in view_out final final_rs reset_sum reset_rs width")
CWeight = structure("CWeight", "left right m n slots column lds add")
CSum = structure("CSum", "view out n")
CProgram = structure(
    "CProgram",
    "T B nviews threads split_units grain backward saving chunk views npre pre nloop loop npost post active resets"
    " any_reset ncarry carry row_split scratch scratch_size tile_vectors nweight weight nsum sum nprevious pointers"
    " grads",
)


@dataclass(frozen=True)
class Shape:
    """What a template depends on beside its layout."""

    batch: int
    steps: int
    threads: int
    units: bool  # threads share units, with a barrier a level; else rows
    backward: bool
    saving: bool
    reverse: bool = False  # run from the last step to the first
    resets: bool = False
    full: bool = False  # keep every step of every state (rows of unequal length end at different steps)
    wants_x: bool = True
    strides: tuple[tuple[str, tuple[int, ...]], ...] = ()  # of inputs, masks and the output's gradient
    initial_rows: tuple[tuple[str, int], ...] = ()  # row strides of initial states


def choose_split(work: int, levels: int, batch: int, threads: int, grains: int) -> tuple[int, bool]:
    """How threads share one step's `work` (operations): a pure function, so that results repeat bit for bit."""
    if threads <= 1:
        return 1, False
    if batch >= threads * BATCH_SPLIT_ROWS or (levels > 1 and batch >= threads * 8):
        return threads, False
    if levels == 0:
        return (threads, False) if batch >= threads else (max(1, min(threads, grains)), True)
    if work / levels >= UNIT_SPLIT_WORK and grains >= threads:
        return threads, True
    return 1, False


class Template:
    """One shape of call, ready to run. `slots` numbers the addresses that a call must give."""

    def __init__(self, layout: Layout, shape: Shape) -> None:
        self.layout, self.shape, self.kernel = layout, shape, layout.kernel
        self.plan, self.size, self.lanes = layout.plan, layout.kernel.size, layout.kernel.lanes
        self.keys = self.kernel.keys[shape.backward]
        self.index = self.kernel.index[shape.backward]
        self.strides = dict(shape.strides)
        self.slots: dict[Any, int] = {}
        self.desc = (CDesc * max(len(self.keys), 1))()
        self.keep: list[Any] = [self.desc]
        self.length = {"saved": 0, "work": 0, "back": 0, "grads": 0}  # numbers in each workspace
        self.where: dict[Any, tuple[str, int]] = {}  # offset of what lies in a workspace
        self.slot("packed")
        per_thread = shape.batch if shape.units else -(-shape.batch // shape.threads)
        self.chunk = min(shape.steps, max(1, -(-CHUNK_ROWS // max(per_thread, 1))))
        states = layout.plan.graph.states
        self.output_state = next(iter(states)) if ("y",) not in self.kernel.index[False] else ""
        self.program = CProgram()
        self._build()

    # -- slots and workspaces

    def slot(self, name: Any) -> int:
        return self.slots.setdefault(name, len(self.slots))

    def reserve(self, space: str, name: Any, numbers: int) -> int:
        """Room for `numbers` in a workspace; its offset."""
        offset = self.length[space]
        self.length[space] += -(-numbers // ALIGN) * ALIGN
        self.where[name] = (space, offset)
        return offset

    # -- building

    def _build(self) -> None:
        s, p = self.shape, self.plan
        for key in self.keys:
            if key[0] == "tile":
                self.desc[self.index[key]].kind = TILE
        self._inputs()
        self._states()
        self._vectors()
        self._buffers()
        if s.backward:
            self._backward_views()
        c = self.program
        c.T, c.B, c.nviews, c.threads, c.split_units = s.steps, s.batch, len(self.keys), s.threads, s.units
        c.grain, c.backward, c.saving, c.chunk = self.layout.grain, s.backward, s.saving, max(self.chunk, 1)
        c.views, c.nprevious = ctypes.addressof(self.desc), len(p.graph.states)
        c.npre, c.pre = self._stages(PRE)
        c.nloop, c.loop = self._stages(LOOP)
        skip = s.backward and not s.wants_x  # see Kernel.inputs_apart
        c.npost, c.post = (0, 0) if skip else self._stages(POST)
        c.tile_vectors = self.layout.tile_vectors[s.backward]
        patch = s.batch * sum(self.layout.padded[z] for z in p.graph.states.values()) * self.size if s.resets else 0
        c.scratch_size = self.kernel.runtime.rondo_scratch(c.nviews, c.tile_vectors, patch)
        rows = np.array([s.batch * i // s.threads for i in range(s.threads + 1)], dtype=np.int64)
        self.keep.append(rows)
        c.row_split = rows.ctypes.data
        c.grads = self.slots.get("grads", 0)

    def _over_time(self, key: Key, slot: int, offset: int, ts: int, rs: int, element: int = 0) -> None:
        """A [T, B, n] operand (strides in numbers), walked from its end when the call is reversed."""
        at = self.index.get(key)
        if at is None:
            return
        d, size = self.desc[at], element or self.size
        d.slot, d.offset, d.ts, d.rs, d.us = slot, offset * size, ts * size, rs * size, self.lanes * size
        if self.shape.reverse:
            d.offset, d.ts = d.offset + (self.shape.steps - 1) * d.ts, -d.ts

    def _inputs(self) -> None:
        g = self.plan.graph
        for name in g.inputs:
            if ("input", name) in self.index:
                ts, rs = self.strides[name]
                self._over_time(("input", name), self.slot(("input", name)), 0, ts, rs)
        for name in g.masks:
            if ("mask", name) in self.index:
                ts, rs = self.strides[name]
                self._over_time(("mask", name), self.slot(("mask", name)), 0, ts, rs, 1)

    def _states(self) -> None:
        s, rows = self.shape, dict(self.shape.initial_rows)
        early = {k for q in self.plan.forward.phase(PRE) for g in q.groups for k in g.out}  # written many steps at once
        keep_every = s.saving or s.full or bool(self.plan.forward.phase(POST))
        for name, z in self.plan.graph.states.items():
            width = self.layout.padded[z]
            is_output = name == self.output_state
            keep_all = keep_every or ("new", name) in early
            steps = s.steps if keep_all or is_output or s.backward else min(2, s.steps)
            if is_output:
                slot, offset = self.slot("out"), 0
            else:
                space = "saved" if s.saving or s.backward else "work"
                slot, offset = self.slot(space), self.reserve(space, ("seq", name), steps * s.batch * width)
            first = self.slot(("first", name))
            initial = self.slot(("initial", name)) if s.resets else -1
            for key, toff in ((("prev", name), -1), (("new", name), 0)):
                at = self.index.get(key)
                if at is None:
                    continue
                d = self.desc[at]
                d.slot, d.offset, d.ts, d.rs = slot, offset * self.size, s.batch * width * self.size, width * self.size
                d.us, d.period, d.toff = self.lanes * self.size, 0 if steps == s.steps else steps, toff
                if is_output and s.reverse:
                    d.offset, d.ts = d.offset + (s.steps - 1) * d.ts, -d.ts
                if toff:
                    d.kind, d.first, d.first_rs, d.width = PREVIOUS, first, width * self.size, width * self.size
                    d.initial, d.initial_rs = initial, rows.get(name, width) * self.size
        if ("y",) in self.index:
            width = self.layout.padded[self.plan.graph.output_size]
            self._over_time(("y",), self.slot("out"), 0, s.batch * width, width)

    def _vectors(self) -> None:
        for name, p in self.plan.graph.params.items():
            at = self.index.get(("vector", name))
            if at is not None and not p.is_matrix:
                d = self.desc[at]
                d.slot, d.offset = 0, self.layout.vector_place(self.shape.backward, name) * self.size
                d.us = self.lanes * self.size

    @property
    def _ringed(self) -> bool:
        """Whether the loop's buffers are rings of two steps: in inference, where nothing after the loop reads them."""
        return not self.shape.saving and not self.shape.backward and not self.plan.forward.phase(POST)

    def _buffers(self) -> None:
        """Forward's buffers (those that backward reads in a workspace that is kept), then backward's own."""
        s = self.shape
        kept = kept_buffers(self.layout)
        for name, b in self.plan.forward.buffers.items():
            if s.backward and name not in kept:
                continue
            steps = 2 if b.kind == "ring" else s.steps
            if self._ringed and name.startswith("fp"):
                steps = self.chunk
            elif self._ringed and name.startswith("ft"):
                steps = min(2, s.steps)
            self._buffer(name, "saved" if name in kept and (s.saving or s.backward) else "work", steps)
        if s.backward:
            for name, b in self.plan.backward.buffers.items():
                self._buffer(name, "back", 2 if b.kind == "ring" else s.steps)

    def _buffer(self, name: str, space: str, steps: int) -> None:
        b, width, s = self.layout.buffers[name], self.layout.width(name), self.shape
        start = self.reserve(space, name, max(steps, 1) * s.batch * width)
        for g, slots in enumerate(b.groups):
            for i in range(len(slots)):
                at = self.index.get(("buf", name, g, i))
                if at is None:
                    continue
                d = self.desc[at]
                inner = 0 if b.kind == "scalar" else self.layout.group_offset(name, g) + i * self.lanes
                d.slot, d.offset = self.slot(space), (start + inner) * self.size
                d.ts, d.rs, d.us = s.batch * width * self.size, width * self.size, len(slots) * self.lanes * self.size
                d.period = 0 if steps == s.steps else steps

    def _backward_views(self) -> None:
        g, s = self.plan.graph, self.shape
        if ("dy",) in self.index:
            ts, rs = self.strides["<dy>"]
            self._over_time(("dy",), self.slot("dy"), 0, ts, rs)
        for i, z in g.inputs.items():
            if ("dx", i) in self.index and s.wants_x:
                width = self.layout.padded[z]
                self._over_time(("dx", i), self.slot(("dx", i)), 0, s.batch * width, width)
        self._carries()
        self._gradients()

    def _carries(self) -> None:
        """The two-step rings that carry the states' adjoints back in time."""
        states, s = self.plan.graph.states, self.shape
        array = (CCarry * len(states))()
        for c, (name, z) in zip(array, states.items(), strict=True):
            width = self.layout.padded[z]
            offset = self.reserve("back", ("carry", name), 2 * s.batch * width)
            for key, toff in ((("carry_in", name), 1), (("carry_out", name), 0)):
                d = self.desc[self.index[key]]
                d.slot, d.offset, d.ts, d.rs = (
                    self.slot("back"),
                    offset * self.size,
                    s.batch * width * self.size,
                    width * self.size,
                )
                d.us, d.period, d.toff = self.lanes * self.size, 2, toff
            c.view_in, c.view_out = self.index["carry_in", name], self.index["carry_out", name]
            c.final, c.final_rs, c.width = self.slot(("final", name)), width * self.size, width * self.size
            c.reset_sum = self.slot(("cut", name)) if s.resets else -1
            c.reset_rs = width * self.size
        self.keep.append(array)
        self.program.ncarry, self.program.carry = len(states), ctypes.addressof(array)

    def _gradients(self) -> None:
        """One buffer for the gradients of all parameters, in the graph's order, and what fills it."""
        g, layout, s = self.plan.graph, self.layout, self.shape
        self.slot("grads")
        offsets, lds = {}, {}
        self.grad_places: list[tuple[tuple[int, ...], tuple[int, ...], int]] = []
        for name, p in g.params.items():
            shape = p.shape(layout.sizes)
            offsets[name] = self.reserve("grads", ("grad", name), math.prod(shape))
            lds[name] = shape[-1]
            self.grad_places.append((shape, (shape[1], 1) if p.is_matrix else (1,), offsets[name]))
        array = (CWeight * max(len(layout.weights), 1))()
        for c, item in zip(array, layout.weights, strict=False):
            columns = layout.columns(list(item.slots), offsets)
            ld = (ctypes.c_int64 * len(item.slots))(*(lds[q[0].name] if q else 0 for q in item.slots))
            self.keep += [columns, ld]
            c.left, c.right, c.m, c.n = self.index[item.left], self.index[item.right], item.m, item.n
            c.slots, c.column, c.lds, c.add = len(item.slots), ctypes.addressof(columns), ctypes.addressof(ld), item.add
        self.program.nweight, self.program.weight = len(layout.weights), ctypes.addressof(array)
        accs = [k for k in self.keys if k[0] == "acc"]
        sums = (CSum * max(len(accs), 1))()
        for c, key in zip(sums, accs, strict=False):
            name = str(key[1])
            width = layout.padded[g.params[name].rows]
            d = self.desc[self.index[key]]
            offset = self.reserve("back", key, s.threads * width)
            d.slot, d.offset, d.ts = self.slot("back"), offset * self.size, width * self.size
            d.us, d.kind, d.width = self.lanes * self.size, PER_THREAD, width * self.size
            c.view, c.out, c.n = self.index[key], offsets[name], layout.sizes[g.params[name].rows]
        self.program.nsum, self.program.sum = len(accs), ctypes.addressof(sums)
        self.keep += [array, sums]
        filled = {b.name for i in layout.weights for q in i.slots if q for b in [q[0]]} | {str(k[1]) for k in accs}
        self.all_filled = filled >= set(g.params)

    def _stages(self, phase: int) -> tuple[int, int]:
        """The stages of one phase as C words: how many, and where."""
        s, layout = self.shape, self.layout
        schedule = self.plan.backward if s.backward else self.plan.forward
        found = [(i, q) for i, q in enumerate(schedule.stages) if q.phase == phase]
        array = (CStage * max(len(found), 1))()
        for number, (c, (si, stage)) in enumerate(zip(array, found, strict=False)):
            c.n, c.blocks, c.tile_blocks = layout.sizes[stage.size], layout.blocks(stage.size), layout.tile(stage)
            c.reduce = self.kernel.function(s.backward, stage, True)
            c.region = self.kernel.function(s.backward, stage, False)
            chained = phase != PRE or number > 0  # the first whole-sequence stage reads only what was given
            # what a step writes into a ring, others may still read in the step before
            over = self._ringed and phase == LOOP and number == 0
            c.barrier = s.units and chained and bool(stage.groups or stage.reduce or over)
            groups = (CGroup * max(len(stage.groups), 1))()
            c.ngroup, c.group = len(stage.groups), ctypes.addressof(groups)
            self.keep.append(groups)
            for gi, (cg, g) in enumerate(zip(groups, stage.groups, strict=False)):
                segments = layout.segments[s.backward][si, gi]
                segs = (CSegment * len(segments))()
                self.keep.append(segs)
                for cs, (key, k, packing) in zip(segs, segments, strict=True):
                    cs.view, cs.k, cs.w = self.index[key], k, layout.packings[s.backward][packing].offset
                cg.slots, cg.nseg, cg.seg = len(g.slots), len(segs), ctypes.addressof(segs)
                cg.view = self.index[g.out[0]]
        self.keep.append(array)
        return len(found), ctypes.addressof(array)

    # -- running

    def run(self, addresses: dict[Any, int], extra: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
        """Runs the call; `addresses` by slot, `extra`: active counts, resets, any_reset, row_split (0: as built)."""
        table = (ctypes.c_int64 * len(self.slots))()
        for name, at in self.slots.items():
            table[at] = addresses[name]
        c = CProgram.from_buffer_copy(self.program)
        c.active, c.resets, c.any_reset = extra[:3]
        if extra[3]:
            c.row_split = extra[3]
        scratch = torch.empty(c.threads * c.scratch_size, dtype=torch.uint8)
        c.scratch, c.pointers = scratch.data_ptr(), ctypes.addressof(table)
        self.kernel.runtime.rondo_run(ctypes.addressof(c))

    def space(self, name: str) -> Tensor:
        return self.fresh(self.length[name])

    def fresh(self, *shape: int) -> Tensor:
        """Uninitialised memory; in huge pages where it is large."""
        t = torch.empty(shape, dtype=self.kernel.dtype)
        nbytes = t.numel() * self.size
        if nbytes >= HUGE:
            self.kernel.runtime.rondo_huge_pages(t.data_ptr(), nbytes)
        return t


def kept_buffers(layout: Layout) -> set[str]:
    """Forward's buffers that backward reads."""
    p = layout.plan
    statistics = [k for n, k in p.backward.leaves.items() if k[0] == "buf" and p.sizes.get(n) == SCALAR]
    return {str(k[1]) for k in [*p.saved.values(), *statistics] if k[0] == "buf"}
