"""The fused CPU kernel: a plan bound to sizes, tensors and threads, run by kernels/native/runtime.cpp.

`scan` has the semantics of `reference.scan`. A Kernel is a compiled plan; a Layout fixes sizes and knows how weights
are packed; each call fills one Program (plain 64-bit words, see runtime.cpp) and runs it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr
from rondo.expr.plan import LOOP, POST, PRE, Group, Key, Plan, Stage, plan
from rondo.kernels import build, reference
from rondo.render.cpp import cpp, function_name, home_key, operand_key, right_key, view_keys

REAL = {torch.float32: "float", torch.float64: "double"}
PREAMBLE = '#include "vec.h"\n'
PLAIN, PREVIOUS, TILE, PER_THREAD = range(4)
UNIT_SPLIT_WORK = 150_000  # operations of one level of one step that are worth a barrier
BATCH_SPLIT_ROWS = 12  # rows a thread needs to keep the registers of a product busy
CHUNK_ROWS = 192  # rows of whole-sequence products done before the loop reads them, so that they stay in cache

_words = ctypes.c_int64


def _structure(name: str, fields: str) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": [(f, _words) for f in fields.split()]})


Desc = _structure("Desc", "base ts rs us period toff kind first first_rs initial initial_rs width")
CSegment = _structure("CSegment", "view offset k w")
CGroup = _structure("CGroup", "slots nseg seg view")
CStage = _structure("CStage", "n blocks tile_blocks ngroup group reduce region barrier")
CCarry = _structure("CCarry", "view_in view_out final final_rs reset_sum reset_rs width")
CWeight = _structure("CWeight", "left left_offset m right right_offset n out add")
Program = _structure(
    "Program",
    "T B nviews threads split_units grain backward saving chunk views npre pre nloop loop npost post active resets"
    " any_reset ncarry carry row_split scratch scratch_size nweight weight nprevious",
)


class Kernel:
    """A plan compiled for one dtype."""

    def __init__(self, p: Plan, real: str, lib: ctypes.CDLL, prefix: str) -> None:
        self.plan, self.real, self.lib, self.prefix = p, real, lib, prefix
        self.runtime = build.runtime(real)
        self.size = 4 if real == "float" else 8
        self.lanes = int(self.runtime.rondo_lanes())
        self.panel = int(self.runtime.rondo_panel())
        self.keys = (view_keys(p, False), view_keys(p, True))
        self.index = tuple({k: i for i, k in enumerate(keys)} for keys in self.keys)
        self.layouts: dict[tuple[int, ...], Layout] = {}
        self.inputs_only = _serves_inputs_only(p)

    def function(self, backward: bool, stage: Stage, reducing: bool) -> int:
        if (stage.reduce if reducing else stage.region) is None:
            return 0
        name = function_name(self.prefix + ("b" if backward else "f"), stage, reducing)
        return ctypes.cast(getattr(self.lib, name), ctypes.c_void_p).value or 0

    def layout(self, sizes: dict[str, int]) -> Layout:
        key = tuple(sizes[z] for z in self.plan.graph.size_names)
        if key not in self.layouts:
            self.layouts[key] = Layout(self, dict(sizes))
        return self.layouts[key]


def _serves_inputs_only(p: Plan) -> bool:
    """Whether backward's whole-sequence stages write nothing but the inputs' gradients."""
    stages = p.backward.phase(POST)
    sums = any(s.region.sums for s in stages if s.region)
    lefts = {home_key(p, o.left) for o in p.outers}
    written = [k for s in stages for g in s.groups for k in g.out]
    written += [k for s in stages if s.region for _, k, _ in s.region.stores]
    return not sums and not lefts.intersection(written)


Identity = tuple[object, ...]
_kernels: dict[tuple[Identity, str], Kernel] = {}


def _identity(graph: Graph) -> Identity:
    """What a kernel depends on; nodes are shared between equal equations, so equal cells share a kernel."""
    named = (graph.inputs, graph.states, graph.masks, {p.name: (p.rows, p.cols) for p in graph.params.values()})
    return (graph.roots, *(tuple(d.items()) for d in named))


def kernel(graph: Graph, dtype: torch.dtype) -> Kernel:
    """The compiled kernel of a graph, built at first use. Raises build.NoCompiler."""
    found = graph.__dict__.setdefault("_kernels", {})  # looked up at every call: keep it on the graph
    if dtype not in found:
        key = (_identity(graph), REAL[dtype])
        if key not in _kernels:
            compile_together([graph], REAL[dtype])
        found[dtype] = _kernels[key]
    return found[dtype]


def compile_together(graphs: Sequence[Graph], real: str, optimise: str = "-O2") -> None:
    """Builds several graphs' kernels in one compilation; `kernel` finds them from then on."""
    graphs = [g for g in graphs if (_identity(g), real) not in _kernels]
    plans = [plan(g) for g in graphs]
    if not plans:
        return
    source = PREAMBLE + "\n".join(cpp(p, f"k{i}") for i, p in enumerate(plans))
    lib = build.load_shared(source, optimise, real)
    for i, (g, p) in enumerate(zip(graphs, plans, strict=True)):
        _kernels[_identity(g), real] = Kernel(p, real, lib, f"k{i}")


