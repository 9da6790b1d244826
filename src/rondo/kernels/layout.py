"""A kernel at fixed sizes: widths of buffers, tiles of stages, and how weights are packed.

Structures are plain 64-bit words and mirror those of native/runtime.cpp field by field.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from rondo.expr.nodes import Block, Expr
from rondo.expr.stages import LOOP, Buffer, Group, Key, Stage
from rondo.render.cpp import home_key, operand_key, right_key

if TYPE_CHECKING:
    from rondo.kernels.cpu import Kernel


def structure(name: str, fields: str) -> type[ctypes.Structure]:
    """A C structure of 64-bit words."""
    return type(name, (ctypes.Structure,), {"_fields_": [(f, ctypes.c_int64) for f in fields.split()]})


CColumn = structure("CColumn", "param column units")
CPackJob = structure("CPackJob", "columns slots column k vectors tile n offset")


@dataclass(eq=False)
class Packing:
    """One packed operand of a product: the matrix block and the size of its rows for every slot."""

    transposed: bool
    slots: list[tuple[Block, str]]
    k: int
    vectors: int
    tile: int
    n: int
    offset: int = 0


@dataclass(eq=False)
class WeightItem:
    """One whole-sequence weight gradient: columns of emitted adjoints against the rows of an operand."""

    left: Key
    right: Key
    m: int
    n: int
    slots: list[tuple[Block, str]]
    add: bool


class Layout:
    """Sizes, offsets, packings and weight gradients of a kernel; keeps packed weights while they stay the same."""

    def __init__(self, k: Kernel, sizes: dict[str, int]) -> None:
        self.kernel, self.sizes = k, sizes
        self.plan = p = k.plan
        self.padded = {z: -(-n // k.lanes) * k.lanes for z, n in sizes.items()}
        self.buffers: dict[str, Buffer] = {**p.forward.buffers, **p.backward.buffers}
        self.packings: tuple[list[Packing], list[Packing]] = ([], [])
        self.segments: tuple[dict[tuple[int, int], Any], dict[tuple[int, int], Any]] = ({}, {})
        for backward in (False, True):
            self._arrange(backward)
        stages = [*p.forward.stages, *p.backward.stages]
        regions = [q for s in stages for q in (s.region, s.reduce) if q is not None]
        # pointwise code that reads an input needs its rows readable in whole vectors
        self.pads_inputs = any(k[0] == "input" for q in regions for k in q.loads.values())
        self.grain = max((self.tile(s) for s in stages if s.groups), default=1)
        loops = {s.size for s in stages if s.phase == LOOP}
        self.grains = min((-(-self.blocks(z) // self.grain) for z in loops), default=1)
        self.tile_vectors = [self._tile_vectors(p.forward.stages), self._tile_vectors(p.backward.stages)]
        self.weights = self._weight_items()
        self.work = self._work()
        self.number = {n: i for i, n in enumerate(p.graph.params)}
        self._jobs = [self._pack_jobs(False), self._pack_jobs(True)]
        self._packed: tuple[list[tuple[int, Tensor]], list[tuple[int, Tensor]]] = ([], [])
        self._bound: tuple[tuple[int, ...], Any] = ((), None)  # addresses, lengths and strides as C words
        self.templates: dict[Any, Any] = {}

    # -- sizes

    def blocks(self, size: str) -> int:
        """Unit blocks (whole vectors) of a size."""
        return self.padded[size] // self.kernel.lanes

    def tile(self, stage: Stage) -> int:
        """Unit blocks of a tile: as many as fill a panel of the micro-kernel."""
        return max(1, self.kernel.panel // max((len(g.slots) for g in stage.groups), default=1))

    def _tile_vectors(self, stages: list[Stage]) -> int:
        return max((self.tile(s) * sum(len(g.slots) for g in s.groups) for s in stages if s.groups), default=1)

    def width(self, name: str) -> int:
        """Numbers of one row of a buffer."""
        b = self.buffers[name]
        return 1 if b.kind == "scalar" else sum(self.padded[z] for g in b.groups for z in g)

    def group_offset(self, name: str, group: int) -> int:
        return sum(self.padded[z] for g in self.buffers[name].groups[:group] for z in g)

    def length(self, node: Expr) -> int:
        return self.sizes[self.plan.sizes[node]]

    def column(self, block: Block) -> int:
        """First column of a block within its matrix."""
        return sum(self.sizes[c] for c in self.plan.graph.params[block.name].cols[: block.index])

    def slot_size(self, key: Key) -> str:
        """The size of the value at a place."""
        if key[0] == "buf":
            return self.buffers[str(key[1])].groups[int(key[2])][int(key[3])]  # type: ignore[call-overload]
        g = self.plan.graph
        return {"input": g.inputs, "dx": g.inputs}.get(str(key[0]), g.states)[str(key[1])]

    def _work(self) -> int:
        """Operations of the loop's products, per row and step."""
        return sum(
            2 * self.sizes[s.size] * sum(self.length(o) for o in g.operands) * len(g.slots)
            for s in self.plan.forward.phase(LOOP)
            for g in s.groups
        )

    # -- products

    def _arrange(self, backward: bool) -> None:
        """For every group of products: its segments (place of the operand, length, number of the packing)."""
        schedule = self.plan.backward if backward else self.plan.forward
        for si, stage in enumerate(schedule.stages):
            for gi, group in enumerate(stage.groups):
                terms = self._transposed(stage, group) if backward else self._plain(stage, group)
                found = []
                for key, packing in terms:
                    found.append((key, packing.k, len(self.packings[backward])))
                    self.packings[backward].append(packing)
                self.segments[backward][si, gi] = found

    def _plain(self, stage: Stage, group: Group) -> list[tuple[Key, Packing]]:
        """Forward: one segment per operand; rows of the matrices are the outputs."""
        n, slots = self.sizes[stage.size], len(group.slots)
        vectors, tile = self.blocks(stage.size) * slots, self.tile(stage) * slots
        return [
            (
                operand_key(self.plan, o, self.plan.forward),
                Packing(False, [(b, stage.size) for b in group.blocks(i)], self.length(o), vectors, tile, n),
            )
            for i, o in enumerate(group.operands)
        ]

    def _transposed(self, stage: Stage, group: Group) -> list[tuple[Key, Packing]]:
        """Backward: one segment per run of emitted adjoints; rows of the matrices run along k."""
        attr: Any = group.slots[0].attr
        terms = [(home_key(self.plan, d), block) for d, (block, _) in zip(group.operands, attr, strict=True)]
        found = []
        for run in self._runs(terms):
            slots = [(block, self.slot_size(key)) for key, block in run]
            k = sum(self.padded[z] for _, z in slots)
            packing = Packing(True, slots, k, self.blocks(stage.size), self.tile(stage), self.sizes[stage.size])
            found.append((run[0][0], packing))
        return found

    def _weight_items(self) -> list[WeightItem]:
        """Outer products grouped by operand and adjacent adjoints, in a fixed order."""
        p = self.plan
        by_right: dict[Key, tuple[Expr, list[tuple[Key, Block]]]] = {}
        for o in p.outers:
            by_right.setdefault(right_key(p, o.right), (o.right, []))[1].append((home_key(p, o.left), o.block))
        items: list[WeightItem] = []
        seen: set[Block] = set()
        for right, (node, terms) in by_right.items():
            for run in self._runs(terms):
                slots = [(block, self.slot_size(key)) for key, block in run]
                m = sum(self.padded[z] for _, z in slots)
                for again in sorted({b in seen for b, _ in slots}):  # a second use adds, in a pass of its own
                    own = [s if (s[0] in seen) == again else None for s in slots]
                    items.append(WeightItem(run[0][0], right, m, self.length(node), own, again))  # type: ignore[arg-type]
                seen |= {b for b, _ in slots}
        return items

    def _runs(self, terms: list[tuple[Key, Block]]) -> list[list[tuple[Key, Block]]]:
        """Runs that the runtime can read: slots of a group lie interleaved, so a run holds all of them."""
        runs = contiguous(terms)
        for run in runs:
            (kind, name, *place), _ = run[0]
            if kind == "buf" and len(run) != len(self.buffers[str(name)].groups[int(place[0])]):  # type: ignore[call-overload]
                raise AssertionError(f"{self.plan.graph.name}: {name} is read in part, which the schedule must prevent")
        return runs

    def columns(self, slots: list[tuple[Block, str] | None], offsets: dict[str, int]) -> Any:
        """The matrices behind slots as C words; `offsets` numbers the parameters; an absent slot has no rows."""
        array = (CColumn * len(slots))()
        for c, slot in zip(array, slots, strict=True):
            if slot is not None:
                block, size = slot
                c.param, c.column, c.units = offsets[block.name], self.column(block), self.sizes[size]
        return array

    # -- packing

    def _pack_jobs(self, backward: bool) -> Any:
        """The packing of one direction as C words, and the length of its buffer."""
        packings, offset = self.packings[backward], 0
        jobs = (CPackJob * max(len(packings), 1))()
        keep = []
        for j, q in zip(jobs, packings, strict=False):
            q.offset = offset
            columns = self.columns(list(q.slots), self.number)
            keep.append(columns)
            j.columns, j.slots, j.column, j.k = q.transposed, len(q.slots), ctypes.addressof(columns), q.k
            j.vectors, j.tile, j.n, j.offset = q.vectors, q.tile, q.n, offset
            offset += q.vectors * self.kernel.lanes * q.k + 16
        vectors = [(n, p.rows) for n, p in self.plan.graph.params.items() if not p.is_matrix]
        table = np.zeros((max(len(vectors), 1), 4), dtype=np.int64)
        for row, (name, z) in zip(table, vectors, strict=False):
            row[:] = (self.number[name], self.sizes[z], self.padded[z], offset)
            offset += self.padded[z] + 16
        places = {name: int(row[3]) for row, (name, _) in zip(table, vectors, strict=False)}
        return jobs, len(packings), table, len(vectors), offset, places, keep

    def vector_place(self, backward: bool, name: str) -> int:
        """Where a padded vector parameter lies in the packed buffer, in numbers."""
        return int(self._jobs[backward][5][name])

    def pack(self, backward: bool, params: list[Tensor], threads: int) -> Tensor:
        """The packed parameters of one direction; kept while the parameters' bits stay the same.

        `params` in the order of the graph, matrices with dense rows.
        """
        runtime, count = self.kernel.runtime, len(params)
        pointers = tuple([t.data_ptr() for t in params])
        bound = self._bound
        if bound[1] is None or pointers != bound[0]:
            per = self.kernel.size // 4
            numbers = [*pointers, *(t.numel() * per for t in params), *(t.stride(0) for t in params)]
            self._bound = bound = (pointers, (ctypes.c_int64 * max(3 * count, 1))(*numbers))
        words = bound[1]
        base = ctypes.addressof(words)
        total = runtime.rondo_checksum(base, base + 8 * count, count)
        kept = self._packed[backward]
        for old, buffer in kept:
            if old == total:
                return buffer
        jobs, njob, table, nvector, length, _, _ = self._jobs[backward]
        buffer = torch.empty(max(length, 1), dtype=self.kernel.dtype)
        runtime.rondo_pack(
            ctypes.addressof(jobs),
            njob,
            table.ctypes.data,
            nvector,
            base,
            base + 16 * count,
            threads if length > 100_000 else 1,
            buffer.data_ptr(),
        )
        self._packed[backward][:] = [(total, buffer), *kept[:1]]
        return buffer


def contiguous(terms: list[tuple[Key, Block]]) -> list[list[tuple[Key, Block]]]:
    """Terms as runs of adjacent slots of one group, each place once in a run."""
    waiting = sorted(terms, key=lambda t: (str(t[0][1]), t[0][2:]))
    runs: list[list[tuple[Key, Block]]] = []
    while waiting:
        rest: list[tuple[Key, Block]] = []
        last: Key | None = None
        for key, block in waiting:
            if last is not None and key == last:
                rest.append((key, block))
                continue
            beside = last is not None and key[0] == "buf" and key[:3] == last[:3]
            if beside and int(key[3]) == int(last[3]) + 1:  # type: ignore[index,call-overload,arg-type]
                runs[-1].append((key, block))
            else:
                runs.append([(key, block)])
            last = key
        waiting = rest
    return runs
