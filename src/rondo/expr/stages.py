"""What a schedule is made of: stages of products and pointwise regions, and the buffers between them."""

from __future__ import annotations

from dataclasses import dataclass, field

from rondo.expr.nodes import Block, Expr

PRE, LOOP, POST = 0, 1, 2

Key = tuple[object, ...]  # where a value lives: ("input", "x"), ("prev", "h"), ("buf", name, group, slot) ...
Place = tuple[int, int]  # phase, stage


@dataclass(eq=False)
class Group:
    """Products with the same operands, done together; one slot of the result per product."""

    slots: list[Expr]
    operands: list[Expr]
    number: int  # among all groups of its direction
    index: int  # among the groups of its stage
    out: list[Key] = field(default_factory=list)

    def blocks(self, operand: int) -> list[Block]:
        return [s.attr[operand][0] for s in self.slots]  # type: ignore[index]


@dataclass(eq=False)
class Region:
    """Pointwise code over rows and units of one size: loads, operations in order, stores, sums over rows."""

    loads: dict[Expr, Key]
    code: list[Expr]
    stores: list[tuple[Expr, Key, bool]]  # value, place, only when saving
    sums: list[tuple[Expr, str]]  # value, vector parameter


@dataclass(eq=False)
class Stage:
    """Products, row statistics of earlier values, pointwise region; all of one size."""

    phase: int
    index: int
    size: str
    groups: list[Group]
    reduce: Region | None = None
    region: Region | None = None


@dataclass(eq=False)
class Buffer:
    """Storage over (step, row): groups of interleaved slots. kind: "time", "ring" (two steps) or "scalar"."""

    name: str
    kind: str
    groups: list[list[str]]  # size name of each slot


@dataclass(eq=False)
class Schedule:
    """The stages of one direction in order, and the buffers that it adds."""

    stages: list[Stage]
    buffers: dict[str, Buffer]
    home: dict[Expr, Key]
    leaves: dict[Expr, Key]
    emitted: dict[Expr, Key] = field(default_factory=dict)  # backward: adjoints that leave the loop

    def phase(self, phase: int) -> list[Stage]:
        return [s for s in self.stages if s.phase == phase]

    @property
    def levels(self) -> int:
        """Dependent products inside the loop: LSTM 1, GRU of Cho 2."""
        return len({s.index for s in self.phase(LOOP) if s.groups})