# ---- sizes and packed weights -----------------------------------------------------------------------


@dataclass(eq=False)
class Packing:
    """One packed operand of a product: which parameter rows, and where in the packed buffer."""

    columns: bool  # transposed product: rows of the matrix run along k
    blocks: list[tuple[Block, str]]  # per slot: block, and size name of its rows
    k: int
    vectors: int
    tile: int
    n: int
    offset: int = 0
    floats: int = 0


class Layout:
    """A kernel at fixed sizes: offsets of buffers, how stages are tiled, how weights are packed."""

    def __init__(self, k: Kernel, sizes: dict[str, int]) -> None:
        self.kernel, self.sizes = k, sizes
        p = k.plan
        self.padded = {z: -(-n // k.lanes) * k.lanes for z, n in sizes.items()}
        self.buffers = {**p.forward.buffers, **p.backward.buffers}
        self.packings: tuple[list[Packing], list[Packing]] = ([], [])
        self.segments: tuple[dict[tuple[int, int], Any], dict[tuple[int, int], Any]] = ({}, {})
        self._arrange(False)
        self._arrange(True)
        self.floats = [self._offsets(x) for x in self.packings]
        self.grain = max((self._tile(s) for s in [*p.forward.stages, *p.backward.stages] if s.groups), default=1)
        loops = {s.size for s in [*p.forward.phase(LOOP), *p.backward.phase(LOOP)] if s.size in sizes}
        self.units = min((-(-self.blocks(z) // self.grain) for z in loops), default=1)
        self.tile_vectors = [self._tile_vectors(p.forward.stages), self._tile_vectors(p.backward.stages)]
        self.packed: OrderedDict[tuple[Any, ...], list[Any]] = OrderedDict()
        self.weights = _weight_items(self)
        self.work = sum(
            2 * sizes[s.size] * sum(self._k(o, False) for o in g.operands) * len(g.slots)
            for s in p.forward.phase(LOOP)
            for g in s.groups
        )

    def blocks(self, size: str) -> int:
        return self.padded[size] // self.kernel.lanes

    def _tile(self, stage: Stage) -> int:
        most = max((len(g.slots) for g in stage.groups), default=1)
        return max(1, self.kernel.panel // most)

    def _tile_vectors(self, stages: list[Stage]) -> int:
        return max((self._tile(s) * sum(len(g.slots) for g in s.groups) for s in stages if s.groups), default=1)

    def width(self, name: str) -> int:
        """Numbers of one row of a buffer."""
        return sum(self.padded[z] for g in self.buffers[name].groups for z in g)

    def group_offset(self, name: str, group: int) -> int:
        return sum(self.padded[z] for g in self.buffers[name].groups[:group] for z in g)

    def _k(self, operand: Expr, backward: bool) -> int:
        return self.sizes[self.kernel.plan.sizes[operand]]

    def _arrange(self, backward: bool) -> None:
        """For every group of products: its segments (view key, k) and how their weights are packed."""
        schedule = self.kernel.plan.backward if backward else self.kernel.plan.forward
        for si, stage in enumerate(schedule.stages):
            for gi, group in enumerate(stage.groups):
                made = self._columns(stage, group) if backward else self._rows(stage, group)
                self.segments[backward][si, gi] = made

    def _rows(self, stage: Stage, group: Group) -> list[tuple[Key, int, int]]:
        """Forward: one segment per operand; the matrices' rows become the product's columns."""
        found = []
        p = self.kernel.plan
        for i, operand in enumerate(group.operands):
            blocks = [(b, stage.size) for b in group.blocks(i)]
            vectors = self.blocks(stage.size) * len(group.slots)
            k = self._k(operand, False)
            packing = Packing(False, blocks, k, vectors, self._tile(stage) * len(group.slots), self.sizes[stage.size])
            self.packings[False].append(packing)
            found.append((operand_key(p, operand, p.forward), k, len(self.packings[False]) - 1))
        return found

    def _columns(self, stage: Stage, group: Group) -> list[tuple[Key, int, int]]:
        """Backward: one segment per contiguous run of emitted adjoints; the matrices' rows run along k."""
        p = self.kernel.plan
        terms = [(home_key(p, d), block) for d, (block, _) in zip(group.operands, group.slots[0].attr, strict=True)]  # type: ignore[call-overload]
        found = []
        for run in _contiguous(terms, self.buffers):
            slots = [(block, self._slot_size(key)) for key, block in run]
            k = sum(self.padded[z] for _, z in slots)
            packing = Packing(True, slots, k, self.blocks(stage.size), self._tile(stage), self.sizes[stage.size])
            packing.tile = self._tile(stage)
            self.packings[True].append(packing)
            found.append((run[0][0], k, len(self.packings[True]) - 1))
        return found

    def _slot_size(self, key: Key) -> str:
        return self.buffers[str(key[1])].groups[int(key[2])][int(key[3])] if key[0] == "buf" else self._named(key)  # type: ignore[call-overload]

    def _named(self, key: Key) -> str:
        g = self.kernel.plan.graph
        return {"input": g.inputs, "dx": g.inputs}.get(str(key[0]), g.states)[str(key[1])]

    def _offsets(self, packings: list[Packing]) -> int:
        total = 0
        for q in packings:
            q.offset, q.floats = total, q.vectors * self.kernel.lanes * q.k
            total += q.floats + 16
        return total

    # -- packing

    def pack(self, backward: bool, params: dict[str, Tensor]) -> Tensor:
        """The packed weights of one direction; kept while the parameters' bits stay the same."""
        p = self.kernel.plan
        tensors = [params[n] for n, q in p.graph.params.items() if q.is_matrix]
        pointers = np.array([t.data_ptr() for t in tensors], dtype=np.int64)
        words = np.array([t.numel() * self.kernel.size // 4 for t in tensors], dtype=np.int64)
        total = self.kernel.runtime.rondo_checksum(pointers.ctypes.data, words.ctypes.data, len(tensors))
        for entry in self.packed.get((backward,), []):
            if entry[0] == total:
                return entry[1]
        table = dict(zip((n for n, q in p.graph.params.items() if q.is_matrix), tensors, strict=True))
        buffer = self._pack(backward, table)
        kept = self.packed.setdefault((backward,), [])
        kept.insert(0, (total, buffer))
        del kept[2:]
        return buffer

    def _pack(self, backward: bool, params: dict[str, Tensor]) -> Tensor:
        k = self.kernel
        buffer = _aligned(self.floats[backward], k.real)
        for q in self.packings[backward]:
            rows = self._row_pointers(q, params)
            place = buffer.data_ptr() + q.offset * k.size
            if q.columns:
                k.runtime.rondo_pack_columns(rows.ctypes.data, q.k, q.vectors, q.tile, q.n, place)
            else:
                k.runtime.rondo_pack_rows(rows.ctypes.data, q.vectors, q.tile, q.k, place)
        return buffer

    def _row_pointers(self, q: Packing, params: dict[str, Tensor]) -> np.ndarray:
        """Addresses of matrix rows in the order (unit block, slot, lane); 0 for padding."""
        lanes, size = self.kernel.lanes, self.kernel.size
        blocks = self.padded[q.blocks[0][1]] // lanes
        table = np.zeros((blocks, len(q.blocks), lanes), dtype=np.int64)
        for j, (block, z) in enumerate(q.blocks):
            w = params[block.name]
            flat = np.zeros(blocks * lanes, dtype=np.int64)
            flat[: self.sizes[z]] = w.data_ptr() + (np.arange(self.sizes[z]) * w.stride(0) + self.column(block)) * size
            table[:, j] = flat.reshape(blocks, lanes)
        return table.reshape(-1)

    def column(self, block: Block) -> int:
        """First column of a block within its matrix."""
        cols = self.kernel.plan.graph.params[block.name].cols
        return sum(self.sizes[c] for c in cols[: block.index])


def _aligned(floats: int, real: str) -> Tensor:
    """Uninitialised memory on a 64-byte boundary (torch gives that) of at least one number."""
    return torch.empty(max(floats, 1), dtype=torch.float32 if real == "float" else torch.float64)


def _contiguous(terms: list[tuple[Key, Block]], buffers: dict[str, Any]) -> list[list[tuple[Key, Block]]]:
    """Terms as runs of whole adjacent slots with one size each group: the order in memory."""
    waiting = sorted(terms, key=lambda t: (str(t[0][1]), t[0][2:]))
    runs: list[list[tuple[Key, Block]]] = []
    while waiting:
        rest: list[tuple[Key, Block]] = []
        for key, block in waiting:
            last = runs[-1][-1][0] if runs else None
            if last == key:
                rest.append((key, block))
            elif last is not None and key[:3] == last[:3] and key[0] == "buf" and int(key[3]) == int(last[3]) + 1:  # type: ignore[call-overload]
                runs[-1].append((key, block))
            else:
                runs.append([(key, block)])
        waiting = rest
    return runs


@dataclass(eq=False)
class WeightItem:
    """One whole-sequence weight gradient: columns of emitted adjoints against rows of an operand."""

    left: Key
    right: Key
    m: int
    n: int
    slots: list[tuple[Block, str]]
    add: bool


def _weight_items(layout: Layout) -> list[WeightItem]:
    """Outer products grouped by operand and contiguous adjoints, in a fixed order."""
    p = layout.kernel.plan
    by_right: dict[Key, tuple[Expr, list[tuple[Key, Block]]]] = {}
    for o in p.outers:
        by_right.setdefault(right_key(p, o.right), (o.right, []))[1].append((home_key(p, o.left), o.block))
    items: list[WeightItem] = []
    seen: set[Block] = set()
    for right, (node, terms) in by_right.items():
        for run in _contiguous(terms, layout.buffers):
            slots = [(block, layout._slot_size(key)) for key, block in run]
            again = {b in seen for b, _ in slots}
            pieces = [run] if len(again) == 1 else [[t] for t in run]
            for piece in pieces:
                slots = [(block, layout._slot_size(key)) for key, block in piece]
                if len(piece) < len(run) and len(layout.buffers[str(piece[0][0][1])].groups[int(piece[0][0][2])]) > 1:  # type: ignore[call-overload]
                    raise NotImplementedError("a weight used twice at once beside one that is not")
                m = sum(layout.padded[z] for _, z in slots)
                items.append(WeightItem(piece[0][0], right, m, layout.sizes[p.sizes[node]], slots, slots[0][0] in seen))
                seen |= {b for b, _ in slots}
    return items


# ---- one call ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class Call:
    """What one run of a layer is, apart from the tensors that are differentiated."""

    kernel: Kernel
    sizes: dict[str, int]
    batch: int
    steps: int
    threads: int
    resets: Tensor | None = None  # [T, B] uint8, in order of processing
    active: Tensor | None = None  # [blocks, T] int32: rows alive in each block of rows
    lengths: Tensor | None = None  # [B], beside `active`
    row_split: tuple[int, ...] = ()
    masks: dict[str, Tensor] = field(default_factory=dict)  # [T, B, n] or [B, n] uint8
    reverse: bool = False  # run from the last step to the first, in place

    def split(self) -> tuple[int, bool]:
        """Threads, and whether they share units (with a barrier a level) rather than rows."""
        layout = self.kernel.layout(self.sizes)
        return choose_split(layout.work * self.batch, self.kernel.plan.levels, self.batch, self.threads, layout.units)


def choose_split(work: int, levels: int, batch: int, threads: int, blocks: int) -> tuple[int, bool]:
    """How threads share one step's `work` (operations): a pure function, so that results repeat bit for bit."""
    if threads <= 1:
        return 1, False
    per_level = work / max(levels, 1)
    if batch >= threads * BATCH_SPLIT_ROWS or (levels > 1 and batch >= threads * 8):
        return threads, False
    if levels == 0:
        return (threads, False) if batch >= threads else (min(threads, blocks), True)
    if per_level >= UNIT_SPLIT_WORK and blocks >= threads:
        return threads, True
    return 1, False


class _Run:
    """Fills and runs one Program; `keep` holds what the pointers point to."""

    def __init__(self, call: Call, backward: bool, saving: bool) -> None:
        self.call, self.backward, self.saving = call, backward, saving
        self.kernel, self.layout = call.kernel, call.kernel.layout(call.sizes)
        self.size, self.lanes = self.kernel.size, self.kernel.lanes
        self.T, self.B = call.steps, call.batch
        self.threads, self.units = call.split()
        self.keys = self.kernel.keys[backward]
        self.index = self.kernel.index[backward]
        self.desc = (Desc * len(self.keys))()
        self.keep: list[Any] = [self.desc]
        rows = call.row_split or tuple(self.B * i // self.threads for i in range(self.threads + 1))
        per_thread = self.B if self.units else max(1, -(-self.B // self.threads))
        self.rows = rows
        self.skip_inputs = False
        self.chunk = min(self.T, max(1, -(-CHUNK_ROWS // per_thread)))

    def new(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=torch.float32 if self.size == 4 else torch.float64)

    def padded(self, t: Tensor, size: str) -> Tensor:
        """`t` with its last dimension dense and readable in whole vectors."""
        width = self.layout.padded[size]
        if t.shape[-1] == width and t.stride(-1) == 1:
            return t
        if t.shape[-1] == width:
            return t.contiguous()
        out = t.new_zeros(*t.shape[:-1], width)
        out[..., : t.shape[-1]] = t
        return out

    def over_time(self, key: Key, t: Tensor, element: int = 0) -> None:
        """A [T, B, n] tensor, walked backwards in time when the call is reversed."""
        self.keep.append(t)
        d, size = self.desc[self.index[key]], element or self.size
        d.base, d.ts, d.rs, d.us = t.data_ptr(), t.stride(0) * size, t.stride(1) * size, self.lanes * size
        if self.call.reverse and self.T:
            d.base, d.ts = d.base + (self.T - 1) * d.ts, -d.ts

    def state_views(self, entering: dict[str, Tensor], initial: dict[str, Tensor], seq: dict[str, Tensor]) -> None:
        for s, size in self.kernel.plan.graph.states.items():
            t, width = seq[s], self.layout.padded[size] * self.size
            first = self.padded(entering[s], size)
            self.keep += [t, first]
            for key, toff in ((("prev", s), -1), (("new", s), 0)):
                if key not in self.index:
                    continue
                d = self.desc[self.index[key]]
                d.base, d.ts, d.rs, d.us = t.data_ptr(), self.B * width, width, self.lanes * self.size
                if self.call.reverse and t.shape[0] == self.T and s == self.output_state:
                    d.base, d.ts = d.base + (self.T - 1) * d.ts, -d.ts
                d.period = 0 if t.shape[0] == self.T else t.shape[0]
                d.toff = toff
                if toff:
                    d.kind, d.first, d.first_rs, d.width = PREVIOUS, first.data_ptr(), first.stride(0) * self.size, width
                    if s in initial:
                        i = self.padded(initial[s], size)
                        self.keep.append(i)
                        d.initial, d.initial_rs = i.data_ptr(), (i.stride(0) if i.dim() == 2 else 0) * self.size

    @functools.cached_property
    def output_state(self) -> str:
        """The state that is the output, if the output is a state."""
        return next(iter(self.kernel.plan.graph.states)) if ("y",) not in self.kernel.index[False] else ""

    def buffers(self, names: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """Allocates the named buffers (or takes the given ones) and fills their views."""
        made = {}
        ringed = not self.saving and not self.backward and not self.kernel.plan.forward.phase(POST)
        for name in names:
            b = self.layout.buffers[name]
            width = 1 if b.kind == "scalar" else self.layout.width(name)
            steps = 2 if b.kind == "ring" else self.T
            if ringed and name.startswith("fp"):
                steps = self.chunk
            elif ringed and name.startswith("ft"):
                steps = 2
            t = given.get(name)
            made[name] = t if t is not None else self.new(max(steps, 1), self.B, width)
            self._buffer_views(name, made[name], width, steps)
        self.keep += list(made.values())
        return made

    def _buffer_views(self, name: str, t: Tensor, width: int, steps: int) -> None:
        b, lanes, size = self.layout.buffers[name], self.lanes, self.size
        for g, slots in enumerate(b.groups):
            for i in range(len(slots)):
                at = self.index.get(("buf", name, g, i))
                if at is None:
                    continue
                d = self.desc[at]
                d.base = t.data_ptr() + (self.layout.group_offset(name, g) + i * lanes) * size * (b.kind != "scalar")
                d.ts, d.rs, d.us = self.B * width * size, width * size, len(slots) * lanes * size
                d.period = steps if steps != self.T else 0

    def parameters(self, params: dict[str, Tensor]) -> None:
        for name, p in self.kernel.plan.graph.params.items():
            at = self.index.get(("vector", name))
            if at is None or p.is_matrix:
                continue
            v = self.padded(params[name].reshape(-1), p.rows)
            self.keep.append(v)
            self.desc[at].base, self.desc[at].us = v.data_ptr(), self.lanes * self.size

    def masks(self) -> None:
        for name, m in self.call.masks.items():
            at = self.index.get(("mask", name))
            if at is None:
                continue
            m = self.padded(m, self.kernel.plan.graph.masks[name])
            if m.dim() == 3:
                self.over_time(("mask", name), m, 1)
            else:
                self.keep.append(m)
                d = self.desc[at]
                d.base, d.rs, d.us = m.data_ptr(), m.stride(0), self.lanes
        for i, key in enumerate(self.keys):
            if key[0] == "tile":
                self.desc[i].kind = TILE

    def stages(self, phase: int, packed: Tensor) -> tuple[int, int]:
        """The stages of one phase as an array of structures: its length and address."""
        plan_ = self.kernel.plan
        schedule = plan_.backward if self.backward else plan_.forward
        found = [(i, s) for i, s in enumerate(schedule.stages) if s.phase == phase]
        array = (CStage * max(len(found), 1))()
        for number, (c, (si, s)) in enumerate(zip(array, found, strict=False)):
            c.n, c.blocks, c.tile_blocks = self.layout.sizes[s.size], self.layout.blocks(s.size), self.layout._tile(s)
            c.reduce = self.kernel.function(self.backward, s, True)
            c.region = self.kernel.function(self.backward, s, False)
            chained = phase != PRE or number > 0  # the first whole-sequence stage reads only what was given
            c.barrier = int(self.units and chained and bool(s.groups or s.reduce))
            groups = (CGroup * max(len(s.groups), 1))()
            c.ngroup, c.group = len(s.groups), ctypes.addressof(groups)
            self.keep.append(groups)
            for gi, (cg, g) in enumerate(zip(groups, s.groups, strict=False)):
                segments = self.layout.segments[self.backward][si, gi]
                segs = (CSegment * len(segments))()
                self.keep.append(segs)
                for cs, (key, k, packing) in zip(segs, segments, strict=True):
                    q = self.layout.packings[self.backward][packing]
                    cs.view, cs.k, cs.w = self.index[key], k, packed.data_ptr() + q.offset * self.size
                cg.slots, cg.nseg, cg.seg, cg.view = len(g.slots), len(segs), ctypes.addressof(segs), self.index[g.out[0]]
        self.keep.append(array)
        return len(found), ctypes.addressof(array)

    def run(self, packed: Tensor, carries: Any = (), weights: Any = ()) -> None:
        p, k = Program(), self.kernel
        p.T, p.B, p.nviews, p.threads = self.T, self.B, len(self.keys), self.threads
        p.split_units, p.grain, p.backward, p.saving = self.units, self.layout.grain, self.backward, self.saving
        p.chunk, p.views = self.chunk, ctypes.addressof(self.desc)
        p.npre, p.pre = self.stages(PRE, packed)
        p.nloop, p.loop = self.stages(LOOP, packed)
        p.npost, p.post = (0, 0) if self.skip_inputs and k.inputs_only else self.stages(POST, packed)
        rows = np.array(self.rows, dtype=np.int64)
        p.row_split, p.nprevious = rows.ctypes.data, len(k.plan.graph.states)
        patch = 0
        if self.call.resets is not None:
            any_reset = self.call.resets.any(1).to(torch.uint8)
            p.resets, p.any_reset = self.call.resets.data_ptr(), any_reset.data_ptr()
            patch = self.B * sum(self.layout.padded[z] for z in k.plan.graph.states.values()) * self.size
            self.keep.append(any_reset)
        if self.call.active is not None:
            p.active = self.call.active.data_ptr()
        vectors = self.layout.tile_vectors[self.backward]
        p.scratch_size = k.runtime.rondo_scratch(vectors, patch)
        scratch = torch.empty(self.threads * p.scratch_size, dtype=torch.uint8)
        p.scratch = scratch.data_ptr()
        p.ncarry, p.carry = len(carries), ctypes.addressof(carries) if len(carries) else 0
        p.nweight, p.weight = len(weights), ctypes.addressof(weights) if len(weights) else 0
        k.runtime.rondo_run(ctypes.addressof(p), vectors)


@dataclass(eq=False)
class Saved:
    """What forward keeps for backward."""

    seq: dict[str, Tensor]
    buffers: dict[str, Tensor]


def run_forward(
    call: Call,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    initial: dict[str, Tensor],
    saving: bool,
) -> tuple[Tensor, dict[str, Tensor], Saved]:
    """x: [T, B, n] views; state and initial: [B, n]. Returns outputs [T, B, m], the final state, what is saved."""
    r = _Run(call, False, saving)
    p, g, layout = call.kernel.plan, call.kernel.plan.graph, r.layout
    full = saving or call.active is not None or bool(p.forward.phase(POST))
    seq = {
        s: r.new(r.T if full or s == r.output_state else min(2, r.T), r.B, layout.padded[z]) for s, z in g.states.items()
    }
    _inputs(r, x)
    r.state_views(state, initial, seq)
    r.parameters(params)
    r.masks()
    made = r.buffers(p.forward.buffers, {})
    if ("y",) in r.index:
        y = r.new(r.T, r.B, layout.padded[g.output_size])
        r.over_time(("y",), y)
    else:
        y = seq[r.output_state]
    r.run(layout.pack(False, params))
    final = _final(call, r, seq, state)
    if call.active is not None:
        _clear(call, r, y)
    kept = {n for k in [*p.saved.values(), *_statistics(p)] for n in [str(k[1])] if k[0] == "buf"}
    return y[..., : call.sizes[g.output_size]], final, Saved(seq, {n: made[n] for n in made if n in kept})


def _statistics(p: Plan) -> list[Key]:
    return [k for k in p.backward.leaves.values() if k[0] == "buf"]


def _inputs(r: _Run, x: dict[str, Tensor]) -> None:
    for name, size in r.kernel.plan.graph.inputs.items():
        if ("input", name) in r.index:
            t = x[name]
            r.over_time(("input", name), t if t.stride(-1) == 1 and not _elementwise_input(r) else r.padded(t, size))


def _elementwise_input(r: _Run) -> bool:
    """Whether pointwise code reads an input (then its rows must be readable in whole vectors)."""
    p = r.kernel.plan
    stages = [*p.forward.stages, *p.backward.stages]
    regions = [q for s in stages for q in (s.region, s.reduce) if q is not None]
    return any(k[0] == "input" for q in regions for k in q.loads.values())


def _final(call: Call, r: _Run, seq: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    if r.T == 0:
        return {s: v.clone() for s, v in state.items()}
    found = {}
    for s, z in call.kernel.plan.graph.states.items():
        n = call.sizes[z]
        if call.active is None:
            last = 0 if (call.reverse and s == r.output_state) else (r.T - 1) % seq[s].shape[0]
            found[s] = seq[s][last, :, :n].clone()
        else:
            lengths = call.lengths
            at = (lengths - 1).clamp(min=0)
            rows = seq[s][at, torch.arange(r.B), :n]
            found[s] = torch.where((lengths > 0).unsqueeze(1), rows, state[s])
    return found


def _clear(call: Call, r: _Run, y: Tensor) -> None:
    """Zeros past each row's length."""
    steps = torch.arange(r.T).unsqueeze(1)
    y.masked_fill_((steps >= call.lengths.unsqueeze(0)).unsqueeze(2), 0.0)


def run_backward(
    call: Call,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    initial: dict[str, Tensor],
    saved: Saved,
    grad_y: Tensor,
    grad_final: dict[str, Tensor],
    wants_x: bool = True,
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of inputs [T, B, n], states [B, n], initial states [B, n] and parameters.

    Without `wants_x`, whole-sequence products that only serve the inputs' gradients are left out.
    """
    r = _Run(call, True, True)
    r.skip_inputs = not wants_x
    p, g, layout = call.kernel.plan, call.kernel.plan.graph, r.layout
    _inputs(r, x)
    r.state_views(state, initial, saved.seq)
    r.parameters(params)
    r.masks()
    r.buffers(p.backward.buffers, {})
    r.buffers(saved.buffers, saved.buffers)
    if ("dy",) in r.index:
        r.over_time(("dy",), r.padded(grad_y, g.output_size))
    d_x = {}
    for i, z in g.inputs.items():
        if ("dx", i) in r.index and wants_x:
            d_x[i] = (torch.zeros if call.active is not None else torch.empty)(
                (r.T, r.B, layout.padded[z]), dtype=grad_y.dtype
            )
            r.over_time(("dx", i), d_x[i])
    sums = _sum_buffers(r)
    rings, carries, cut = _carries(r, grad_final)
    grads, weights = _weights(r, params)
    r.run(layout.pack(True, params), carries, weights)
    last = 0  # the ring slot written at the first step
    d_state = {s: rings[s][last][:, : call.sizes[z]] for s, z in g.states.items()}
    d_state = {s: _untouched(call, d, grad_final[s]) for s, d in d_state.items()}
    for name, total in sums.items():
        grads[name] = total.sum(0)[: call.sizes[g.params[name].rows]].reshape(params[name].shape)
    for name in g.params:
        grads.setdefault(name, torch.zeros_like(params[name]))
    if wants_x:
        d_x = {i: d_x[i][..., : call.sizes[z]] if i in d_x else torch.zeros_like(x[i]) for i, z in g.inputs.items()}
    return d_x, d_state, {s: cut[s][:, : call.sizes[z]] for s, z in g.states.items() if s in cut}, grads


def _untouched(call: Call, d: Tensor, final: Tensor) -> Tensor:
    """Rows of length zero hand the gradient of their final state through."""
    if call.steps == 0:
        return final.clone()
    if call.active is None:
        return d
    return torch.where((call.lengths > 0).unsqueeze(1), d, final)


def _sum_buffers(r: _Run) -> dict[str, Tensor]:
    """Per thread, the running sums over rows and steps of the vector parameters' gradients."""
    found = {}
    for key, at in r.index.items():
        if key[0] == "acc":
            name = str(key[1])
            width = r.layout.padded[r.kernel.plan.graph.params[name].rows]
            t = found[name] = torch.zeros(r.threads, width, dtype=r.new(0).dtype)
            d = r.desc[at]
            d.base, d.ts, d.us, d.kind = t.data_ptr(), width * r.size, r.lanes * r.size, PER_THREAD
            r.keep.append(t)
    return found


def _carries(r: _Run, grad_final: dict[str, Tensor]) -> tuple[dict[str, Tensor], Any, dict[str, Tensor]]:
    """The rings that carry the states' adjoints back in time."""
    states = r.kernel.plan.graph.states
    array = (CCarry * len(states))()
    rings, cut = {}, {}
    for c, (s, z) in zip(array, states.items(), strict=True):
        width = r.layout.padded[z]
        ring = rings[s] = torch.zeros(2, r.B, width, dtype=r.new(0).dtype)
        final = r.padded(grad_final[s], z)
        r.keep += [ring, final]
        for key, toff in ((("carry_in", s), 1), (("carry_out", s), 0)):
            d = r.desc[r.index[key]]
            d.base, d.ts, d.rs, d.us = ring.data_ptr(), r.B * width * r.size, width * r.size, r.lanes * r.size
            d.period, d.toff = 2, toff
        c.view_in, c.view_out = r.index["carry_in", s], r.index["carry_out", s]
        c.final, c.final_rs, c.width = final.data_ptr(), final.stride(0) * r.size, width * r.size
        if r.call.resets is not None:
            cut[s] = torch.zeros(r.B, width, dtype=ring.dtype)
            r.keep.append(cut[s])
            c.reset_sum, c.reset_rs = cut[s].data_ptr(), width * r.size
    r.keep.append(array)
    return rings, array, cut


def _weights(r: _Run, params: dict[str, Tensor]) -> tuple[dict[str, Tensor], Any]:
    """Gradients of the matrices, and the products that fill them."""
    items = r.layout.weights
    array = (CWeight * max(len(items), 1))()
    used = dict.fromkeys(b.name for i in items for b, _ in i.slots)
    grads = {n: torch.empty(params[n].shape, dtype=params[n].dtype) for n in used}
    if r.T == 0 or r.B == 0 or (r.call.active is not None and not int(r.call.active.sum())):
        return {n: t.zero_() for n, t in grads.items()}, ()
    for c, item in zip(array, items, strict=False):
        q = Packing(True, item.slots, 0, 0, 0, 0)
        out = r.layout._row_pointers(q, grads)
        r.keep.append(out)
        c.left, c.m, c.right, c.n = r.index[item.left], item.m, r.index[item.right], item.n
        c.out, c.add = out.ctypes.data, item.add
    r.keep.append(array)
    return grads, array if items else ()
